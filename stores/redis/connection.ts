import type { Buffer } from 'node:buffer'
import { closedError } from '../shared/closed-error.ts'
import { isCluster, mastersOf, type RedisClient, type RedisNode } from './client.ts'
import { Cork, streamsOf } from './cork.ts'
import type { Script } from './scripts.ts'

/** What a store sends its commands through. */
export interface Connection {
  readonly isCluster: boolean
  /** Put before every name by the client itself, but for patterns. */
  readonly keyPrefix: string
  /** Calls with a client that is ready to take commands; rejects with what ioredis does. ERR_CACHE_CLOSED once closed. */
  use<T>(call: (client: RedisClient) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Runs a script, which is sent to a server that does not know it yet. */
export function runScript(
  connection: Connection,
  { lua, sha1 }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[]
): Promise<unknown> {
  return connection.use(client =>
    client.evalsha(sha1, keys.length, ...keys, ...args).catch((error: unknown) => {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return client.eval(lua, keys.length, ...keys, ...args)
    })
  )
}

/** What a command comes to for a key that somebody else has set to another type of value: as if it were not there. */
export async function unlessWrongType<T>(reply: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await reply
  } catch (error) {
    if (String((error as { message?: unknown } | undefined)?.message).startsWith('WRONGTYPE')) return otherwise
    throw error
  }
}

/** Every name in Redis that matches a pattern, in batches, without the client's prefix; some of them twice. */
export async function* scanNames(connection: Connection, prefix: string): AsyncGenerator<readonly string[]> {
  const start = connection.keyPrefix
  const pattern = `${(start + prefix).replaceAll(/[\\*?[\]^]/g, '\\$&')}*`
  const nodes = await connection.use(async client => mastersOf(client))
  for (const node of nodes) {
    let cursor = '0'
    do {
      const [next, names] = await connection.use(() => scan(node, cursor, pattern))
      yield names.map(name => name.slice(start.length))
      cursor = next
    } while (cursor !== '0')
  }
}

function scan(node: RedisNode, cursor: string, pattern: string): Promise<[string, string[]]> {
  return node.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
}

/** A client that belongs to the user, who connects and closes it. */
export class UsersConnection implements Connection {
  readonly isCluster: boolean
  readonly keyPrefix: string
  readonly #client: RedisClient
  readonly #cork = new Cork()
  #underWay = 0
  #isClosed = false

  constructor(client: RedisClient) {
    this.#client = client
    this.isCluster = isCluster(client)
    this.keyPrefix = client.options.keyPrefix ?? ''
  }

  use<T>(call: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError('RedisStore'))
    if (this.#underWay++ > 0) this.#cork.hold(streamsOf(this.#client))
    return call(this.#client).then(
      result => {
        this.#underWay--
        return result
      },
      error => {
        this.#underWay--
        throw withoutCommand(error)
      }
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }
}

export function messageOf(error: unknown): string {
  return String(Object(error).message)
}

/** ioredis attaches the command, which may hold a whole response, and would be printed with the error. */
export function withoutCommand(error: unknown): unknown {
  if (typeof error === 'object' && error !== null && 'command' in error) delete error.command
  return error
}
