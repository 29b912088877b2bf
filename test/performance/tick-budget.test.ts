import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { TickBudget } from '../../interceptors/replay/tick-budget.ts'

const MEBIBYTE = 1_048_576

/** As the server does: at once if it fits, else later. */
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
