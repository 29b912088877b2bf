import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { setImmediate } from 'node:timers'

// Test runners replace timers, Date and performance for a while, those of Node's modules among them. What is given to a
// replaced timer may never be called.

const { nodeTiming } = performance
let waiting = new Set<() => void>()
/** The turn in which the callback was asked for that has not come yet. */
let askedIn: number | undefined

/** A clock for durations, in milliseconds; nobody replaces it. */
export function monotonicMs(): number {
  return process.uptime() * 1000
}

/** Calls back in the next turn of the event loop, once however often it is asked to before. What a replaced timer was given
 * is made up for by the next call in a later turn. A callback that throws keeps no other from being called. */
export function soon(callback: () => void): void {
  waiting.add(callback)
  arrange()
}

/** Resolves in the next turn of the event loop, as `soon` calls back. */
export function nextTurn(): Promise<void> {
  return new Promise(soon)
}

function arrange(): void {
  // Node 22 has it from 22.8 on.
  const turn = (nodeTiming as Partial<typeof nodeTiming>).uvMetricsInfo?.loopCount ?? Math.floor(monotonicMs())
  if (askedIn === turn) return
  askedIn = turn
  setImmediate(callWaiting)
}

function callWaiting(): void {
  askedIn = undefined
  const due = waiting
  waiting = new Set()
  try {
    for (const callback of due) {
      due.delete(callback)
      callback()
    }
  } finally {
    for (const callback of due) soon(callback)
  }
}
