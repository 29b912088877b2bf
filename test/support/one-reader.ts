// Asks for the URL it is given three times at once, nothing of which its cache stores, reads the last response alone, and
// prints its length: run by joined-readers.test.ts, with the server in another process, so that nothing else keeps this one.
import { Agent, request } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'

const url = process.argv[2] ?? ''
const store = Object.assign(new MemoryStore(), { put: () => undefined })
const dispatcher = new Agent().compose(cacheInterceptor({ store }))
const [, , last] = await Promise.all([0, 1, 2].map(() => request(url, { dispatcher })))
process.stdout.write(String((await last?.body.arrayBuffer())?.byteLength))
