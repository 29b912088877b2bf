import { MemoryStore } from 'undici-http-cache'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { RedisServer } from '../../support/redis/server.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const server = await RedisServer.start()
  const store = new TieredStore([new MemoryStore(), new RedisStore({ url: server.url })])
  return { store, remove: () => server[Symbol.asyncDispose]() }
}
