import { clearTimeout, setTimeout } from 'node:timers'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster, type ClusterNode, Redis, type RedisOptions } from 'ioredis'
import { monotonicMs } from '../../lib/event-loop.ts'
import { closedError } from '../shared/closed-error.ts'
import type { RedisClient } from './client.ts'
import { type Connection, messageOf, withoutCommand } from './connection.ts'
import { Cork, streamsOf } from './cork.ts'

type OwnClient = Redis | Cluster

export interface OwnConnectionOptions {
  readonly url?: string | undefined
  readonly options?: RedisOptions | undefined
  readonly cluster?: readonly ClusterNode[] | undefined
}

const CONNECT_TIMEOUT_MS = 2000
const COMMAND_TIMEOUT_MS = 1000
/** How long a server may take to close its side. */
const DISCONNECT_TIMEOUT_MS = 500
const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
/** A timer that is so late has been lost. */
const LATE_MS = 1000

/** A connection of the store's own. It is made when it is needed, and made anew when it is needed again: nothing waits in
 * the background. While no command is under way, it does not keep the process alive. */
export class OwnConnection implements Connection {
  readonly isCluster: boolean
  readonly keyPrefix: string
  readonly #make: () => OwnClient
  readonly #connectTimeoutMs: number
  readonly #commandTimeoutMs: number
  #ready: OwnClient | undefined
  #connecting: Promise<OwnClient> | undefined
  #connectingSinceMs = 0
  #failure: { readonly error: unknown; readonly pauseMs: number; readonly atMs: number } | undefined
  #timeouts: { readonly firstAtMs: number; lastAtMs: number } | undefined
  #underWay = 0
  readonly #cork = new Cork()
  #isClosed = false
  #onIdle: (() => void) | undefined

  constructor({ url, options = {}, cluster }: OwnConnectionOptions) {
    const { connectTimeout = CONNECT_TIMEOUT_MS, commandTimeout = COMMAND_TIMEOUT_MS } = options
    this.#connectTimeoutMs = connectTimeout
    this.#commandTimeoutMs = commandTimeout
    const settings = settingsOf(options, connectTimeout, commandTimeout)
    this.isCluster = cluster !== undefined
    this.keyPrefix = settings.keyPrefix ?? ''
    if (cluster !== undefined) this.#make = () => makeCluster(cluster, settings)
    else this.#make = () => (url === undefined ? new Redis(settings) : new Redis(url, settings))
  }

  use<T>(call: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError('RedisStore'))
    return this.#ready === undefined ? this.#connectAndUse(call) : this.#useReady(this.#ready, call)
  }

  /** Lets what is under way finish, which takes no longer than commands may take. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#underWay > 0) {
      await new Promise<void>(resolve => {
        const longestMs = this.#connectTimeoutMs + this.#commandTimeoutMs + LATE_MS
        const timer = setTimeout(resolve, longestMs)
        this.#onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const client = this.#ready
    if (client === undefined) return
    const end = new Promise<void>(resolve => client.once('end', resolve))
    client.disconnect()
    await end
  }

  async #connectAndUse<T>(call: (client: RedisClient) => Promise<T>): Promise<T> {
    this.#begin()
    try {
      return await this.#useReady(await this.#connect(), call)
    } finally {
      this.#end()
    }
  }

  #useReady<T>(client: OwnClient, call: (client: RedisClient) => Promise<T>): Promise<T> {
    this.#begin()
    if (this.#underWay > 1) this.#cork.hold(streamsOf(client))
    return call(client).then(
      result => {
        this.#end()
        return result
      },
      error => {
        this.#judge(error, client)
        this.#end()
        throw withoutCommand(error)
      }
    )
  }

  #begin(): void {
    if (this.#underWay++ === 0) this.#hold(true)
  }

  #end(): void {
    if (--this.#underWay > 0) return
    this.#hold(false)
    this.#onIdle?.()
  }

  /** After a failure, those who come within its pause fail with it at once. */
  #connect(): Promise<OwnClient> {
    // One that takes so much longer than it may waits for a timer that has been lost.
    const isLost = monotonicMs() > this.#connectingSinceMs + this.#connectTimeoutMs + LATE_MS
    if (this.#connecting !== undefined && !isLost) return this.#connecting
    const { error, pauseMs = 0, atMs = 0 } = this.#failure ?? {}
    if (this.#failure !== undefined && monotonicMs() - atMs < pauseMs) throw error
    this.#connectingSinceMs = monotonicMs()
    const connecting = this.#open().finally(() => {
      if (this.#connecting === connecting) this.#connecting = undefined
    })
    this.#connecting = connecting
    return connecting
  }

  async #open(): Promise<OwnClient> {
    const client = this.#make()
    let reason: unknown
    client.on('error', error => {
      reason = error
    })
    client.once('end', () => {
      if (this.#ready === client) this.#ready = undefined
    })
    client.on('+node', (node: Redis) => {
      handleAsking(node)
      node.once('ready', () => this.#hold(this.#underWay > 0))
    })
    try {
      await settled(client.connect(), this.#connectTimeoutMs)
    } catch (error) {
      if (client.status !== 'end') client.disconnect()
      const pauseMs = Math.min(MAX_PAUSE_MS, (this.#failure?.pauseMs ?? FIRST_PAUSE_MS / 2) * 2)
      this.#failure = { error: reason ?? error, pauseMs, atMs: monotonicMs() }
      throw reason ?? error
    }
    stopSubscriber(client)
    this.#failure = undefined
    this.#timeouts = undefined
    this.#ready = client
    return client
  }

  /** A client whose server has gone silent, or is no master any more, is given up; the next command makes another. */
  #judge(error: unknown, client: OwnClient): void {
    const message = messageOf(error)
    const isSilent = message === 'Command timed out' && this.#isSilentAgain()
    if (!isSilent && !message.startsWith('READONLY')) return
    if (this.#ready !== client) return
    this.#ready = undefined
    client.disconnect()
  }

  #isSilentAgain(): boolean {
    const nowMs = monotonicMs()
    if (this.#timeouts === undefined || nowMs - this.#timeouts.lastAtMs > 4 * this.#commandTimeoutMs) {
      this.#timeouts = { firstAtMs: nowMs, lastAtMs: nowMs }
    }
    this.#timeouts.lastAtMs = nowMs
    return nowMs - this.#timeouts.firstAtMs >= this.#commandTimeoutMs
  }

  #hold(isHeld: boolean): void {
    if (this.#ready === undefined) return
    for (const stream of streamsOf(this.#ready)) isHeld ? stream?.ref() : stream?.unref()
  }
}

function settingsOf(options: RedisOptions, connectTimeout: number, commandTimeout: number): RedisOptions {
  return {
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    ...options,
    connectTimeout,
    commandTimeout,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    enableAutoPipelining: false,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null
  }
}

function makeCluster(nodes: readonly ClusterNode[], settings: RedisOptions): Cluster {
  const { keyPrefix, retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = settings
  return new Cluster([...nodes], {
    ...(keyPrefix === undefined ? {} : { keyPrefix }),
    redisOptions,
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => null,
    slotsRefreshInterval: 0,
    maxRedirections: 4,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
    retryDelayOnTryAgain: 50
  })
}

/** A cluster's client listens for messages on one connection more, which nobody asked for and which would keep the process
 * alive. */
function stopSubscriber(client: OwnClient): void {
  const { subscriber } = client as { subscriber?: { stop?(): void } }
  subscriber?.stop?.()
}

/** Ahead of a command for a key that is being moved, a cluster's client sends ASKING, and drops its promise: where that
 * rejects, nobody else could handle it. The command fails as well, and says so. */
function handleAsking(node: Redis): void {
  const asking = node.asking.bind(node)
  node.asking = () => {
    const asked = asking()
    asked.catch(() => {})
    return asked
  }
}

async function settled(connecting: Promise<void>, timeoutMs: number): Promise<void> {
  const deadline = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: deadline.signal }).then(() => {
    throw Object.assign(new Error(`Redis was not ready within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })
  })
  late.catch(() => {})
  try {
    await Promise.race([connecting, late])
  } finally {
    deadline.abort()
  }
}
