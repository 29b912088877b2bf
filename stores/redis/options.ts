import type { ClusterNode, RedisOptions } from 'ioredis'
import { optionError } from '../../lib/errors.ts'
import { isUrl } from '../../lib/foreign-values.ts'
import { isRedisClient, type RedisClient } from './client.ts'
import { type Connection, UsersConnection } from './connection.ts'
import { OwnConnection } from './own-connection.ts'

export interface ConnectionOptions {
  readonly url?: string | URL | undefined
  readonly options?: RedisOptions | undefined
  readonly cluster?: readonly ClusterNode[] | undefined
  readonly client?: RedisClient | undefined
}

const NAMESPACE = /^[\w.:-]{1,100}$/

/** The connection that the options describe. Nothing is connected yet.
 * Throws a TypeError with ERR_CACHE_OPTION. */
export function acceptConnection({ url, options, cluster, client }: ConnectionOptions): Connection {
  if (client !== undefined) {
    if (!isRedisClient(client)) throw optionError('client', 'a Redis or Cluster of ioredis', client)
    for (const [name, value] of Object.entries({ url, options, cluster })) {
      if (value !== undefined) throw optionError(name, 'left out where there is a client', value)
    }
    return new UsersConnection(client)
  }
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw optionError('options', 'an object', options)
  }
  if (cluster === undefined) return new OwnConnection({ url: acceptUrl(url), options })
  if (url !== undefined) throw optionError('url', 'left out where there is a cluster', url)
  if (!Array.isArray(cluster) || cluster.length === 0) throw optionError('cluster', 'an array of nodes', cluster)
  return new OwnConnection({ options, cluster })
}

export function acceptNamespace(value: unknown): string {
  if (typeof value === 'string' && NAMESPACE.test(value)) return value
  throw optionError('namespace', `a string that matches ${NAMESPACE}`, value)
}

/** Milliseconds. */
export function acceptTtl(value: unknown): number {
  if (value === undefined) return Infinity
  if (typeof value === 'number' && value > 0 && value <= Number.MAX_SAFE_INTEGER / 1000) return value * 1000
  throw optionError('defaultTtlSeconds', 'a positive number (seconds)', value)
}

/** A password in it is in no error's message. */
function acceptUrl(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (isUrl(value) || typeof value === 'string') {
    const url = String(value)
    if (/^rediss?:\/\//.test(url) && URL.canParse(url)) return url
    throw optionError('url', 'a URL that starts with redis:// or rediss://', withoutPassword(url))
  }
  throw optionError('url', 'a URL that starts with redis:// or rediss://', value)
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, '//...@')
}
