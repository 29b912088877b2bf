// Stores by undici's contract: its own, and what others may make of it.
import { Readable, Writable } from 'node:stream'
import { cacheStores } from 'undici'
import type { UndiciCacheStore } from 'undici-http-cache/stores/undici'

type Key = Parameters<UndiciCacheStore['get']>[0]
type Value = Parameters<UndiciCacheStore['createWriteStream']>[1]

/** undici's SqliteCacheStore, where this Node has what it needs; else why not. */
export function sqliteStore(options: { location?: string; maxEntrySize?: number } = {}) {
  try {
    return new cacheStores.SqliteCacheStore(options)
  } catch (error) {
    return `Node ${process.versions.node}: ${(error as Error).message}`
  }
}

/** As a store across a network: promises throughout, bodies as streams, JSON in between. */
export class StreamingStore implements UndiciCacheStore {
  readonly #inner = new cacheStores.MemoryCacheStore({ maxEntrySize: 16_777_216, maxCount: 10_000 })
  /** Streams handed out and neither read to their end nor destroyed. */
  readonly open = new Set<Readable>()

  async get(key: Key) {
    await turn()
    const result = await this.#inner.get(clone(key))
    if (result === undefined) return undefined
    const body = Readable.from(result.body as Iterable<Buffer>)
    this.open.add(body)
    body.on('close', () => this.open.delete(body))
    return { ...clone(result), body }
  }

  createWriteStream(key: Key, value: Value) {
    const inner = this.#inner.createWriteStream(clone(key), clone(value))
    if (inner === undefined) return undefined
    return new Writable({
      write: (chunk, _encoding, done) => void turn().then(() => inner.write(Buffer.from(chunk), done)),
      final: done => void turn().then(() => inner.end(done))
    })
  }

  async delete(key: Key) {
    await turn()
    await this.#inner.delete(clone(key))
  }
}

interface Row {
  readonly key: Key
  readonly value: Value
  readonly chunks: readonly string[]
}

/** Adds a response to those it has, and answers with the oldest that matches. */
export class AddingStore implements UndiciCacheStore {
  readonly rows: Row[] = []

  async get(key: Key) {
    const now = Date.now()
    const row = this.rows.find(each => isAt(each, key) && each.value.deleteAt > now && matches(each, key))
    if (row === undefined) return undefined
    const body = row.chunks.map(chunk => Buffer.from(chunk, 'base64'))
    return { cacheControlDirectives: {}, ...clone(row.value), body }
  }

  createWriteStream(key: Key, value: Value) {
    const chunks: string[] = []
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk.toString('base64'))
        done()
      },
      final: done => {
        void turn().then(() => {
          this.rows.push({ key: clone(key), value: clone(value), chunks })
          done()
        })
      }
    })
  }

  async delete(key: Key) {
    await turn()
    const kept = this.rows.filter(row => row.key.origin !== key.origin || row.key.path !== key.path)
    this.rows.splice(0, this.rows.length, ...kept)
  }
}

/** As undici-cache-redis, which has a method beyond the contract. */
export class DeletingStore extends AddingStore {
  async deleteKeys(keys: readonly Key[]) {
    await turn()
    const kept = this.rows.filter(row => !keys.some(key => isAt(row, key)))
    this.rows.splice(0, this.rows.length, ...kept)
  }
}

function isAt({ key: { origin, path, method } }: Row, key: Key): boolean {
  return origin === key.origin && path === key.path && method === key.method
}

function matches({ value }: Row, { headers = {} }: Key): boolean {
  return Object.entries(value.vary ?? {}).every(([name, held]) => (headers[name] ?? null) === held)
}

function clone<T>(value: T): T {
  return JSON.parse(JSON.stringify(value))
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
