// A store on a file system that is no disk of this machine: here one in memory, by memfs; anything like node:fs will do.
//
//   npx tsx examples/object-store.ts
import { memfs } from 'memfs'
import { CachedClient } from 'undici-http-cache'
import { type DriverFileSystem, fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end(`the page ${request.url}`)
})

const fs = memfs().fs.promises as unknown as DriverFileSystem
const store = new ObjectStore({ driver: fsDriver({ directory: '/cache', fs }) })
await using client = new CachedClient({ cache: store })

for (const path of ['/1', '/1', '/2']) {
  const { body, fromCache } = await client.get(origin.url + path)
  console.log(`${await body.text()} - from the cache: ${fromCache}`)
  // What has come is stored a moment later.
  await new Promise(resolve => setTimeout(resolve, 100))
}

const paths: string[] = []
for await (const { key } of store.entries()) paths.push(new URL(key).pathname)
for (const path of paths.sort()) console.log(`stored: ${path}`) // they come in no order

// Nothing else removes what has expired.
await store.sweep()

// All that came from one origin, at once.
await store.deleteByTag(`origin:${origin.url}`)
for await (const { key } of store.entries()) console.log(`still stored: ${key}`)

const { body, fromCache } = await client.get(`${origin.url}/1`)
console.log(`${await body.text()} - from the cache: ${fromCache}`)
await store.close()
