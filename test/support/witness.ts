// Watches every handler that passes through dispatchers: whatever the test was about, each must be ended exactly once.
//
//   const witness = new Witness()
//   after(() => witness.check())
//   const agent = new Agent().compose(cache, witness.interceptor)      // above the cache: what its clients get
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'

const STARTS = new Set<PropertyKey>(['onConnect', 'onRequestStart'])
const HEADS = new Set<PropertyKey>(['onHeaders', 'onResponseStart'])
const ENDS = new Set<PropertyKey>(['onComplete', 'onResponseEnd', 'onUpgrade', 'onRequestUpgrade'])
const FAILURES = new Set<PropertyKey>(['onError', 'onResponseError'])
const DATA = new Set<PropertyKey>(['onData', 'onResponseData'])

interface Watched {
  readonly request: string
  readonly calls: string[]
  /** Whether the handler itself threw in its last callback but one. */
  endThrew: boolean
}

/** Keeps the sequence of calls of each handler, of either API, and checks it. */
export class Witness {
  readonly #watched: Watched[] = []

  /** To be composed above what is tested. It changes nothing. */
  readonly interceptor: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => {
    const watched: Watched = { request: `${opts.method} ${opts.path}`, calls: [], endThrew: false }
    const accepted = dispatch(opts, this.watch(handler, watched))
    // Only now: what throws at once has no handler to end.
    this.#watched.push(watched)
    return accepted
  }

  /** The same handler, its calls written down. */
  watch<Handler extends object>(
    handler: Handler,
    watched: Watched = { request: 'a request', calls: [], endThrew: false }
  ): Handler {
    return new Proxy(handler, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          if (isCallback(key)) watched.calls.push(nameOf(key, args))
          try {
            return value.apply(target, args)
          } catch (error) {
            if (ENDS.has(key)) watched.endThrew = true
            throw error
          }
        }
      }
    })
  }

  /** Waits for what is under way, a second at most; throws where a handler was not ended exactly once, and at the end. */
  async check(): Promise<void> {
    for (let i = 0; i < 100 && this.#watched.some(({ calls }) => !calls.some(isTerminal)); i++) await sleep(10)
    for (const { request, calls, endThrew } of this.#watched) {
      const said = `${request}: ${calls.join(', ')}`
      const terminal = calls.filter(isTerminal)
      assert.deepEqual(terminal, endThrew ? ['end', 'error'] : terminal.slice(0, 1), said)
      assert.equal(terminal.length >= 1, true, said)
      assert.equal(isTerminal(calls.at(-1)), true, said)
      assert.equal(calls.filter(call => call === 'head').length <= 1, true, said)
      const firstData = calls.indexOf('data')
      assert.equal(firstData === -1 || calls.indexOf('head') < firstData, true, said)
      if (calls.includes('head')) assert.equal(calls[0], 'start', said)
    }
  }

  /** How many handlers were watched. */
  get count(): number {
    return this.#watched.length
  }
}

function isCallback(key: PropertyKey): boolean {
  return [STARTS, HEADS, DATA, ENDS, FAILURES].some(names => names.has(key))
}

function isTerminal(call: string | undefined): boolean {
  return call === 'end' || call === 'error'
}

function nameOf(key: PropertyKey, args: readonly unknown[]): string {
  if (STARTS.has(key)) return 'start'
  if (DATA.has(key)) return 'data'
  if (ENDS.has(key)) return 'end'
  if (FAILURES.has(key)) return 'error'
  const status = args.find(arg => typeof arg === 'number') ?? 0
  return status < 200 ? 'info' : 'head'
}
