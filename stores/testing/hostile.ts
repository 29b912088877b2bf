import assert from 'node:assert/strict'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished } from './subject.ts'

const NAMES = [
  '',
  ' ',
  '.',
  '..',
  '../../../../etc/passwd',
  '/',
  'C:\\x',
  'a\0b',
  'a\nb',
  'a\r\nX-Injected: 1',
  '*',
  '%2e%2e%2f',
  '{a}',
  'key',
  'KEY',
  '__proto__',
  'constructor',
  'ключ',
  '\u{1f600}',
  'e\u0301',
  '\u00e9',
  '\uFEFFx',
  'x'.repeat(255),
  'x'.repeat(256),
  'x'.repeat(100_000),
  `${'x'.repeat(100_000)}y`
]

/** Two that are the same once encoded as UTF-8. */
const LONE_SURROGATES = ['\ud800', '\udfff']

const MAX_BYTES = 10_000

/** Names of any characters, and sizes of any kind. */
export function testHostile(check: Check): void {
  check('keeps keys of any characters apart', async subject => {
    for (const key of NAMES) assert.ok(await subject.put(subject.entry({ key })), describe(key))
    for (const key of NAMES) {
      const found = await subject.find(key)
      assert.equal(found?.entry.key, key, describe(key))
      assertSame(await subject.read(found), Buffer.from(found.entry.id))
    }
    for (const key of NAMES) {
      await subject.store.delete(key)
      assert.equal(await subject.find(key), undefined, describe(key))
    }
  })

  check('deletes one key of any characters, and not its neighbour', async subject => {
    await subject.put(subject.entry({ key: 'https://store.test/a' }))
    for (const key of [
      'https://store.test/',
      'https://store.test/A',
      'https://store.test/a?',
      'https://store.test/*'
    ]) {
      await subject.store.delete(key)
    }
    assert.notEqual(await subject.find('https://store.test/a'), undefined)
  })

  check('keeps variant keys of any characters apart', async subject => {
    const key = 'https://store.test/'
    for (const variantKey of NAMES) {
      assert.ok(await subject.put(subject.entry({ key, variantKey, vary: ['x'] })), describe(variantKey))
    }
    let found = 0
    for (const variantKey of NAMES) {
      const { stored } = await subject.lookUp(key, () => variantKey)
      for (const { entry } of stored) assert.equal(entry.variantKey, variantKey, describe(variantKey))
      found += stored.length
    }
    assert.ok(found >= Math.min(NAMES.length, subject.maxVariants), `${found} of ${NAMES.length} variants were found`)
  })

  check('never takes one malformed string for another', async subject => {
    const [key = '', other = ''] = LONE_SURROGATES
    await subject.put(subject.entry({ key }))
    assert.equal(await subject.find(other), undefined, 'another key')
    const entry = subject.entry({ variantKey: key, vary: ['x'] })
    await subject.put(entry)
    assert.deepEqual([...(await subject.lookUp(entry.key, () => other)).stored], [], 'another variant')
  })

  check(
    'takes a body of maxEntrySizeBytes, and nothing of a larger one',
    async subject => {
      const { maxEntrySizeBytes } = subject.store
      if (maxEntrySizeBytes === undefined) return subject.context.skip('the store takes any size')
      assert.ok(maxEntrySizeBytes <= MAX_BYTES, `asked for ${MAX_BYTES}, got ${maxEntrySizeBytes}`)
      const body = bytesOf(maxEntrySizeBytes)
      assert.ok(await subject.put(subject.entry(), body))
      const entry = subject.entry({ key: 'https://store.test/larger' })
      assert.equal(await subject.put(entry, bytesOf(maxEntrySizeBytes + 1)), undefined)
      assert.equal(await subject.find(entry.key), undefined)
      assertSame(await subject.bytes(), body)
    },
    MAX_BYTES
  )

  check(
    'takes nothing of a body that is far larger than maxEntrySizeBytes, in one chunk',
    async subject => {
      const { store } = subject
      if (store.maxEntrySizeBytes === undefined) return subject.context.skip('the store takes any size')
      const entry = subject.entry()
      const writer = await store.put(entry)
      await writer?.write(bytesOf(1_000_000))
      await writer?.write(bytesOf(1))
      assert.notEqual(await writer?.commit(finished(entry, 1_000_001)), true)
      assert.equal(await subject.find(), undefined)
    },
    MAX_BYTES
  )
}

function describe(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 20)}... (${name.length})` : name)
}
