const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

const IMF_FIXDATE = /^[a-z]{3}, (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/
const RFC850_DATE = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/
const ASCTIME_DATE = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/

const FIFTY_YEARS_MS = 50 * 365.2425 * 86_400_000

/** An HTTP date in milliseconds since the epoch; undefined where it is none of the three forms, or no date at all.
 * Laxer than RFC 9110 §5.6.7: case is ignored and the weekday is not checked. `nowMs` places a two-digit year. */
export function parseHttpDate(value: string, nowMs: number): number | undefined {
  const text = value.toLowerCase()
  let match = IMF_FIXDATE.exec(text)
  if (match !== null) return dateMs(match[3], match[2], match[1], match[4], match[5], match[6])
  match = ASCTIME_DATE.exec(text)
  if (match !== null) return dateMs(match[6], match[1], match[2], match[3], match[4], match[5])
  match = RFC850_DATE.exec(text)
  if (match === null) return undefined
  const century = Math.floor(new Date(nowMs).getUTCFullYear() / 100) * 100
  const ms = dateMs(`${century + Number(match[3])}`, match[2], match[1], match[4], match[5], match[6])
  if (ms === undefined || ms - nowMs <= FIFTY_YEARS_MS) return ms
  // What seems to lie more than 50 years ahead is of the century before. RFC 9110 §5.6.7
  return dateMs(`${century - 100 + Number(match[3])}`, match[2], match[1], match[4], match[5], match[6])
}

function dateMs(
  year: string | undefined,
  monthName: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined
): number | undefined {
  const month = MONTHS.indexOf(`${monthName}`)
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  // A leap second, :60, counts as the first second of the next minute.
  const date = new Date(0)
  date.setUTCFullYear(Number(year), month, Number(day))
  // A day that the month does not have falls into another, and a month that is none (-1) into December.
  if (date.getUTCMonth() !== month) return undefined
  return date.getTime() + (Number(hour) * 3600 + Number(minute) * 60 + Number(second)) * 1000
}

/** An IMF-fixdate, whole seconds. RFC 9110 §5.6.7 */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString()
}
