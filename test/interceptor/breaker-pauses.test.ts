import assert from 'node:assert/strict'
import { beforeEach, describe, type TestContext, test } from 'node:test'
import { CircuitBreaker } from '../../interceptors/store-access/circuit-breaker.ts'

/** The breaker's clock, which stands still until it is told. */
let nowMs = 0

beforeEach(context => {
  nowMs = 0
  ;(context as TestContext).mock.method(process, 'uptime', () => nowMs / 1000)
})

describe('the breaker', () => {
  test('pauses for half a second, then twice as long after each trial, up to half a minute', () => {
    const breaker = new CircuitBreaker()
    for (let i = 0; i < 5; i++) {
      assert.equal(breaker.allows(), true)
      breaker.failed()
    }
    // Those that were under way when it opened.
    for (let i = 0; i < 50; i++) breaker.failed()
    nowMs += 100
    breaker.failed()
    nowMs -= 100
    for (const pauseMs of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      nowMs += pauseMs - 1
      assert.equal(breaker.allows(), false, `after less than ${pauseMs} ms`)
      nowMs += 1
      assert.equal(breaker.allows(), true, `after ${pauseMs} ms`)
      assert.equal(breaker.allows(), false, 'one trial at a time')
      breaker.failed()
    }
    nowMs += 30_000
    assert.equal(breaker.allows(), true)
    breaker.succeeded()
    for (let i = 0; i < 4; i++) breaker.failed()
    assert.equal(breaker.allows(), true)
    breaker.failed()
    assert.equal(breaker.allows(), false)
    nowMs += 500
    assert.equal(breaker.allows(), true, 'after a success pauses are short again')
  })

  test('lets another try where a trial came to nothing', () => {
    const breaker = new CircuitBreaker()
    for (let i = 0; i < 5; i++) breaker.failed()
    for (let i = 0; i < 3; i++) {
      nowMs += 500
      assert.equal(breaker.allows(), true)
    }
  })
})
