import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeysByName } from '../../stores/tiered/keys-by-name.ts'

test('names that a lower tier tells of are forgotten, the oldest first, where they are many or long', () => {
  for (const [count, length, least] of [
    [100_010, 20, 10],
    [20_000, 2000, 10_000]
  ] as const) {
    const forgotten: string[] = []
    const names = new KeysByName(
      key => `<${key}>`,
      key => forgotten.push(key)
    )
    const keys = Array.from({ length: count }, (_, i) => `${i}`.padStart(length, '-'))
    for (const key of [...keys, keys.at(-1) ?? '']) names.learn(key)
    assert.ok(forgotten.length >= least && forgotten.length < count - 1000)
    assert.deepEqual(forgotten, keys.slice(0, forgotten.length))
    assert.equal(names.keyOf(`<${keys.at(-1)}>`), keys.at(-1))
    assert.equal(names.keyOf(`<${keys[0]}>`), undefined)
  }
})
