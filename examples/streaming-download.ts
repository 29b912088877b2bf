// A large body, streamed to a file with a progress bar; the second time it comes from the cache.
//
//   npx tsx examples/streaming-download.ts
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'
import { ProgressBar } from './support/progress-bar.ts'

const MEBIBYTE = 1024 * 1024
const film = Buffer.alloc(8 * MEBIBYTE, 'film')

// Sends half a mebibyte every 40 milliseconds.
await using origin = await startOrigin(async (_request, response) => {
  response.writeHead(200, { 'cache-control': 'max-age=3600', 'content-length': film.length })
  for (let sent = 0; sent < film.length; sent += MEBIBYTE / 2) {
    response.write(film.subarray(sent, sent + MEBIBYTE / 2))
    await sleep(40)
  }
  response.end()
})

// The store takes bodies of up to 4 MiB unless it is told otherwise.
const store = new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE })
await using client = new CachedClient({ cache: store })
const folder = await mkdtemp(join(tmpdir(), 'streaming-download-'))

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
await rm(folder, { recursive: true })
store.close()
