import type { DispatchOptions } from './undici/dispatch-options.ts'

/** The caches that a request has passed, in its options: interceptors in between copy those, with what they do not know. */
const PASSED = Symbol('caches that the request has passed')

interface MarkedOptions extends DispatchOptions {
  readonly [PASSED]?: readonly object[]
}

/** The options with a word that the request has passed that cache. */
export function markedBy(cache: object, opts: DispatchOptions): DispatchOptions {
  const marked: MarkedOptions = { ...opts, [PASSED]: [...((opts as MarkedOptions)[PASSED] ?? []), cache] }
  return marked
}

/** Whether the request has passed that cache: it is composed into one chain of dispatchers twice. */
export function isMarkedBy(cache: object, opts: DispatchOptions): boolean {
  return (opts as MarkedOptions)[PASSED]?.includes(cache) ?? false
}
