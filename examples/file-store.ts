// A store in files: what it keeps outlives the program, and any number of programs share it.
//
//   npx tsx examples/file-store.ts
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CachedClient } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('hello')
})

// A program of your own leaves `directory` out: ~/.cache/undici-http-cache is the default.
const directory = await mkdtemp(join(tmpdir(), 'file-store-'))

/** What one program does: opens the store, asks, and closes it. */
async function run(name: string): Promise<void> {
  const store = new FileStore({ directory, maxSizeBytes: 100_000_000 })
  // How long a disk that is busy is waited for, before a request goes on without it.
  const client = new CachedClient({ cache: { store, storeTimeoutMs: 5000 } })
  const { body, fromCache } = await client.get(`${origin.url}/greeting`)
  console.log(`${name}: ${await body.text()} - from the cache: ${fromCache}`)
  await client.close()
  // Who makes a store closes it: what has come is then on the disk.
  await store.close()
}

await run('one program')
await run('another')

const store = new FileStore({ directory })
for await (const { key, statusCode } of store.entries()) console.log(`stored: ${statusCode} ${new URL(key).pathname}`)
await store.clear()
await run('another, after everything was deleted')
await store.close()

console.log('requests that reached the server:', origin.requestCount)
await rm(directory, { recursive: true })
