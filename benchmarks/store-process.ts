// One store in a process of its own, so that no store pays for another's garbage, or for code that knows them all.
// Told by messages what to do, it answers with operations per second.

import type { Kind } from './store-subject.ts'
import { SUBJECTS } from './store-subjects.ts'

export interface Order {
  readonly kind: Kind | 'prepare' | 'close'
  readonly bytes: number
  readonly concurrency: number
  readonly forMs: number
}

/** What a service holds on to. Of a heap of a few megabytes, V8 collects everything again and again as soon as bodies in
 * memory outside of it come and go, or does not, as chance has it. */
Object.assign(globalThis, { ballast: Array.from({ length: 16 }, () => new Array<number>(1_000_000).fill(0.5)) })

const [name = '', ground = '{}'] = process.argv.slice(2)
const subject = await SUBJECTS[name]?.(JSON.parse(ground)).catch(error => {
  process.send?.({ unavailable: String(error.message) })
  process.disconnect?.()
  return undefined
})

if (subject !== undefined) {
  process.on('message', async (order: Order) => {
    const rate = await obey(order)
    process.send?.({ rate }, () => {
      // Whatever a subject leaves open.
      if (order.kind === 'close') process.exit()
    })
  })
  process.send?.({ kinds: ['hits', 'lookups', 'stores'].filter(kind => subject[kind as Kind] !== undefined) })
}

async function obey({ kind, bytes, concurrency, forMs }: Order): Promise<number> {
  if (subject === undefined) return Number.NaN
  if (kind === 'prepare') await subject.prepare(bytes)
  else if (kind === 'close') await subject.close()
  else return perSecond(subject[kind], bytes, concurrency, forMs)
  return Number.NaN
}

/** So many loops, each of which begins its next operation when its last one has ended. */
async function perSecond(
  operate: ((bytes: number) => Promise<unknown>) | undefined,
  bytes: number,
  concurrency: number,
  forMs: number
): Promise<number> {
  if (operate === undefined) return Number.NaN
  const startedMs = performance.now()
  let operations = 0
  const loop = async () => {
    while (performance.now() - startedMs < forMs) {
      await operate(bytes)
      operations++
      // What is never asynchronous would let nothing else have its turn.
      if (operations % 100 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  return (operations / (performance.now() - startedMs)) * 1000
}
