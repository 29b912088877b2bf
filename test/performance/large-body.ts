// A process of its own through which one large body goes: node [--expose-gc] --import tsx large-body.ts <file|lmdb>
// <directory> <MiB> <origin>. Prints what it took as JSON; `largeBodyFigures` runs it.
import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { Agent, request } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { CacheStore } from '../../stores/store.ts'
import { growthOf, MEBIBYTE } from '../support/memory-growth.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
import { entryOf, find, finished, noise, piecesOf } from '../support/responses.ts'

const CHUNK_BYTES = 65_536
const FOLLOWERS = 10

/** MiB a second, and MiB by which the process had grown at the most. */
export interface LargeBodyFigures {
  readonly writeSpeed: number
  readonly readSpeed: number
  readonly plainWriteSpeed: number
  readonly plainReadSpeed: number
  /** By the store alone. */
  readonly grownByStore: number
  /** By one who reads from the origin, and then from the store. */
  readonly grownByOne: number
  /** By one who reads as it comes, and ten others each slower than the last. */
  readonly grownByMany: number
}

/** What a body of so many MiB takes in a process that has a store of that kind in the directory: of memory, with its
 * garbage or without. */
export async function largeBodyFigures(
  kind: 'file' | 'lmdb',
  directory: string,
  mebibytes: number,
  isGarbageCounted: boolean
): Promise<LargeBodyFigures> {
  await using origin = await startLargeOrigin()
  const flags = ['--import', 'tsx', ...(isGarbageCounted ? [] : ['--expose-gc'])]
  const args = [...flags, import.meta.filename, kind, directory, `${mebibytes}`, origin.url]
  const cwd = join(import.meta.dirname, '../..')
  return JSON.parse((await promisify(execFile)(process.execPath, args, { cwd })).stdout)
}

/** `/32` has 32 MiB. */
function startLargeOrigin(): Promise<Origin> {
  return startOrigin(async ({ path }, response) => {
    const mebibytes = Number.parseInt(path.slice(1), 10)
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': mebibytes * MEBIBYTE })
    for (let i = 0; i < chunksOf(mebibytes) && !response.destroyed; i++) {
      if (!response.write(Buffer.from(chunkOf(i)))) await new Promise(resolve => response.once('drain', resolve))
    }
    response.end()
  })
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

async function store(to: CacheStore, key: string, mebibytes: number): Promise<void> {
  const entry = entryOf(key)
  const writer = (await to.put(entry)) ?? fail('declined')
  for (let i = 0; i < chunksOf(mebibytes); i++) await writer.write(Buffer.from(chunkOf(i)))
  if (!(await writer.commit(finished(entry, mebibytes * MEBIBYTE)))) fail('not stored')
}

async function replay(from: CacheStore, key: string): Promise<number> {
  let checksum = 0
  const body = await (await find(from, key))?.open()
  for await (const piece of piecesOf(body)) checksum = crc32(piece, checksum)
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

/** Reads a response to its end, and rests so long after each MiB. Gives how it was got. */
async function fetch(dispatcher: Agent, url: string, checksum: number, restMs = 0): Promise<string | undefined> {
  const response = await request(url, { dispatcher })
  let seen = 0
  let bytes = 0
  for await (const piece of response.body) {
    seen = crc32(piece, seen)
    const mebibytes = Math.floor(bytes / MEBIBYTE)
    bytes += piece.length
    if (restMs > 0 && Math.floor(bytes / MEBIBYTE) > mebibytes) await sleep(restMs)
  }
  if (seen !== checksum) fail(`other bytes came: ${bytes} of them`)
  return cacheInfo(response)?.outcome
}

/** From the origin, and then from the store. */
async function fetchTwice(dispatcher: Agent, url: string, checksum: number): Promise<void> {
  if ((await fetch(dispatcher, url, checksum)) !== 'miss') fail('stored before')
  if ((await fetch(dispatcher, url, checksum)) !== 'hit') fail('not stored')
}

async function fetchTogether(dispatcher: Agent, url: string, checksum: number): Promise<void> {
  const rests = Array.from({ length: FOLLOWERS + 1 }, (_, i) => i)
  const outcomes = await Promise.all(rests.map(restMs => fetch(dispatcher, url, checksum, restMs)))
  if (outcomes.filter(outcome => outcome === 'miss').length !== 1) fail(`fetched more than once: ${outcomes}`)
}

function fail(what: string): never {
  throw new Error(what)
}

const [, script, kind, directory, size, origin] = process.argv
if (script === import.meta.filename && directory !== undefined) {
  const mebibytes = Number(size)
  const options = { directory: join(directory, 'cache'), maxSizeBytes: 8 * 2 ** 30 }
  const target = kind === 'file' ? new FileStore(options) : new LmdbStore(options)
  await store(target, 'warm', 16)
  await replay(target, 'warm')
  let writeSpeed = 0
  let readSpeed = 0
  const checksum = checksumOf(mebibytes)
  const byStore = await growthOf(async () => {
    writeSpeed = await speedOf(mebibytes, () => store(target, 'large', mebibytes))
    readSpeed = await speedOf(mebibytes, async () => {
      if ((await replay(target, 'large')) !== checksum) fail('other bytes came back')
    })
  })
  await target.clear()
  const plain = join(directory, 'plain')
  const plainWriteSpeed = await speedOf(mebibytes, () => writePlainly(plain, mebibytes))
  const plainReadSpeed = await speedOf(mebibytes, () => readPlainly(plain))
  const dispatcher = new Agent().compose(cacheInterceptor({ store: target, storeTimeoutMs: 10_000 })) as Agent
  await fetchTwice(dispatcher, `${origin}/16`, checksumOf(16))
  const byOne = await growthOf(() => fetchTwice(dispatcher, `${origin}/${mebibytes}`, checksum))
  const byMany = await growthOf(() => fetchTogether(dispatcher, `${origin}/${mebibytes}?many`, checksum))
  await dispatcher.close()
  await target.close()
  const speeds = { writeSpeed, readSpeed, plainWriteSpeed, plainReadSpeed }
  const grown = { grownByStore: byStore.grownBy, grownByOne: byOne.grownBy, grownByMany: byMany.grownBy }
  console.log(JSON.stringify({ ...speeds, ...grown }))
}
