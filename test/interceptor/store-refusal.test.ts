// Why a response was not stored, where the store is the reason.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { CachedAgent } from '../support/cached-agent.ts'
import { type Fault, FaultyStore } from '../support/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

const TIMEOUT_MS = 40

const rejects: Fault = () => Promise.reject(new Error('a fault'))
const hangs: Fault = () => new Promise(() => {})
const throws: Fault = () => {
  throw new Error('a fault')
}

interface Case {
  readonly operation: 'get' | 'asOf' | 'put'
  readonly what: string
  readonly fault: Fault
  readonly expected: string
}

const CASES: readonly Case[] = [
  { operation: 'put', what: 'answers undefined', fault: () => undefined, expected: 'store-refused' },
  { operation: 'put', what: 'throws', fault: throws, expected: 'store-failed' },
  { operation: 'put', what: 'answers null', fault: () => null, expected: 'store-failed' },
  { operation: 'put', what: 'answers with half a writer', fault: () => ({ write() {} }), expected: 'store-failed' },
  { operation: 'get', what: 'throws', fault: throws, expected: 'store-failed' },
  { operation: 'get', what: 'rejects', fault: rejects, expected: 'store-failed' },
  { operation: 'get', what: 'answers outside its contract', fault: () => ({}), expected: 'store-failed' },
  { operation: 'get', what: 'hangs', fault: hangs, expected: 'store-given-up' },
  { operation: 'asOf', what: 'throws', fault: throws, expected: 'store-failed' },
  { operation: 'asOf', what: 'rejects', fault: rejects, expected: 'store-failed' },
  { operation: 'asOf', what: 'hangs', fault: hangs, expected: 'store-given-up' }
]

/** A cache with such a store, asked so many times; the reason of the last answer. */
async function reasonWith({ operation, fault }: Case, times = 1): Promise<string> {
  await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
  const store = new FaultyStore(new MemoryStore())
  store.faults[operation] = fault
  await using cached = new CachedAgent({ store, storeTimeoutMs: TIMEOUT_MS, onStoreError: () => {} })
  for (let i = 1; i < times; i++) await cached.get(`${origin.url}/${i}`)
  const { status, body, headers, info } = await cached.get(origin.url)
  assert.deepEqual([status, body], [200, 'x'])
  assert.deepEqual([info.outcome, info.stored], ['miss', false])
  assert.equal(headers['cache-status'], `undici-http-cache; fwd=uri-miss; detail=${info.reason}`)
  return info.reason
}

describe('a response is not stored', () => {
  for (const odd of CASES)
    test(`where ${operationOf(odd)} ${odd.what}, with the reason ${odd.expected}`, async () => {
      assert.equal(await reasonWith(odd), odd.expected)
    })

  for (const odd of CASES.filter(({ expected }) => expected === 'store-failed'))
    test(`once ${operationOf(odd)} ${odd.what} again and again, with the reason store-given-up`, async () => {
      assert.equal(await reasonWith(odd, 6), 'store-given-up')
    })

  test('where the store refuses each one, with the reason store-refused however often', async () => {
    const [refuses] = CASES
    assert.equal(refuses && (await reasonWith(refuses, 10)), 'store-refused')
  })
})

describe('those who asked at once', () => {
  for (const odd of CASES)
    test(`get one response where ${operationOf(odd)} ${odd.what}`, async () => {
      await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
      const store = new FaultyStore(new MemoryStore())
      store.faults[odd.operation] = odd.fault
      await using cached = new CachedAgent({ store, storeTimeoutMs: TIMEOUT_MS, onStoreError: () => {} })
      const answers = await Promise.all([1, 2, 3].map(() => cached.get(origin.url)))
      assert.deepEqual(
        answers.map(({ body }) => body),
        ['x', 'x', 'x']
      )
      assert.equal(origin.requests.length, 1)
    })
})

function operationOf({ operation }: Case): string {
  return operation === 'asOf' ? 'the position' : operation
}
