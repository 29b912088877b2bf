// Whose responses answer whom.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CacheOptions } from 'undici-http-cache'
import { CachedAgent } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'

type Credentials = Record<string, string>

const ANN = { authorization: 'Bearer ann' }
const BOB = { authorization: 'Bearer bob' }
const NOBODY = {}
const ANN_COOKIE = { ...ANN, cookie: 'id=1' }
const OTHER_COOKIE = { ...ANN, cookie: 'id=2' }

/** For each of several requests, in turn, whose response it was answered with. */
async function answers(
  options: CacheOptions,
  control: string,
  people: Credentials[],
  together = false
): Promise<string[]> {
  await using origin = await startOrigin(({ headers, number }) => ({
    headers: { 'cache-control': control },
    body: `${number}: ${headers.authorization ?? 'nobody'} ${headers.cookie ?? ''}`.trim()
  }))
  await using cached = new CachedAgent(options)
  const ask = async (headers: Credentials) => (await cached.get(origin.url, { headers })).body
  if (together) return await Promise.all(people.map(ask))
  const bodies: string[] = []
  for (const headers of people) bodies.push(await ask(headers))
  return bodies
}

describe('a private cache', () => {
  test('keeps credentials apart by default, and each gets its own again', async () => {
    assert.deepEqual(await answers({ type: 'private' }, 'max-age=60', [ANN, BOB, NOBODY, ANN, BOB, NOBODY]), [
      '1: Bearer ann',
      '2: Bearer bob',
      '3: nobody',
      '1: Bearer ann',
      '2: Bearer bob',
      '3: nobody'
    ])
  })

  test('keeps them apart even for what is public', async () => {
    const [ann, bob] = await answers({ type: 'private' }, 'public, max-age=60', [ANN, BOB])
    assert.deepEqual([ann, bob], ['1: Bearer ann', '2: Bearer bob'])
  })

  test('keeps them apart when they ask at the same time', async () => {
    for (const options of [{ type: 'private' }, { type: 'shared', partition: 'authorization' }] as const) {
      const bodies = await answers(options, 'public, max-age=60', [ANN, BOB, ANN, BOB, NOBODY], true)
      assert.deepEqual(
        bodies.map(body => body.replace(/^\d: /, '')),
        ['Bearer ann', 'Bearer bob', 'Bearer ann', 'Bearer bob', 'nobody']
      )
    }
  })

  test('refuses a request whose partition has no name: it would be that of everybody', async () => {
    const named = [async () => 'ann', () => ({}), () => null, () => 1] as unknown as (() => string)[]
    for (const partition of named) {
      await assert.rejects(answers({ type: 'private', partition }, 'max-age=60', [ANN]), { code: 'ERR_CACHE_OPTION' })
    }
  })

  test('does not tell cookies apart, unless it is told to', async () => {
    const people = [ANN_COOKIE, OTHER_COOKIE]
    const [first, second] = await answers({ type: 'private' }, 'max-age=60', people)
    assert.equal(first, second)
    assert.deepEqual(
      await answers({ type: 'private', partition: 'authorization+cookie' }, 'max-age=60', [...people, ...people, ANN]),
      ['1: Bearer ann id=1', '2: Bearer ann id=2', '1: Bearer ann id=1', '2: Bearer ann id=2', '3: Bearer ann']
    )
  })

  test('with partition: false is for everybody', async () => {
    const bodies = await answers({ type: 'private', partition: false }, 'max-age=60', [ANN, BOB, NOBODY])
    assert.deepEqual(new Set(bodies), new Set(['1: Bearer ann']))
  })
})

describe('a shared cache', () => {
  test('gives the response to one credential to another only where the response permits it', async () => {
    assert.deepEqual(await answers({}, 'max-age=60', [ANN, BOB, NOBODY, ANN]), [
      '1: Bearer ann',
      '2: Bearer bob',
      '3: nobody',
      '3: nobody'
    ])
    const open = await answers({}, 'public, max-age=60', [ANN, BOB, NOBODY])
    assert.deepEqual(new Set(open), new Set(['1: Bearer ann']))
  })

  test('with a partition does not cross it, whatever the response permits', async () => {
    for (const partition of ['authorization', 'authorization+cookie'] as const) {
      const bodies = await answers({ partition }, 'public, max-age=60', [ANN, BOB, ANN])
      assert.deepEqual(bodies, ['1: Bearer ann', '2: Bearer bob', '1: Bearer ann'])
    }
  })
})

describe('a partition function', () => {
  test('names the partition from the fields, by lower-case name', async () => {
    const partition = (fields: { readonly [name: string]: unknown }) => String(fields['x-tenant'])
    const tenants = [{ 'X-Tenant': 'a' }, { 'X-Tenant': 'b' }, { 'X-Tenant': 'a', ...ANN }]
    const bodies = await answers({ type: 'private', partition }, 'max-age=60', tenants)
    assert.deepEqual(bodies, ['1: nobody', '2: nobody', '1: nobody'])
  })

  test('that says undefined or nothing means everybody', async () => {
    const results = [undefined, '']
    const bodies = await answers({ partition: () => results.shift() }, 'max-age=60', [NOBODY, NOBODY])
    assert.deepEqual(bodies, ['1: nobody', '1: nobody'])
  })

  test('that throws fails the request, rather than serve from a partition that nobody named', async () => {
    const partition = () => {
      throw new Error('no tenant')
    }
    await assert.rejects(answers({ partition }, 'max-age=60', [NOBODY]), { message: 'no tenant' })
  })
})

test('names that look like other keys stay apart', async () => {
  const people = ['a', 'a\nx', 'a"', '["a"]', 'a:', 'undefined', 'null', '__proto__'].map(name => ({
    authorization: encodeURIComponent(name)
  }))
  const partition = (fields: { readonly [name: string]: unknown }) =>
    decodeURIComponent(String(fields['authorization']))
  const bodies = await answers({ type: 'private', partition }, 'max-age=60', [...people, ...people])
  assert.equal(new Set(bodies).size, people.length)
  assert.deepEqual(bodies.slice(people.length), bodies.slice(0, people.length))
})
