// A process of its own that stores and replays one large body: node --import tsx large-body.ts <directory> <MiB>
// Prints what it took as JSON.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Agent, request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { startOrigin } from '../../support/origin.ts'
import { finished, noise } from '../responses.ts'
import { entryOf, find } from './support.ts'

const MEBIBYTE = 2 ** 20
const CHUNK_BYTES = 65_536

/** MiB a second, and MiB by which the process had grown at the most. */
export interface LargeBodyFigures {
  readonly writeSpeed: number
  readonly readSpeed: number
  readonly plainWriteSpeed: number
  readonly plainReadSpeed: number
  readonly grownBy: number
  readonly grownByWithHttp: number
}

/** Other bytes in each chunk, without a gigabyte of them. */
const chunk = noise(CHUNK_BYTES)
function chunkOf(index: number): Buffer {
  chunk.writeUInt32LE(index, 0)
  return chunk
}

function chunksOf(mebibytes: number): number {
  return (mebibytes * MEBIBYTE) / CHUNK_BYTES
}

function checksumOf(mebibytes: number): number {
  let checksum = 0
  for (let i = 0; i < chunksOf(mebibytes); i++) checksum = crc32(chunkOf(i), checksum)
  return checksum
}

async function speedOf(mebibytes: number, work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return mebibytes / ((performance.now() - startedMs) / 1000)
}

/** How much more memory the process has had, at the most, while it did that work. */
async function growthOf(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss()
  let peak = before
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 2)
  await work()
  clearInterval(timer)
  return (Math.max(peak, process.memoryUsage.rss()) - before) / MEBIBYTE
}

async function store(to: FileStore, key: string, mebibytes: number): Promise<void> {
  const entry = entryOf({ key })
  const writer = (await to.put(entry)) ?? fail('declined')
  for (let i = 0; i < chunksOf(mebibytes); i++) await writer.write(Buffer.from(chunkOf(i)))
  if (!(await writer.commit(finished(entry, mebibytes * MEBIBYTE)))) fail('not stored')
}

async function replay(from: FileStore, key: string): Promise<number> {
  let checksum = 0
  const body = await (await find(from, key))?.open()
  for await (const piece of body as AsyncIterable<Uint8Array>) checksum = crc32(piece, checksum)
  return checksum
}

async function writePlainly(path: string, mebibytes: number): Promise<void> {
  const handle = await open(path, 'wx')
  for (let i = 0; i < chunksOf(mebibytes); i++) await handle.write(Buffer.from(chunkOf(i)))
  await handle.close()
}

/** Looks at the bytes, as whoever replays them does. */
async function readPlainly(path: string): Promise<void> {
  let checksum = 0
  const handle = await open(path)
  for (let bytesRead = 1; bytesRead > 0; ) {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    bytesRead = (await handle.read(buffer)).bytesRead
    checksum = crc32(buffer.subarray(0, bytesRead), checksum)
  }
  await handle.close()
}

/** From an origin, and then from the store. */
async function fetchTwice(to: FileStore, path: string, mebibytes: number): Promise<void> {
  await using origin = await startOrigin(async (_, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': mebibytes * MEBIBYTE })
    for (let i = 0; i < chunksOf(mebibytes); i++) {
      if (!response.write(Buffer.from(chunkOf(i)))) await new Promise(resolve => response.once('drain', resolve))
    }
    response.end()
  })
  const dispatcher = new Agent().compose(cacheInterceptor({ store: to, storeTimeoutMs: 10_000 }))
  for (const isHit of [false, true]) {
    let checksum = 0
    const response = await request(origin.url + path, { dispatcher })
    for await (const piece of response.body) checksum = crc32(piece, checksum)
    if (checksum !== checksumOf(mebibytes)) fail('other bytes came')
    for (let i = 0; !isHit && i < 500 && (await find(to, origin.url + path)) === undefined; i++) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  if (origin.requests.length !== 1) fail('fetched twice')
  await dispatcher.close()
}

function fail(what: string): never {
  throw new Error(what)
}

const [, script, directory, size] = process.argv
if (script === import.meta.filename && directory !== undefined) {
  const mebibytes = Number(size)
  const target = new FileStore({ directory: join(directory, 'cache'), maxSizeBytes: 8 * 2 ** 30 })
  await store(target, 'warm', 16)
  await replay(target, 'warm')
  let writeSpeed = 0
  let readSpeed = 0
  const grownBy = await growthOf(async () => {
    writeSpeed = await speedOf(mebibytes, () => store(target, 'large', mebibytes))
    readSpeed = await speedOf(mebibytes, async () => {
      if ((await replay(target, 'large')) !== checksumOf(mebibytes)) fail('other bytes came back')
    })
  })
  await target.delete('large')
  const plain = join(directory, 'plain')
  const plainWriteSpeed = await speedOf(mebibytes, () => writePlainly(plain, mebibytes))
  const plainReadSpeed = await speedOf(mebibytes, () => readPlainly(plain))
  await fetchTwice(target, '/warm', 16)
  const grownByWithHttp = await growthOf(() => fetchTwice(target, '/large', mebibytes))
  await target.close()
  console.log(JSON.stringify({ writeSpeed, readSpeed, plainWriteSpeed, plainReadSpeed, grownBy, grownByWithHttp }))
}
