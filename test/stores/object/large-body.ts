// A process of its own that stores and replays one large body in S3:
// node [--expose-gc] --import tsx large-body.ts <endpoint> <MiB> <known|unknown>. Prints what it took as JSON.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { ObjectStore } from 'undici-http-cache/stores/object'
import { s3Driver } from 'undici-http-cache/stores/object/s3'
import { credentials, region } from '../../support/ceph.ts'
import { entryOf, find, KEY } from '../../support/file-store.ts'
import { growthOf, MEBIBYTE } from '../../support/memory-growth.ts'
import { finished, noise } from '../../support/responses.ts'

const CHUNK_BYTES = 65_536

/** Taken in turn, so that what is measured is the store's memory, and not that of a gigabyte of chunks. */
const chunks = Array.from({ length: 7 }, (_, i) => noise(CHUNK_BYTES, i + 1))

/** MiB by which the process had grown at the most, and MiB a second. */
export interface LargeBodyFigures {
  readonly grownByWriting: number
  readonly grownByReading: number
  readonly writeSpeed: number
  readonly readSpeed: number
}

export async function runLargeBody(
  endpoint: string,
  mebibytes: number,
  isKnown: boolean,
  isGarbageCounted: boolean
): Promise<LargeBodyFigures> {
  const flags = ['--import', 'tsx', ...(isGarbageCounted ? [] : ['--expose-gc'])]
  const args = [...flags, import.meta.filename, endpoint, String(mebibytes), isKnown ? 'known' : 'unknown']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout)
}

if (process.argv[1] === import.meta.filename) {
  const [endpoint = '', size = '', length = ''] = process.argv.slice(2)
  await measure(endpoint, Number(size), length === 'known')
}

async function measure(endpoint: string, mebibytes: number, isKnown: boolean): Promise<void> {
  const driver = s3Driver({ endpoint, region, bucket: 'cache', credentials })
  const store = new ObjectStore({ driver, prefix: `large/${isKnown}`, maxEntrySizeBytes: Infinity })
  // What is needed for anything at all.
  await write(store, 0.25, isKnown)
  await read(store)
  const writing = await growthOf(() => write(store, mebibytes, isKnown))
  const reading = await growthOf(() => read(store))
  assert.equal(writing.result, reading.result)
  await store.clear()
  const figures: LargeBodyFigures = {
    grownByWriting: Math.round(writing.grownBy),
    grownByReading: Math.round(reading.grownBy),
    writeSpeed: Math.round(mebibytes / writing.seconds),
    readSpeed: Math.round(mebibytes / reading.seconds)
  }
  console.log(JSON.stringify(figures))
}

/** Returns a checksum of what was written. */
async function write(store: ObjectStore, mebibytes: number, isKnown: boolean): Promise<number> {
  const lines = isKnown ? ([['Content-Length', String(mebibytes * MEBIBYTE)]] as const) : []
  const entry = entryOf({ lines })
  const writer = (await store.put(entry)) ?? assert.fail('declined')
  let checksum = 0
  for (let i = 0; i < (mebibytes * MEBIBYTE) / CHUNK_BYTES; i++) {
    const chunk = chunks[i % chunks.length] ?? assert.fail()
    checksum = crc32(chunk, checksum)
    await writer.write(chunk)
  }
  assert.equal(await writer.commit(finished(entry, mebibytes * MEBIBYTE)), true)
  return checksum
}

async function read(store: ObjectStore): Promise<number> {
  let checksum = 0
  const body = await (await find(store, KEY))?.open()
  for await (const piece of body as AsyncIterable<Uint8Array>) checksum = crc32(piece, checksum)
  return checksum
}
