// A store that fails now and then in every way that its user can notice.
import { setTimeout as sleep } from 'node:timers/promises'
import type { CacheStore } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { Random } from './random.ts'

export type FaultName =
  | 'throws'
  | 'rejects'
  | 'never'
  | 'late'
  | 'late-fault'
  | 'slow'
  | 'nonsense'
  | 'early-end'
  | 'too-long'

type Operation = keyof FaultyStore['faults']

/** What may happen to each operation. What reports success has done what it says: against a store that lies there is no
 * remedy. A deletion comes to an end, since a purge waits for it. */
const POSSIBLE: { readonly [operation in Operation]?: readonly FaultName[] } = {
  get: ['throws', 'rejects', 'never', 'late', 'late-fault', 'slow', 'nonsense'],
  asOf: ['throws', 'rejects', 'never', 'late', 'slow'],
  open: ['throws', 'rejects', 'never', 'late', 'slow', 'nonsense'],
  read: ['rejects', 'never', 'late', 'slow', 'nonsense', 'early-end', 'too-long'],
  put: ['throws', 'rejects', 'never', 'late', 'slow', 'nonsense'],
  write: ['throws', 'rejects', 'never', 'late-fault', 'slow'],
  commit: ['throws', 'rejects', 'never', 'late', 'late-fault', 'slow', 'nonsense'],
  abort: ['throws', 'rejects', 'never', 'slow'],
  update: ['throws', 'rejects', 'never', 'late', 'slow', 'nonsense'],
  delete: ['throws', 'rejects', 'late', 'late-fault', 'slow'],
  clear: ['throws', 'rejects', 'slow']
}

export interface FaultOptions {
  readonly seed: string
  /** Of each call. */
  readonly probability: number
  /** The cache's `storeTimeoutMs`: what is late takes longer. */
  readonly timeoutMs: number
}

export interface Faults {
  readonly store: CacheStore
  /** How often each fault has happened, by operation and name. */
  readonly tally: Map<string, number>
  /** How often a body could not be read to its end. */
  readFaults(): number
  /** From now on it works. */
  heal(): void
}

export function faultyStore({ seed, probability, timeoutMs }: FaultOptions): Faults {
  const random = new Random(seed, 'faults')
  const store = new FaultyStore(new AsyncStore({ maxSizeBytes: 16_777_216, maxEntrySizeBytes: 2_097_152 }))
  const tally = new Map<string, number>()
  let readFaults = 0
  let isHealed = false
  for (const [operation, names] of Object.entries(POSSIBLE) as [Operation, readonly FaultName[]][]) {
    store.faults[operation] = real => {
      if (isHealed || !random.chance(probability)) return real()
      const name = random.pick(names)
      tally.set(`${operation} ${name}`, (tally.get(`${operation} ${name}`) ?? 0) + 1)
      if (operation === 'read' && name !== 'slow') readFaults++
      return happen(name, real, timeoutMs)
    }
  }
  return {
    store,
    tally,
    readFaults: () => readFaults,
    heal: () => {
      isHealed = true
    }
  }
}

async function later(ms: number, then: () => unknown): Promise<unknown> {
  await sleep(ms)
  return then()
}

function fault(): never {
  throw new Error('a fault of the store')
}

function happen(name: FaultName, real: () => unknown, timeoutMs: number): unknown {
  switch (name) {
    case 'throws':
      return fault()
    case 'rejects':
      return Promise.reject(new Error('a fault of the store'))
    case 'never':
      return new Promise(() => {})
    case 'late':
      return later(timeoutMs * 3, real)
    case 'late-fault':
      return later(timeoutMs * 3, fault)
    case 'slow':
      return later(timeoutMs / 4, real)
    case 'nonsense':
      return Promise.resolve({ value: 'nonsense', stored: [{ entry: {} }] })
    case 'early-end':
      return Promise.resolve({ done: true, value: undefined })
    case 'too-long':
      return Promise.resolve({ done: false, value: new Uint8Array(10_000_000) })
    default:
      return name satisfies never
  }
}
