// One cache for everything that this process asks for by undici or by the built-in fetch, libraries included.
//
//   npx tsx examples/whole-process.ts
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('hello')
})

setGlobalDispatcher(new Agent().compose(cacheInterceptor()))

const first = await fetch(origin.url)
console.log(await first.text(), '- the built-in fetch:', cacheInfo(first)?.outcome)

const second = await fetch(origin.url)
console.log(await second.text(), '- the built-in fetch again:', cacheInfo(second)?.outcome)

const third = await request(origin.url)
console.log(await third.body.text(), "- undici's request:", cacheInfo(third)?.outcome)

console.log('requests that reached the server:', origin.requestCount)
await getGlobalDispatcher().close()
