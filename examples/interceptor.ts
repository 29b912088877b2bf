// The cache in front of a dispatcher of your own: what a transport is to other clients.
//
//   npx tsx examples/interceptor.ts
import { Agent, request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('hello')
})

const cache = cacheInterceptor()
const agent = new Agent({ connections: 4 }).compose(cache)

for (let i = 0; i < 2; i++) {
  const response = await request(`${origin.url}/get`, { dispatcher: agent })
  console.log(await response.body.text(), '-', cache.info(response)?.outcome)
}

await cache.purge({ url: `${origin.url}/get` })
const response = await request(`${origin.url}/get`, { dispatcher: agent })
console.log(await response.body.text(), '-', cache.info(response)?.outcome, 'after a purge')

console.log('requests that reached the server:', origin.requestCount)
await agent.close()
await cache.close()
