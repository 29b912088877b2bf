// What many unsafe requests in flight cost each other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers'
import type { Dispatcher } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import type { AnyHandler } from '../../interceptors/undici/handler-adapter.ts'

const FEW = 1000
const MANY = 10_000

/** Linear is 10; what grows with the square, 100. */
const LARGEST_RATIO = 40

const CONTROLLER = { pause() {}, resume() {}, abort() {}, aborted: false, paused: false }

/** How long it takes for as many requests to be answered, all of them in flight, in ms. */
async function timeToAnswer(
  count: number,
  requestOf: (i: number) => { method: string; path: string }
): Promise<number> {
  const pending: AnyHandler[] = []
  const dispatch = cacheInterceptor()((_options, handler) => {
    ;(handler as AnyHandler).onRequestStart?.(CONTROLLER as never, {})
    pending.push(handler as AnyHandler)
    return true
  })
  let ended = 0
  const client = {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData() {},
    onResponseEnd: () => void ended++,
    onResponseError() {}
  }
  const turn = () => new Promise<void>(resolve => setImmediate(resolve))
  for (let i = 0; i < count; i++) {
    dispatch({ origin: 'http://o.example', ...requestOf(i) } as Dispatcher.DispatchOptions, client)
  }
  while (pending.length < count) await turn()
  const startMs = performance.now()
  for (const handler of pending) {
    handler.onResponseStart?.(CONTROLLER as never, 200, { 'content-length': '0' }, 'OK')
    handler.onResponseEnd?.(CONTROLLER as never, {})
  }
  while (ended < count) await turn()
  return performance.now() - startMs
}

describe('10,000 requests in flight take at most 40 times as long to answer as 1,000', () => {
  const mixes: Record<string, (i: number) => { method: string; path: string }> = {
    'POSTs to as many URLs': i => ({ method: 'POST', path: `/${i}` }),
    'POSTs to one URL': () => ({ method: 'POST', path: '/' }),
    'DELETEs beside as many GETs': i => ({ method: i % 2 === 0 ? 'DELETE' : 'GET', path: `/${i}` })
  }
  for (const [name, requestOf] of Object.entries(mixes)) {
    test(name, async () => {
      await timeToAnswer(FEW, requestOf)
      const few: number[] = []
      const many: number[] = []
      for (let round = 0; round < 3; round++) {
        few.push(await timeToAnswer(FEW, requestOf))
        many.push(await timeToAnswer(MANY, requestOf))
      }
      const [least, most] = [Math.min(...few), Math.min(...many)]
      assert.ok(most < least * LARGEST_RATIO, `${FEW} took ${least.toFixed(1)} ms, ${MANY} ${most.toFixed(1)} ms`)
    })
  }
})
