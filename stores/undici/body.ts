import type { Writable } from 'node:stream'
import { clearTimeout, setTimeout } from 'node:timers'
import { isUint8Array } from 'node:util/types'
import { CacheError } from '../../lib/errors.ts'
import type { UndiciResult } from './contract.ts'

type UndiciBody = UndiciResult['body']

/** How long a store may take to write a response: one that never says that it has must not hold up others for good. */
const WRITE_TIMEOUT_MS = 10_000

/** The bytes of a body that is there already; undefined for one that is yet to be read. */
export function heldPieces(body: UndiciBody): readonly Uint8Array[] | undefined {
  if (body === undefined || body === null) return []
  if (typeof body === 'string' || isUint8Array(body)) return [asBytes(body)]
  return Array.isArray(body) ? body.map(asBytes) : undefined
}

/** Lets go of a body that is not going to be read. */
export function discard(body: UndiciBody): void {
  if (typeof body !== 'object' || body === null || !('destroy' in body)) return
  body.on('error', () => {}).destroy()
}

/** A body as it is read. */
export async function* readPieces(body: UndiciBody): AsyncGenerator<Uint8Array> {
  const held = heldPieces(body)
  if (held !== undefined) yield* held
  else for await (const chunk of body as AsyncIterable<Uint8Array | string>) yield asBytes(chunk)
}

/** A body read to its end; undefined where it is not `byteLength` long. */
export async function readAll(body: UndiciBody, byteLength: number): Promise<readonly Uint8Array[] | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of readPieces(body)) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes > byteLength) return undefined
  }
  return bytes === byteLength ? pieces : undefined
}

/** Writes a whole body. False where the store declines it: it gives no stream, or destroys it.
 * Rejects with what the store fails with, or with ERR_CACHE_TIMEOUT where it does not finish within 10 s. */
export function writeAll(stream: Writable | undefined, pieces: readonly Uint8Array[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (stream === undefined) return resolve(false)
    const timer = setTimeout(() => {
      reject(new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${WRITE_TIMEOUT_MS} ms to write`))
      stream.destroy()
    }, WRITE_TIMEOUT_MS).unref()
    const settle = (written: boolean) => {
      clearTimeout(timer)
      resolve(written)
    }
    stream.on('finish', () => settle(true))
    stream.on('close', () => settle(stream.writableFinished))
    stream.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    for (const piece of pieces) {
      if (!stream.destroyed) stream.write(piece)
    }
    if (!stream.destroyed) stream.end()
  })
}

function asBytes(chunk: Uint8Array | string): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
