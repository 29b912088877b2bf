import assert from 'node:assert/strict'
import type { Entry, FieldLine } from '../../lib/rfc9111/types.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished, KEY, type SelectingFields } from './subject.ts'

const LATIN1 = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)).join('')

const LINES: readonly FieldLine[] = [
  ['SET-Cookie', 'a=1; Path=/'],
  ['x-b', ''],
  ['Set-Cookie', 'b=2'],
  ['X-B', 'two,  words\tand "quotes" \\ {}'],
  ['set-cookie', 'a=1; Path=/'],
  ['X-Latin1', LATIN1],
  ['__proto__', 'polluted'],
  ['constructor', 'x'],
  ['0', 'numeric'],
  ['content-length', '17']
]

/** Each row changes what the sample entry says. */
const ROWS: readonly { readonly what: string; readonly changes: Partial<Entry>; readonly fields?: SelectingFields }[] =
  [
    { what: 'field lines: repeated, in order, in their case, with every byte', changes: { lines: LINES } },
    { what: 'no field lines at all', changes: { lines: [] } },
    { what: 'trailers', changes: { trailers: LINES } },
    { what: 'the status code', changes: { statusCode: 404, statusText: 'Not Found' } },
    { what: 'an empty status text', changes: { statusText: '' } },
    { what: 'a status text of every byte', changes: { statusText: `Sehr ${LATIN1}  gut` } },
    { what: 'the method', changes: { method: 'HEAD' } },
    { what: 'an expiry that never comes', changes: { expiresAtMs: Infinity } },
    { what: 'tags', changes: { tags: ['origin:https://store.test', 'group:a b', 'group:ü\n', ''] } },
    { what: 'no tags', changes: { tags: [] } },
    {
      what: 'the selecting fields',
      changes: { vary: ['accept', 'accept-language'] },
      fields: { accept: 'a/b', 'accept-language': `de,${LATIN1}` }
    },
    { what: 'a vary that no request matches', changes: { vary: ['*'] }, fields: { '*': 'x' } }
  ]

/** Metadata comes back as it was committed. */
export function testFacts(check: Check): void {
  for (const { what, changes, fields = {} } of ROWS) {
    check(`gives back ${what}`, async subject => {
      const committed = await subject.put(subject.entry(changes, fields), bytesOf(17))
      assert.ok(committed)
      assert.deepEqual((await subject.find(KEY, fields))?.entry, committed)
    })
  }

  check('gives back the times to the millisecond, and an expiry to its fraction', async subject => {
    const entry = subject.entry()
    const { responseTimeMs } = entry
    const times = { requestTimeMs: responseTimeMs - 12_345, expiresAtMs: responseTimeMs + 86_400_000.5 }
    const committed = await subject.put({ ...entry, ...times })
    assert.ok(committed)
    assert.deepEqual((await subject.find())?.entry, committed)
  })

  check('gives back what commit says, not what put said', async subject => {
    const entry = subject.entry()
    const writer = await subject.store.put(entry)
    assert.ok(writer)
    await writer.write(bytesOf(10))
    const committed: Entry = { ...finished(entry, 10), trailers: [['Server-Timing', 'db;dur=53']] }
    assert.equal(await writer.commit(committed), true)
    assert.deepEqual((await subject.find())?.entry, committed)
  })

  check('gives back a thousand field lines and one of 64 KiB', async subject => {
    const lines: FieldLine[] = Array.from({ length: 1000 }, (_, i) => [`X-Line-${i % 7}`, `${i} `.repeat(20).trim()])
    lines.push(['X-Long', 'v'.repeat(65_536)])
    const committed = await subject.put(subject.entry({ lines }))
    assert.ok(committed)
    assert.deepEqual((await subject.find())?.entry, committed)
  })

  check('nothing stored reaches a prototype', async subject => {
    await subject.put(subject.entry({ lines: [['__proto__', 'polluted']], tags: ['__proto__'], key: '__proto__' }))
    await subject.find('__proto__')
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
    assert.equal((await subject.get('constructor')).stored.length, 0)
  })
}
