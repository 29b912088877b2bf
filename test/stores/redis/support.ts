import { randomUUID } from 'node:crypto'
import type { Entry } from '../../../lib/rfc9111/types.ts'
import type { Body, CacheStore } from '../../../stores/store.ts'

/** Switches on what takes minutes. */
export const isStress = process.env['REDIS_STRESS'] !== undefined

/** How long to wait for a server, for a machine that is busy with other things. */
export const PATIENT = { connectTimeout: 20_000, commandTimeout: 20_000 }

export const KEY = 'https://store.test/a'

let namespaces = 0

/** One that nobody has used. */
export function newNamespace(): string {
  return `test:${process.pid}.${namespaces++}`
}

/** An entry as it is before its body is known. */
export function entryOf(key = KEY, changes: Partial<Entry> = {}): Entry {
  const nowMs = Date.now()
  return {
    id: randomUUID(),
    key,
    variantKey: 'GET\n',
    vary: [],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines: [['Cache-Control', 'max-age=3600']],
    trailers: [],
    requestTimeMs: nowMs,
    responseTimeMs: nowMs,
    completeLength: undefined,
    segments: [],
    tags: ['origin:https://store.test'],
    expiresAtMs: nowMs + 3_600_000,
    ...changes
  }
}

/** Stores a body that comes in these chunks. */
export async function store(
  target: CacheStore,
  entry: Entry,
  chunks: Iterable<Uint8Array> = [Buffer.from('x')],
  asOf?: unknown
): Promise<Entry | undefined> {
  const writer = await target.put(entry, asOf === undefined ? {} : { asOf })
  if (writer === undefined) return undefined
  let end = 0
  for (const chunk of chunks) {
    await writer.write(chunk)
    end += chunk.byteLength
  }
  const whole = { ...entry, completeLength: end, segments: [{ start: 0, end, bodyId: entry.id }] }
  return (await writer.commit(whole)) ? whole : undefined
}

export function variantOf(names: readonly string[]): string {
  return ['GET\n', ...names].join('\n')
}

export async function find(source: CacheStore, key = KEY) {
  return (await source.get(key, variantOf)).stored[0]
}

export async function bytesOf(body: Body | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  if (body instanceof Uint8Array) pieces.push(body)
  else for await (const piece of body ?? []) pieces.push(piece)
  return Buffer.concat(pieces)
}
