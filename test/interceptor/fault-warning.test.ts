// Faults of a store are told, though nobody listens.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nextMessage } from '../support/child.ts'
import type { Warned } from './faulting-process.ts'

/** Warnings of a process in which that has happened. */
async function warningsOf(scenario: string): Promise<readonly Warned[]> {
  const child = fork(fileURLToPath(new URL('./faulting-process.ts', import.meta.url)), [scenario], { silent: true })
  try {
    const warned = (await nextMessage(child)) as Warned[]
    return warned.filter(({ code }) => code === 'UNDICI_HTTP_CACHE_STORE')
  } finally {
    child.kill()
  }
}

describe('without onStoreError', { concurrency: true }, () => {
  it('the first fault of each operation and error code is a warning, whichever cache it is of', async () => {
    const warned = await warningsOf('pairs')
    const told = warned.map(({ message }) => /failed to (\w+: \w+)/.exec(message)?.[1])
    assert.deepEqual(told, ['get: EIO', 'get: ENOSPC', 'put: EIO', 'put: ENOSPC', 'get: TypeError'].sort(byFirst(told)))
    for (const { name, message } of warned) {
      assert.equal(name, 'CacheWarning')
      assert.match(message, /a fault|no code/)
      assert.match(message, /onStoreError/)
    }
  })

  it('there are at most 20 warnings a process', async () => {
    const warned = await warningsOf('flood')
    assert.equal(warned.length, 20)
    assert.match(warned[19]?.message ?? '', /E19.*the last/)
    assert.doesNotMatch(warned[18]?.message ?? '', /the last/)
  })

  it('a fault that is no error, or cannot be looked at, is told all the same, and harms no request', async () => {
    const warned = await warningsOf('strange')
    assert.ok(warned.length >= 1)
    for (const { message } of warned) assert.match(message, /^the store failed to \w+: (a fault|Function|\w+)\b/)
  })

  it('toUndiciStore() warns as well', async () => {
    const warned = await warningsOf('undici')
    assert.equal(warned.length, 1)
    assert.match(warned[0]?.message ?? '', /EIO/)
  })
})

describe('with onStoreError', () => {
  it('there is no warning', async () => assert.deepEqual(await warningsOf('heard'), []))
})

/** In the order in which they stand there. */
function byFirst(order: readonly unknown[]): (a: unknown, b: unknown) => number {
  return (a, b) => order.indexOf(a) - order.indexOf(b)
}
