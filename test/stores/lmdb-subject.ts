import { randomUUID } from 'node:crypto'
import type { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { Body } from '../../stores/store.ts'

/** An entry as it is before its body is known. */
export function entryOf(key: string, changes: Partial<Entry> = {}): Entry {
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
  target: LmdbStore,
  entry: Entry,
  chunks: Iterable<Uint8Array>,
  asOf?: unknown
): Promise<boolean> {
  const writer = target.put(entry, asOf === undefined ? {} : { asOf })
  if (writer === undefined) return false
  let end = 0
  for (const chunk of chunks) {
    await writer.write(chunk)
    end += chunk.byteLength
  }
  return writer.commit({ ...entry, completeLength: end, segments: [{ start: 0, end, bodyId: entry.id }] })
}

export function find(source: LmdbStore, key: string) {
  return source.get(key, names => ['GET\n', ...names].join('\n')).stored[0]
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
