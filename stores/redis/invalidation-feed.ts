import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'
import type { CacheKey } from '../../lib/rfc9111/types.ts'
import type { InvalidationListener, Invalidations } from '../store.ts'
import { mastersOf } from './client.ts'
import type { Connection } from './connection.ts'
import { type Duplicable, FeedConnection } from './feed-connection.ts'
import { type Names, shortDigestOf } from './layout.ts'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
const LOOK_AT_NODES_MS = 1000
/** A timer that is so late has been lost. */
const LATE_MS = 1000

/** Tells of what others change in Redis, by its client-side caching in broadcast mode: one connection to each server that
 * has keys, made with the first listener, and made anew where one is lost. */
export class InvalidationFeed implements Invalidations {
  readonly #connection: Connection
  readonly #prefix: string
  readonly #listeners = new Set<InvalidationListener>()
  #connections: FeedConnection[] = []
  #nodes: readonly unknown[] = []
  #timer: NodeJS.Timeout | undefined
  #pauseMs = FIRST_PAUSE_MS
  /** When it begins anew; Infinity: not before it has begun. */
  #beginAtMs = Infinity
  /** Which attempt is the current one. */
  #attempt = 0
  #isListening = false

  constructor(connection: Connection, names: Names) {
    this.#connection = connection
    this.#prefix = `${connection.keyPrefix}${names.prefix}{`
  }

  nameOf(key: CacheKey): string {
    if (!this.#isListening && monotonicMs() > this.#beginAtMs + LATE_MS) void this.#begin()
    return shortDigestOf(key)
  }

  listen(listener: InvalidationListener): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) void this.#begin()
    else if (this.#isListening) listener.isListening(true)
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.close()
    }
  }

  close(): void {
    this.#attempt++
    this.#beginAtMs = Infinity
    clearTimeout(this.#timer)
    this.#disconnect()
    this.#tell(false)
    this.#listeners.clear()
  }

  async #begin(): Promise<void> {
    const attempt = ++this.#attempt
    this.#beginAtMs = Infinity
    clearTimeout(this.#timer)
    try {
      const nodes = (await this.#connection.use(async client => mastersOf(client))) as unknown as readonly Duplicable[]
      if (attempt !== this.#attempt) return
      this.#nodes = nodes
      this.#connections = nodes.map(node => {
        const changed = (keys: readonly string[] | undefined) => this.#changed(keys)
        return new FeedConnection(node, { changed, lost: () => this.#again(attempt) })
      })
      await Promise.all(this.#connections.map(connection => connection.listen(this.#prefix)))
      if (attempt !== this.#attempt) return
      this.#pauseMs = FIRST_PAUSE_MS
      this.#tell(true)
      this.#timer = setTimeout(() => void this.#lookAtNodes(attempt), LOOK_AT_NODES_MS).unref()
    } catch {
      // Those that use the store are told of its faults; here it is enough to know that nothing is heard.
      this.#again(attempt)
    }
  }

  /** Another server may have become responsible for some of the keys. */
  async #lookAtNodes(attempt: number): Promise<void> {
    if (attempt !== this.#attempt) return
    const nodes = await this.#connection.use(async client => mastersOf(client)).catch(() => this.#nodes)
    if (attempt !== this.#attempt) return
    const isSame = nodes.length === this.#nodes.length && nodes.every((node, i) => node === this.#nodes[i])
    if (isSame) this.#timer = setTimeout(() => void this.#lookAtNodes(attempt), LOOK_AT_NODES_MS).unref()
    else this.#again(attempt)
  }

  #again(attempt: number): void {
    if (attempt !== this.#attempt) return
    this.#attempt++
    this.#disconnect()
    this.#tell(false)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#begin(), this.#pauseMs).unref()
    this.#beginAtMs = monotonicMs() + this.#pauseMs
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2)
  }

  #disconnect(): void {
    for (const connection of this.#connections) connection.close()
    this.#connections = []
  }

  #tell(isListening: boolean): void {
    if (isListening === this.#isListening) return
    this.#isListening = isListening
    for (const listener of this.#listeners) listener.isListening(isListening)
  }

  #changed(keys: readonly string[] | undefined): void {
    for (const listener of this.#listeners) {
      if (keys === undefined) listener.everythingChanged()
      else for (const name of this.#namesOf(keys)) listener.changed(name)
    }
  }

  /** Of the hashes of keys, not of those of bodies: these change with them. */
  *#namesOf(keys: readonly string[]): Generator<string> {
    for (const key of keys) {
      const name = key.slice(this.#prefix.length)
      if (name.endsWith('}')) yield name.slice(0, -1)
    }
  }
}
