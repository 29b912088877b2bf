// Watches what passes through a dispatcher, above a cache or below it: what is under way, how it ends, and how often.
import type { Dispatcher } from 'undici'

export interface Passage {
  readonly path: string
  readonly exchange: number
  readonly startedAtMs: number
  ends: number
  hasHead: boolean
  /** The last it was told. */
  last: string
}

export interface Failure {
  readonly path: string
  readonly exchange: number
  readonly atMs: number
}

const HEADS = new Set<PropertyKey>(['onHeaders', 'onResponseStart'])
const DATA = new Set<PropertyKey>(['onData', 'onResponseData'])
const ENDS = new Set<PropertyKey>(['onComplete', 'onResponseEnd'])
const ERRORS = new Set<PropertyKey>(['onError', 'onResponseError'])

/** What undici says where a connection is lost. */
const LOST = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

export class Wire {
  /** In the order in which they began. */
  readonly underWay = new Set<Passage>()
  /** Lost connections, in order. */
  readonly failures: Failure[] = []
  passed = 0
  readonly #now: () => number
  readonly #onMisuse: (passage: Passage, what: string) => void

  /** `onMisuse` is told of calls that may not come: a second end, data after it or before the header section. */
  constructor(now: () => number, onMisuse: (passage: Passage, what: string) => void = () => {}) {
    this.#now = now
    this.#onMisuse = onMisuse
  }

  readonly interceptor: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => {
    const passage: Passage = {
      path: opts.path,
      exchange: exchangeOf(opts.headers),
      startedAtMs: this.#now(),
      ends: 0,
      hasHead: false,
      last: 'nothing'
    }
    this.passed++
    this.underWay.add(passage)
    try {
      return dispatch(opts, this.#watch(handler, passage))
    } catch (error) {
      this.underWay.delete(passage)
      throw error
    }
  }

  /** The earliest start among what is under way for a path. */
  earliestStartMs(path: string): number {
    for (const passage of this.underWay) if (passage.path === path) return passage.startedAtMs
    return Infinity
  }

  #watch<Handler extends object>(handler: Handler, passage: Passage): Handler {
    return new Proxy(handler, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          this.#heard(passage, key, args)
          return value.apply(target, args)
        }
      }
    })
  }

  #heard(passage: Passage, key: PropertyKey, args: readonly unknown[]): void {
    passage.last = String(key)
    if (HEADS.has(key)) {
      const status = args.find(argument => typeof argument === 'number') ?? 0
      if (passage.hasHead && status >= 200) this.#onMisuse(passage, 'a second header section')
      passage.hasHead ||= status >= 200
    } else if (DATA.has(key)) {
      if (!passage.hasHead) this.#onMisuse(passage, 'data before the header section')
      if (passage.ends > 0) this.#onMisuse(passage, 'data after the end')
    } else if (ENDS.has(key) || ERRORS.has(key)) {
      if (++passage.ends > 1) this.#onMisuse(passage, 'a second end')
      this.underWay.delete(passage)
      if (ERRORS.has(key)) this.#failed(passage, args.at(-1))
    }
  }

  #failed({ path, exchange }: Passage, error: unknown): void {
    const { code } = (error ?? {}) as { code?: string }
    if (LOST.has(code ?? '')) this.failures.push({ path, exchange, atMs: this.#now() })
  }
}

/** The number in a request's fields, in any of their forms. */
function exchangeOf(headers: unknown): number {
  if (typeof headers !== 'object' || headers === null) return -1
  const list: unknown[] = Array.isArray(headers)
    ? headers.flat()
    : Symbol.iterator in headers
      ? [...(headers as Iterable<unknown>)].flat()
      : Object.entries(headers).flat()
  const place = list.findIndex(item => String(item).toLowerCase() === 'x-exchange')
  return place === -1 ? -1 : Number(list[place + 1])
}
