import type { Buffer } from 'node:buffer'

type Argument = string | number | Buffer

/** What the store needs of an ioredis client, 5 or 6; both their `Redis` and their `Cluster` have it. */
export interface RedisClient {
  readonly options: { readonly keyPrefix?: string | undefined }
  hmgetBuffer(key: string, ...fields: string[]): Promise<(Buffer | null)[]>
  hgetBuffer(key: string, field: string): Promise<Buffer | null>
  hkeys(key: string): Promise<string[]>
  evalsha(sha1: string, keyCount: number, ...args: Argument[]): Promise<unknown>
  eval(lua: string, keyCount: number, ...args: Argument[]): Promise<unknown>
  zscan(key: string, cursor: string, countToken: 'COUNT', count: number): Promise<[cursor: string, elements: string[]]>
  unlink(key: string): Promise<number>
}

/** One server of a cluster, or the only one. */
export interface RedisNode {
  scan(
    cursor: string,
    patternToken: 'MATCH',
    pattern: string,
    countToken: 'COUNT',
    count: number
  ): Promise<[cursor: string, elements: string[]]>
}

const METHODS = [
  'hmgetBuffer',
  'hgetBuffer',
  'hkeys',
  'evalsha',
  'eval',
  'zscan',
  'unlink'
] as const satisfies readonly (keyof RedisClient)[]

export function isRedisClient(value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null) return false
  const client = value as Partial<Record<keyof RedisClient, unknown>>
  return METHODS.every(method => typeof client[method] === 'function') && typeof client.options === 'object'
}

export function isCluster(client: object): boolean {
  return (client as { isCluster?: unknown }).isCluster === true
}

/** Every server that has keys of its own. */
export function mastersOf(client: RedisClient): readonly RedisNode[] {
  const cluster = client as RedisClient & { nodes?(role: 'master'): readonly RedisNode[] }
  return isCluster(client) ? (cluster.nodes?.('master') ?? []) : [client as RedisClient & RedisNode]
}
