// A store in a memory-mapped database on the disk: it outlives the process, and any number of processes share it.
//
//   npm install lmdb
//   npx tsx examples/lmdb-store.ts
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CachedClient } from 'undici-http-cache'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end(`the page ${request.url}`)
})

const directory = mkdtempSync(join(tmpdir(), 'lmdb-example-'))

/** What a process does: it opens the store, reads some pages and ends. */
async function run(name: string, paths: readonly string[]): Promise<void> {
  const store = new LmdbStore({ directory, maxSizeBytes: 100 * 1024 * 1024 })
  {
    await using client = new CachedClient({ cache: store })
    for (const path of paths) {
      const { body, fromCache } = await client.get(origin.url + path)
      console.log(`${name}: ${await body.text()} - from the cache: ${fromCache}`)
    }
  }
  // Who makes a store closes it; what was stored is on the disk then.
  await store.close()
}

await run('the first process', ['/1', '/1'])
await run('the next one', ['/1', '/2'])
console.log(`requests that reached the server: ${origin.requestCount}`)
rmSync(directory, { recursive: true })
