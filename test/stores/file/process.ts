// A process of its own that works on a FileStore: node --import tsx process.ts <task> <directory> ...
import { closeSync, openSync, readSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FileStore } from 'undici-http-cache/stores/file'
import { entryOf, find, get } from '../../support/file-store.ts'
import { bytesOf, finished, noise } from '../../support/responses.ts'

export const CROWD_KEYS = Array.from({ length: 6 }, (_, i) => `https://store.test/crowd/${i}`)
const SIZES = [0, 10, 5000, 70_000, 300_000]

/** The body that belongs to a seed; its size, too, tells it apart. */
export function bodyOf(seed: number): Buffer {
  return noise((SIZES[seed % SIZES.length] ?? 0) + (seed % 7), seed + 1)
}

export async function putSeed(store: FileStore, key: string, seed: number): Promise<boolean> {
  const body = bodyOf(seed)
  const entry = entryOf({ key, lines: [['X-Seed', String(seed)]] })
  const writer = await store.put(entry)
  for (let at = 0; at < body.byteLength; at += 40_000) await writer?.write(body.subarray(at, at + 40_000))
  return (await writer?.commit(finished(entry, body.byteLength))) === true
}

/** What is wrong with the response that is found; undefined where all is well, or nothing is found. */
export async function findFault(store: FileStore, key: string): Promise<string | undefined> {
  const found = await find(store, key)
  if (found === undefined) return undefined
  const [, text = ''] = found.entry.lines[0] ?? []
  const expected = bodyOf(Number(text))
  if (found.entry.completeLength !== expected.byteLength)
    return `${text}: ${found.entry.completeLength} bytes announced`
  try {
    const body = await found.open()
    if (body === undefined) return undefined
    const bytes = await bytesOf(body)
    return bytes.equals(expected) ? undefined : `${text}: ${bytes.byteLength} bytes that were not written for it`
  } catch (error) {
    return `${text}: ${error}`
  }
}

/** A sweep by the turns of the event loop that it took. */
export interface SweepTurns {
  readonly elapsedMs: number
  readonly turns: number
  /** What the processor spent on the main thread: on a busy machine more passes on the clock. */
  readonly longestMs: number
  /** Of more than SLOW_MS, such as those in which garbage is collected. */
  readonly slowTurns: number
}

export const SLOW_MS = 10

export async function measureSweep(store: FileStore): Promise<SweepTurns> {
  // Makes no garbage of its own, which would be collected in some turn.
  const digits = Buffer.alloc(64)
  const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  const timeMs = () => {
    readSync(schedstat, digits, 0, digits.byteLength, 0)
    let ns = 0
    for (let i = 0; digits[i] !== 0x20; i++) ns = ns * 10 + (digits[i] ?? 0) - 0x30
    return ns / 1e6
  }
  const startedMs = performance.now()
  let turns = 0
  let longestMs = 0
  let slowTurns = 0
  let isOver = false
  const sweeping = store.sweep().finally(() => {
    isOver = true
  })
  while (!isOver) {
    const before = timeMs()
    await nextTurn()
    const turnMs = timeMs() - before
    longestMs = Math.max(longestMs, turnMs)
    if (turnMs > SLOW_MS) slowTurns++
    turns++
  }
  await sweeping
  closeSync(schedstat)
  return { elapsedMs: performance.now() - startedMs, turns, longestMs, slowTurns }
}

const tasks: Record<string, (store: FileStore, directory: string, argument: string) => Promise<void>> = {
  /** Sweeps down to shares of a size. */
  async sweep(_, directory, size) {
    // The first full collection of a process takes as long as what was loaded is large, whoever causes it.
    globalThis.gc?.()
    const sweeps: SweepTurns[] = []
    for (const share of [0.75, 0.5, 0.25]) {
      const store = new FileStore({ directory, maxSizeBytes: Number(size) * share })
      sweeps.push(await measureSweep(store))
      await store.close()
    }
    process.send?.(sweeps)
  },

  /** Stores, updates, deletes and reads, until it is killed. */
  async crowd(store) {
    for (let seed = process.pid * 1000; ; seed++) {
      const key = CROWD_KEYS[seed % CROWD_KEYS.length] ?? ''
      await putSeed(store, key, seed)
      if (seed % 5 === 0) {
        const { entry } = (await find(store, key)) ?? {}
        if (entry !== undefined) await store.update({ ...entry, statusText: `Updated ${seed}` })
      }
      if (seed % 11 === 0) await store.delete(key)
      const fault = await findFault(store, key)
      if (fault !== undefined) process.send?.({ fault })
      process.send?.({ seed })
    }
  },

  /** Does what it is told, message by message. */
  async obey(store) {
    let asOf: unknown
    process.on('message', async ({ call, key = '', seed = 0 }: Order) => {
      const answers: Record<Order['call'], () => Promise<unknown>> = {
        put: async () => putSeed(store, key, seed),
        find: async () => (await find(store, key))?.entry.lines[0]?.[1],
        delete: async () => store.delete(key),
        deleteByTag: async () => store.deleteByTag(key),
        clear: async () => store.clear(),
        lookUp: async () => {
          asOf = await (await get(store, key)).asOf()
        },
        putAsOf: async () => {
          const entry = entryOf({ key })
          const writer = await store.put(entry, { asOf })
          return (await writer?.commit(finished(entry, 0))) === true
        },
        close: async () => {
          await store.close()
          process.disconnect()
        }
      }
      const answer = await answers[call]()
      if (process.connected) process.send?.({ answer })
    })
    process.send?.({ answer: 'ready' })
  }
}

export interface Order {
  readonly call: 'put' | 'find' | 'delete' | 'deleteByTag' | 'clear' | 'lookUp' | 'putAsOf' | 'close'
  readonly key?: string
  readonly seed?: number
}

const [, script, task = '', directory, argument = ''] = process.argv
if (script === import.meta.filename && directory !== undefined) {
  await tasks[task]?.(new FileStore({ directory }), directory, argument)
}
