// Responses to store, and short ways to store and find them.
import { randomUUID } from 'node:crypto'
import type { Body, CacheStore, Entry, Stored } from '../../stores/store.ts'

export const KEY = 'https://store.test/a'
export const VARIANT = 'GET\n'
export const TAG = 'origin:https://store.test'

const HOUR_MS = 3_600_000

/** An entry as it is before its body is known. */
export function entryOf(key = KEY, changes: Partial<Entry> = {}): Entry {
  const nowMs = Date.now()
  return {
    id: randomUUID(),
    key,
    variantKey: VARIANT,
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
    tags: [TAG],
    expiresAtMs: nowMs + HOUR_MS,
    ...changes
  }
}

/** The entry as it is once so much of a body has been written. */
export function finished(entry: Entry, byteLength: number): Entry {
  return { ...entry, completeLength: byteLength, segments: [{ start: 0, end: byteLength }] }
}

/** Stores a body that comes in these chunks; undefined where the store would not. */
export async function store(
  target: CacheStore,
  entry: Entry,
  chunks: Iterable<Uint8Array> = [Buffer.from('x')],
  asOf?: unknown
): Promise<Entry | undefined> {
  const writer = await target.put(entry, asOf === undefined ? {} : { asOf })
  if (writer === undefined) return undefined
  let byteLength = 0
  for (const chunk of chunks) {
    await writer.write(chunk)
    byteLength += chunk.byteLength
  }
  const whole = finished(entry, byteLength)
  return (await writer.commit(whole)) ? whole : undefined
}

/** A request without any of the fields that select. */
export function variantOf(names: readonly string[]): string {
  return [VARIANT, ...names].join('\n')
}

/** A request with these fields. */
export function variantFor(fields: Readonly<Record<string, string>>): (names: readonly string[]) => string {
  return names => [VARIANT, ...names.map(name => (name in fields ? `${name}:${fields[name]}` : name))].join('\n')
}

export async function find(source: CacheStore, key = KEY): Promise<Stored | undefined> {
  return (await source.get(key, variantOf)).stored[0]
}

export async function* piecesOf(body: Body | undefined): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body
  else if (body !== undefined) yield* body
}

export async function bytesOf(body: Body | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of piecesOf(body)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Bytes without a period. */
export function noise(length: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = seed
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, length)
}
