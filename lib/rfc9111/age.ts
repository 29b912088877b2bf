import { parseDeltaSeconds } from './directives.ts'
import { fieldsOf, firstValue, trimWhitespace } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { Fields, Response } from './types.ts'

/** §5.1. Seconds, >= 0; 0 when absent or malformed. Of a list, the first member counts. */
export function ageValueSeconds(fields: Fields): number {
  const value = firstValue(fields, 'age')
  if (value === undefined) return 0
  const comma = value.indexOf(',')
  return parseDeltaSeconds(trimWhitespace(comma === -1 ? value : value.slice(0, comma))) ?? 0
}

/** When the origin made the response, in milliseconds since the epoch: its Date, else when it arrived. §4.2.3 */
export function dateValueMs(response: Response): number {
  const date = firstValue(fieldsOf(response.lines), 'date')
  return (date === undefined ? undefined : parseHttpDate(date, response.responseTimeMs)) ?? response.responseTimeMs
}

/** §4.2.3, in milliseconds: how old the response was when it arrived. */
export function correctedInitialAgeMs(response: Response): number {
  // Date has whole seconds: against milliseconds it would make every response up to a second old.
  const responseTime = Math.floor(response.responseTimeMs / 1000) * 1000
  const apparentAge = Math.max(0, responseTime - dateValueMs(response))
  const responseDelay = Math.max(0, response.responseTimeMs - response.requestTimeMs)
  const correctedAgeValue = ageValueSeconds(fieldsOf(response.lines)) * 1000 + responseDelay
  return Math.max(apparentAge, correctedAgeValue)
}

/** §4.2.3, in milliseconds: how old the response is now. A clock set back does not make it younger. */
export function currentAgeMs(correctedInitialAge: number, responseTimeMs: number, nowMs: number): number {
  const residentTime = Math.max(0, nowMs - responseTimeMs)
  return correctedInitialAge + residentTime
}
