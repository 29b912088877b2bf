// A process of its own that works on an ObjectStore in files, beside others:
// node --import tsx process.ts <directory> <milliseconds>. Prints what was wrong, as JSON.
import { setTimeout as sleep } from 'node:timers/promises'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { entryOf, find } from '../../support/file-store.ts'
import { bytesOf, finished, noise } from '../../support/responses.ts'

export const KEYS = Array.from({ length: 4 }, (_, i) => `https://store.test/crowd/${i}`)
const SIZES = [0, 10, 5000, 70_000, 300_000]

export function bodyOf(seed: number): Buffer {
  return noise((SIZES[seed % SIZES.length] ?? 0) + (seed % 7), seed + 1)
}

export interface Crowd {
  readonly faults: readonly string[]
  readonly stored: number
  readonly found: number
  readonly deleted: number
}

/** Stores, finds and deletes at random; counts what was done, and what was wrong. */
export async function crowd(store: ObjectStore, milliseconds: number): Promise<Crowd> {
  const until = performance.now() + milliseconds
  const faults: string[] = []
  let stored = 0
  let found = 0
  let deleted = 0
  const work = async () => {
    while (performance.now() < until) {
      const key = KEYS[Math.floor(Math.random() * KEYS.length)] ?? ''
      const dice = Math.random()
      if (dice < 0.1) {
        await store.delete(key)
        deleted++
      } else if (dice < 0.4) stored += (await putSeed(store, key, Math.floor(Math.random() * 1000))) ? 1 : 0
      else {
        const fault = await faultOf(store, key)
        if (fault === undefined) continue
        if (fault === '') found++
        else faults.push(fault)
      }
      await sleep(1)
    }
  }
  await Promise.all([work(), work(), work(), work()])
  return { faults, stored, found, deleted }
}

async function putSeed(store: ObjectStore, key: string, seed: number): Promise<boolean> {
  const body = bodyOf(seed)
  const entry = entryOf({ key, lines: [['X-Seed', String(seed)]] })
  const writer = await store.put(entry)
  for (let at = 0; at < body.byteLength; at += 40_000) await writer?.write(body.subarray(at, at + 40_000))
  return (await writer?.commit(finished(entry, body.byteLength))) === true
}

/** What is wrong with what is found; '' where nothing is, undefined where nothing is found. */
export async function faultOf(store: ObjectStore, key: string): Promise<string | undefined> {
  const stored = await find(store, key)
  if (stored === undefined) return undefined
  const expected = bodyOf(Number(stored.entry.lines[0]?.[1]))
  if (stored.entry.completeLength !== expected.byteLength) return `${stored.entry.completeLength} bytes announced`
  try {
    const body = await stored.open()
    if (body === undefined) return undefined
    return (await bytesOf(body)).equals(expected) ? '' : 'other bytes'
  } catch (error) {
    // Replaced while it was read: no bytes are better than wrong ones.
    return Object(error).code === 'ERR_CACHE_BODY' ? undefined : String(error)
  }
}

if (process.argv[1] === import.meta.filename) {
  const [directory = '', milliseconds = ''] = process.argv.slice(2)
  const store = new ObjectStore({ driver: fsDriver({ directory }) })
  console.log(JSON.stringify(await crowd(store, Number(milliseconds))))
  await store.close()
}
