// A driver for the services that Apache OpenDAL reaches: `opendalDriver(new Operator('s3', { ... }))`, with the Operator of
// the package `opendal`. Version 0.49.2 needs no newer a system than Debian 12.
import type { ObjectDriver } from 'undici-http-cache/stores/object'

/** What is used of OpenDAL's Operator. */
export interface Operator {
  stat(path: string): Promise<{ readonly contentLength: bigint | null }>
  read(path: string, options?: { readonly offset: bigint; readonly size: bigint }): Promise<Buffer>
  write(path: string, content: Buffer, options?: { readonly ifNotExists: boolean }): Promise<unknown>
  writer(path: string): Promise<{ write(content: Buffer): Promise<void>; close(): Promise<void> }>
  delete(path: string): Promise<void>
  list(path: string, options: { readonly recursive: boolean }): Promise<readonly { path(): string }[]>
  capability(): { readonly writeWithIfNotExists: boolean }
}

const PIECE_BYTES = 1_048_576

export function opendalDriver(operator: Operator): ObjectDriver {
  const ifAbsent = operator.capability().writeWithIfNotExists
  return {
    // `shared: true` where other processes use the same service.
    capabilities: { ranges: true, streams: true, ifAbsent, shared: false },
    async get(name, { start = 0, end = Infinity, signal }) {
      const size = await sizeOf(operator, name)
      if (size === undefined) return undefined
      const last = Math.min(end, size)
      if (last - start <= PIECE_BYTES) return readPart(operator, name, start, last)
      return (async function* () {
        for (let at = start; at < last; at += PIECE_BYTES) {
          signal.throwIfAborted()
          yield await readPart(operator, name, at, Math.min(at + PIECE_BYTES, last))
        }
      })()
    },
    async put(name, body, { ifAbsent: isConditional = false, signal }) {
      if (body instanceof Uint8Array) {
        const isFailure = (error: unknown) => !isConditional || !String(error).includes('ConditionNotMatch')
        return succeeds(operator.write(name, bufferOf(body), { ifNotExists: isConditional && ifAbsent }), isFailure)
      }
      // Without its close() nothing is to be seen of it.
      const writer = await operator.writer(name)
      for await (const piece of body) await writer.write(bufferOf(piece))
      signal.throwIfAborted()
      await writer.close()
      return true
    },
    delete: name => operator.delete(name),
    async *list(prefix) {
      const entries = await operator.list(prefix.slice(0, prefix.lastIndexOf('/') + 1), { recursive: true })
      const names = entries.map(entry => entry.path())
      yield* names.filter(name => name.startsWith(prefix) && !name.endsWith('/')).sort()
    }
  }
}

async function sizeOf(operator: Operator, name: string): Promise<number | undefined> {
  try {
    return Number((await operator.stat(name)).contentLength)
  } catch (error) {
    if (String(error).includes('NotFound')) return undefined
    throw error
  }
}

async function readPart(operator: Operator, name: string, start: number, end: number): Promise<Uint8Array> {
  if (start >= end) return new Uint8Array()
  return operator.read(name, { offset: BigInt(start), size: BigInt(end - start) })
}

async function succeeds(work: Promise<unknown>, isFailure: (error: unknown) => boolean): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (isFailure(error)) throw error
    return false
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}
