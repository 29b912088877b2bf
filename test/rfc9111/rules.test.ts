import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { RULE_REASONS } from '../../lib/rfc9111/reasons.ts'
import { FAILURE_OUTCOMES, REQUEST_OUTCOMES, RESPONSE_OUTCOMES } from './rules/outcomes.ts'
import { ago, cc, get, ok, type Row, rule, send, status, UNREACHABLE } from './rules/row.ts'
import { checkRow } from './rules/run.ts'
import { TABLES } from './rules/tables.ts'

const ROWS = Object.values(TABLES).flat()

for (const [subject, rows] of Object.entries(TABLES)) {
  describe(subject, () => {
    for (const row of rows) test(`${row.id} (${row.section})`, () => checkRow(row))
  })
}

describe('the tables themselves', () => {
  test('every row has a section', () => {
    for (const { id, section } of ROWS) assert.match(section, /^(?:RFC \d{4} )?§\d+(?:\.\d+)*$/, id)
  })

  test('no two rows have one id', () => {
    const ids = ROWS.map(({ id }) => id)
    assert.deepEqual([...new Set(ids)].length, ids.length, ids.filter((id, i) => ids.indexOf(id) !== i).join('; '))
  })

  test('every row expects something', () => {
    for (const { id, expect } of ROWS) assert.notDeepEqual(expect, {}, id)
  })

  test('every outcome is expected somewhere', () => {
    const missing = (table: object, outcomes: (string | undefined)[]) =>
      Object.keys(table).filter(outcome => !outcomes.includes(outcome))
    assert.deepEqual(
      missing(
        REQUEST_OUTCOMES,
        ROWS.map(({ expect }) => expect.request)
      ),
      []
    )
    assert.deepEqual(
      missing(
        RESPONSE_OUTCOMES,
        ROWS.map(({ expect }) => expect.response)
      ),
      []
    )
    assert.deepEqual(
      missing(
        FAILURE_OUTCOMES,
        ROWS.map(({ expect }) => expect.failure)
      ),
      []
    )
  })

  test('every reason is that of a decision, which rests on the same section', () => {
    const grounds = Object.entries({ ...REQUEST_OUTCOMES, ...RESPONSE_OUTCOMES, ...FAILURE_OUTCOMES })
    for (const [reason, { section }] of Object.entries(RULE_REASONS)) {
      const sections = grounds.filter(([outcome]) => outcome.endsWith(` ${reason}`)).map(([, [section]]) => section)
      assert.ok(
        sections.some(each => each === section),
        `${reason}: ${sections.join()}`
      )
    }
  })
})

describe('a row that is wrong fails', () => {
  const stored = ago(10, ok(cc('max-age=60'), 'ETag: "a"', 'X-A: 1'))
  const wrong: readonly Row[] = [
    rule('§4', 'in the decision on the request').given({ stored }).expect({ request: 'revalidate stale' }),
    rule('§4', 'in the age')
      .given({ stored })
      .expect({ answer: { age: 11 } }),
    rule('§4', 'in a line of the answer')
      .given({ stored })
      .expect({ answer: { has: ['X-A: 2'] } }),
    rule('§4', 'in a field that the answer lacks')
      .given({ stored })
      .expect({ answer: { lacks: ['x-a'] } }),
    rule('§4', 'in an answer where there is none').given({}).expect({ answer: {} }),
    rule('§4', 'in what is sent')
      .given({ stored, request: get(cc('no-cache')) })
      .expect({ sends: [] }),
    rule('§4', 'in the candidates')
      .given({ stored, request: get(cc('no-cache')) })
      .expect({ candidates: ['#2'] }),
    rule('§3', 'in the decision on the response').given({ origin: ok() }).expect({ response: 'store storable' }),
    rule('§3', 'in the entry')
      .given({ origin: ok(cc('max-age=60')) })
      .expect({ entry: { keptFor: 61 } }),
    rule('§3', 'in an entry where there is none').given({ origin: ok() }).expect({ entry: {} }),
    rule('§4.2', 'in a lifetime that is longer')
      .given({ origin: ok(cc('max-age=60')) })
      .expect({ freshFor: 59.999 }),
    rule('§4.2', 'in a lifetime that is shorter')
      .given({ origin: ok(cc('max-age=60')) })
      .expect({ freshFor: 60.001 }),
    rule('§4.4', 'in what is deleted')
      .given({ request: send('PUT'), origin: ok() })
      .expect({}),
    rule('§4.3.4', 'in what is updated')
      .given({ stored, request: get(cc('no-cache')), origin: status(304) })
      .expect({}),
    rule('§4.2.4', 'in the decision on a failure')
      .given({ origin: UNREACHABLE })
      .expect({ failure: 'serve-stale disconnected' }),
    rule('§4', 'in the next decision')
      .given({ stored, next: get() })
      .expect({ request: 'hit fresh', next: 'miss uri-miss' }),
    rule('§4', 'in what is stored')
      .given({ stored: ago(1, ok()) })
      .expect({ request: 'hit fresh' }),
    rule('§4', 'in an origin that is not asked').given({ stored, origin: ok() }).expect({ request: 'hit fresh' })
  ]
  for (const row of wrong) test(row.id, () => assert.throws(() => checkRow(row), assert.AssertionError))

  test('and its error names the line of the row', () => {
    const source = readFileSync(import.meta.filename, 'utf8').split('\n')
    for (const row of wrong) {
      let message = ''
      try {
        checkRow(row)
      } catch (error) {
        message = String(error)
      }
      const [, line = ''] = /: test\/rfc9111\/rules\.test\.ts:(\d+): /.exec(message) ?? []
      assert.ok(source[Number(line) - 1]?.includes(`'${row.id}'`), message)
    }
  })
})
