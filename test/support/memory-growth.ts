// What some work takes of memory, in a process of its own.
import { readFileSync } from 'node:fs'

export const MEBIBYTE = 2 ** 20

export interface Growth<T> {
  readonly result: T
  /** MiB, at the most, by which the process had grown. */
  readonly grownBy: number
  readonly seconds: number
}

/** In a process with --expose-gc, how much more it holds on to at the most; else all memory that it takes but for what is
 * mapped of files, garbage included: how much of that V8 lets lie differs from version to version. */
export async function growthOf<T>(work: () => Promise<T>): Promise<Growth<T>> {
  const before = memoryBytes()
  let peak = before
  const look = () => {
    peak = Math.max(peak, memoryBytes())
  }
  const timer = setInterval(look, globalThis.gc === undefined ? 2 : 200)
  const startedMs = performance.now()
  const result = await work()
  const seconds = (performance.now() - startedMs) / 1000
  clearInterval(timer)
  look()
  return { result, grownBy: (peak - before) / MEBIBYTE, seconds }
}

function memoryBytes(): number {
  if (globalThis.gc === undefined) return residentBytes()
  // The second waits for what the first has found to be given back.
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function residentBytes(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  return Number(/RssAnon:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024
}
