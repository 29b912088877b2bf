import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { TickBudget } from '../../interceptors/replay/tick-budget.ts'
import { CachedAgent, Clock } from '../support/cached-agent.ts'
import { startRawOrigin } from '../support/raw-origin.ts'

const MEBIBYTE = 1_048_576

/** As the replay of answers does: at once if it fits, else later. */
function answer(budget: TickBudget, bytes: number, done: () => void): void {
  if (budget.take(bytes)) done()
  else budget.defer(bytes, done)
}

describe('what is answered within one turn', () => {
  test('is bounded in number, and the rest comes in the turns that follow, in order', async () => {
    const budget = new TickBudget()
    const answered: number[] = []
    for (let i = 0; i < 1000; i++) answer(budget, 0, () => answered.push(i))
    const atOnce = answered.length
    assert.ok(atOnce >= 16 && atOnce <= 128, `${atOnce} at once`)
    for (let turns = 0; answered.length < 1000; turns++) {
      const before = answered.length
      await nextTurn()
      assert.ok(answered.length > before && answered.length - before <= 128)
      assert.ok(turns < 100)
    }
    assert.deepEqual(
      answered,
      Array.from({ length: 1000 }, (_, i) => i)
    )
  })

  test('is bounded in bytes, but never to less than one answer', async () => {
    const budget = new TickBudget()
    let answered = 0
    for (let i = 0; i < 12; i++) answer(budget, 3 * MEBIBYTE, () => answered++)
    assert.equal(answered, 2)
    await nextTurn()
    assert.equal(answered, 4)
    for (let i = 0; i < 3; i++) answer(budget, 100 * MEBIBYTE, () => answered++)
    while (answered < 15) {
      const before = answered
      await nextTurn()
      assert.ok(answered > before)
    }
  })

  test('is bounded in time', async context => {
    let nowMs = 0
    context.mock.method(process, 'uptime', () => nowMs / 1000)
    const budget = new TickBudget()
    let answered = 0
    for (let i = 0; i < 100; i++) {
      answer(budget, 0, () => answered++)
      nowMs += 0.5
    }
    assert.ok(answered >= 16 && answered <= 32, `${answered} at once`)
    await nextTurn()
    assert.ok(answered <= 160)
  })

  test('is not overtaken by what comes later', async () => {
    const budget = new TickBudget()
    const answered: string[] = []
    while (budget.take(0));
    budget.defer(0, () => {
      answered.push('first')
      answer(budget, 0, () => answered.push('third'))
    })
    budget.defer(0, () => answered.push('second'))
    await nextTurn()
    await nextTurn()
    assert.deepEqual(answered, ['first', 'second', 'third'])
  })

  test('of little traffic needs no turn of its own', async () => {
    const budget = new TickBudget()
    for (let turn = 0; turn < 50; turn++) {
      for (let i = 0; i < 10; i++) assert.equal(budget.take(1000), true)
      await nextTurn()
      await nextTurn()
    }
  })
})

describe('what the origin validates within one turn', () => {
  const COUNT = 300
  const OK = 'HTTP/1.1 200 OK\r\nETag: "1"\r\nCache-Control: max-age=10\r\nContent-Length: 1\r\n\r\nx'
  const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'

  /** Has `COUNT` stored responses validated by 304s that come in one packet. Calls `ended` at the end of each; resolves to the
   * errors, by number. */
  async function validate(
    ended: (number: number, controllers: readonly Dispatcher.DispatchController[]) => void
  ): Promise<(Error | undefined)[]> {
    await using origin = await startRawOrigin((socket, number) => {
      if (number <= COUNT) socket.write(OK)
      else if (number === 2 * COUNT) socket.write(NOT_MODIFIED.repeat(COUNT))
    })
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now }, { connections: 1, pipelining: COUNT })
    const paths = Array.from({ length: COUNT }, (_, i) => `/${i}`)
    await Promise.all(paths.map(path => cached.get(`${origin.url}${path}`)))
    clock.advance(20)
    const controllers: Dispatcher.DispatchController[] = []
    const errors = await Promise.all(
      paths.map(
        (path, number) =>
          new Promise<Error | undefined>(resolve => {
            let body = ''
            cached.agent.dispatch(
              { origin: origin.url, path, method: 'GET', blocking: false },
              {
                onRequestStart: controller => controllers.push(controller),
                onResponseStart() {},
                onResponseData: (_controller, chunk) => (body += chunk),
                onResponseEnd() {
                  assert.equal(body, 'x')
                  ended(number, controllers)
                  resolve(undefined)
                },
                onResponseError: (_controller, error) => resolve(error)
              }
            )
          })
      )
    )
    assert.equal(origin.requestCount, 2 * COUNT)
    return errors
  }

  test('is bounded in number, and comes in order', async () => {
    const perTurn: number[] = []
    const order: number[] = []
    let isCounting = false
    await validate(number => {
      order.push(number)
      if (!isCounting) {
        isCounting = true
        perTurn.push(0)
        void nextTurn().then(() => {
          isCounting = false
        })
      }
      perTurn[perTurn.length - 1] = (perTurn.at(-1) ?? 0) + 1
    })
    assert.deepEqual(
      order,
      Array.from({ length: COUNT }, (_, i) => i)
    )
    // A turn answers in two phases: when sockets are read, and when what was deferred is called.
    assert.ok(Math.max(...perTurn) <= 256, `${perTurn} in each turn`)
    assert.ok(perTurn.length > 1)
  })

  test('may be aborted while it waits for a later turn', async () => {
    const gone = new Error('gone')
    const errors = await validate((number, controllers) => {
      // Once all 304s have been parsed.
      if (number === 0) queueMicrotask(() => controllers.at(-1)?.abort(gone))
    })
    assert.equal(errors.pop(), gone)
    assert.deepEqual(errors.filter(Boolean), [])
  })
})
