import { RedisStore } from 'undici-http-cache/stores/redis'
import { RedisServer } from '../../support/redis/server.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const server = await RedisServer.start()
  return { store: new RedisStore({ url: server.url }), remove: () => server[Symbol.asyncDispose]() }
}
