// A large body, streamed to a file with a progress bar; the second time it comes from the cache, whose store is on the
// disk too: neither holds more than a few chunks of it in memory.
//
//   npx tsx examples/streaming-download.ts
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CachedClient } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { startOrigin } from './support/origin.ts'
import { ProgressBar } from './support/progress-bar.ts'

const MEBIBYTE = 1024 * 1024
const scene = Buffer.alloc(4 * MEBIBYTE, 'film')
const SCENES = 16

// Sends four mebibytes every 40 milliseconds.
await using origin = await startOrigin(async (_request, response) => {
  response.writeHead(200, { 'cache-control': 'max-age=3600', 'content-length': SCENES * scene.length })
  for (let sent = 0; sent < SCENES; sent++) {
    response.write(scene)
    await sleep(40)
  }
  response.end()
})

const folder = await mkdtemp(join(tmpdir(), 'streaming-download-'))
// A MemoryStore would do as well, with a `maxEntrySizeBytes` that the film fits in.
const store = new FileStore({ directory: join(folder, 'cache') })
// The second request waits for what the first has brought, until it is stored.
const client = new CachedClient({ cache: { store, storeTimeoutMs: 5000, coalesceTimeoutMs: 10_000 } })

for (const time of ['first', 'second']) {
  console.log(`For the ${time} time:`)
  const file = join(folder, time)
  const startedMs = performance.now()
  const { headers, body, fromCache } = await client.get(`${origin.url}/film.bin`)
  const bar = new ProgressBar(Number(headers['content-length']))
  const progress = new Transform({
    transform(chunk, _encoding, done) {
      bar.advance(chunk.length)
      done(null, chunk)
    }
  })
  await pipeline(body, progress, createWriteStream(file))
  const seconds = (performance.now() - startedMs) / 1000
  const { size } = await stat(file)
  console.log(`${size} bytes from the ${fromCache ? 'cache' : 'server'} in ${seconds.toFixed(2)} s`)
}

// A response that is streamed is stored once it has been read to its end, and not before.
console.log('requests that reached the server:', origin.requestCount)
await client.close()
await store.close()
await rm(folder, { recursive: true })
