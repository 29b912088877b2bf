import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatHttpDate, parseHttpDate } from '../../../lib/rfc9111/http-date.ts'

const NOW_MS = Date.UTC(2026, 0, 15, 12)
const EXAMPLE_MS = Date.UTC(1994, 10, 6, 8, 49, 37)

const DATES: readonly (readonly [text: string, ms: number])[] = [
  // The three forms, as RFC 9110 §5.6.7 shows them.
  ['Sun, 06 Nov 1994 08:49:37 GMT', EXAMPLE_MS],
  ['Sunday, 06-Nov-94 08:49:37 GMT', EXAMPLE_MS],
  ['Sun Nov  6 08:49:37 1994', EXAMPLE_MS],
  ['Sun Nov 06 08:49:37 1994', EXAMPLE_MS],
  ['Wed Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
  // Laxer: case, and a weekday that is another.
  ['SUN, 06 NOV 1994 08:49:37 GMT', EXAMPLE_MS],
  ['sunday, 06-nov-94 08:49:37 gmt', EXAMPLE_MS],
  ['sun nov  6 08:49:37 1994', EXAMPLE_MS],
  ['Mon, 06 Nov 1994 08:49:37 GMT', EXAMPLE_MS],
  // The ends of what a clock shows.
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Wed, 31 Dec 1969 23:59:59 GMT', -1000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ['Sat, 01 Jan 0000 00:00:00 GMT', new Date('0000-01-01T00:00:00Z').getTime()],
  ['Sun, 01 Jan 0099 00:00:00 GMT', new Date('0099-01-01T00:00:00Z').getTime()],
  ['Fri, 30 Jun 2017 23:59:60 GMT', Date.UTC(2017, 6, 1)],
  // Leap days.
  ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
  ['Tue, 29 Feb 2000 00:00:00 GMT', Date.UTC(2000, 1, 29)],
  // Two digits of a year: at most 50 years ahead.
  ['Thursday, 15-Jan-26 12:00:00 GMT', NOW_MS],
  ['Thursday, 15-Jan-76 11:59:59 GMT', Date.UTC(2076, 0, 15, 11, 59, 59)],
  ['Thursday, 17-Jan-76 12:00:00 GMT', Date.UTC(1976, 0, 17, 12)],
  ['Thursday, 15-Jan-99 12:00:00 GMT', Date.UTC(1999, 0, 15, 12)],
  ['Thursday, 15-Jan-00 12:00:00 GMT', Date.UTC(2000, 0, 15, 12)],
  ...['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map(
    (month, i) => [`Mon, 05 ${month} 2026 00:00:00 GMT`, Date.UTC(2026, i, 5)] as const
  )
]

const NO_DATES = [
  '',
  '0',
  '-1',
  'now',
  '784111777',
  '2026-01-15T12:00:00Z',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37 GMT+1',
  'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
  ' Sun, 06 Nov 1994 08:49:37 GMT',
  'Sun,  06 Nov 1994 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  'Sun, 06 Nov 1994 08:49 GMT',
  'Sun, 06-Nov-1994 08:49:37 GMT',
  'Sunday, 06 Nov 1994 08:49:37 GMT',
  'Sun, 06-Nov-94 08:49:37 GMT',
  'Sunday, 06-Nov-94 08:49:37',
  'xSunday, 06-Nov-94 08:49:37 GMTx',
  'Sundaysunday, 06-Nov-94 08:49:37 GMT',
  'Sun Nov 6 08:49:37 1994',
  'Sun Nov  6 08:49:37 1994 GMT',
  'xSun Nov  6 08:49:37 1994',
  'Sun Nov  0 08:49:37 1994',
  'Sun Nov 31 08:49:37 1994',
  'Sun, 00 Nov 1994 08:49:37 GMT',
  'Sun, 31 Nov 1994 08:49:37 GMT',
  'Sun, 32 Jan 1994 08:49:37 GMT',
  'Sun, 29 Feb 2023 08:49:37 GMT',
  'Sun, 29 Feb 1900 08:49:37 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sunday, 06-Foo-94 08:49:37 GMT',
  'Sunday, 31-Nov-94 08:49:37 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  'Sun, 06 Nov 1994 08:60:00 GMT',
  'Sun, 06 Nov 1994 08:49:61 GMT'
]

describe('parseHttpDate', () => {
  for (const [text, ms] of DATES) {
    test(`reads ${text}`, () => assert.equal(parseHttpDate(text, NOW_MS), ms))
  }

  for (const text of NO_DATES) {
    test(`finds no date in "${text}"`, () => assert.equal(parseHttpDate(text, NOW_MS), undefined))
  }

  test('takes two digits of a year to be of the century of now', () => {
    const text = 'Monday, 01-Mar-10 00:00:00 GMT'
    assert.equal(parseHttpDate(text, Date.UTC(2099, 0)), Date.UTC(2010, 2))
    assert.equal(parseHttpDate(text, Date.UTC(2101, 0)), Date.UTC(2110, 2))
    assert.equal(parseHttpDate(text, Date.UTC(1999, 0)), Date.UTC(1910, 2))
  })
})

describe('parseHttpDate of two digits of a year', () => {
  const FIFTY_YEARS_MS = 50 * 365.2425 * 86_400_000
  const text = 'Thursday, 15-Jan-76 12:00:00 GMT'
  const ms = Date.UTC(2076, 0, 15, 12)

  test('50 years ahead are ahead', () => assert.equal(parseHttpDate(text, ms - FIFTY_YEARS_MS), ms))
  test('a millisecond more is long ago', () =>
    assert.equal(parseHttpDate(text, ms - FIFTY_YEARS_MS - 1), Date.UTC(1976, 0, 15, 12)))
  test('a leap day that the century does not have is none', () =>
    assert.equal(parseHttpDate('Monday, 29-Feb-00 00:00:00 GMT', Date.UTC(2101, 0)), undefined))
})

describe('formatHttpDate', () => {
  test('writes an IMF-fixdate', () => assert.equal(formatHttpDate(EXAMPLE_MS), 'Sun, 06 Nov 1994 08:49:37 GMT'))
  test('drops what is less than a second', () =>
    assert.equal(formatHttpDate(EXAMPLE_MS + 999), 'Sun, 06 Nov 1994 08:49:37 GMT'))
})
