import type { Buffer } from 'node:buffer'
import { clearInterval, setInterval } from 'node:timers'
import type { RedisOptions } from 'ioredis'

/** What is needed of a connection that listens; ioredis 5 and 6 have it. */
export interface FeedClient {
  readonly stream?: { unref(): void }
  connect(): Promise<void>
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
  on(event: 'error', listener: (error: unknown) => void): unknown
  on(event: 'messageBuffer', listener: (channel: Buffer, message: unknown) => void): unknown
  once(event: 'end', listener: () => void): unknown
  disconnect(): void
}

/** What can make another connection to where it leads itself. */
export interface Duplicable {
  duplicate(override: RedisOptions): FeedClient
}

export interface FeedEvents {
  /** These keys have changed; undefined: any may have. */
  changed(keys: readonly string[] | undefined): void
  lost(): void
}

const CHANNEL = '__redis__:invalidate'
/** Together less than a second: a connection that is gone without a word is noticed by then. */
const PING_EVERY_MS = 400
const PING_TIMEOUT_MS = 400

/** One connection that hears what changes on one server. Does not keep the process alive. */
export class FeedConnection {
  readonly #client: FeedClient
  readonly #events: FeedEvents
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(node: Duplicable, events: FeedEvents) {
    this.#events = events
    // By RESP 3 ioredis would drop what the server says of changes.
    const settings = {
      protocol: 2,
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      commandTimeout: PING_TIMEOUT_MS,
      retryStrategy: () => null,
      keyPrefix: ''
    }
    this.#client = node.duplicate(settings as RedisOptions)
    this.#client.on('error', () => {})
    this.#client.once('end', () => this.#end())
  }

  /** Hears of every change of a key with that prefix from the moment on at which this resolves. */
  async listen(prefix: string): Promise<void> {
    const client = this.#client
    await client.connect()
    client.stream?.unref()
    client.on('messageBuffer', (_channel, message) => this.#events.changed(keysOf(message)))
    const id = await client.call('CLIENT', 'ID')
    await client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', Number(id), 'BCAST', 'PREFIX', prefix)
    await client.subscribe(CHANNEL)
    this.#timer = setInterval(() => this.#ping(), PING_EVERY_MS).unref()
  }

  close(): void {
    this.#isOver = true
    clearInterval(this.#timer)
    this.#client.disconnect()
  }

  #ping(): void {
    this.#client.ping().catch(() => {
      this.#client.disconnect()
      this.#end()
    })
  }

  #end(): void {
    clearInterval(this.#timer)
    if (this.#isOver) return
    this.#isOver = true
    this.#events.lost()
  }
}

function keysOf(message: unknown): readonly string[] | undefined {
  return Array.isArray(message) ? message.map(String) : undefined
}
