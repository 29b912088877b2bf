import { RedisStore } from 'undici-http-cache/stores/redis'
import { RedisCluster } from '../../support/redis/cluster.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const nodes = await RedisCluster.start()
  const store = new RedisStore({ cluster: nodes.servers.map(({ port }) => ({ host: '127.0.0.1', port })) })
  return { store, remove: () => nodes[Symbol.asyncDispose]() }
}
