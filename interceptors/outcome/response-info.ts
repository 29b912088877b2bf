import { ageValueSeconds } from '../../lib/rfc9111/age.ts'
import { parseCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import type { Fields } from '../../lib/rfc9111/types.ts'
import { infoOf } from './cache-status.ts'
import { type CacheInfo, OUTCOME, type Outcome, type OutcomeHolder } from './outcome.ts'

const known = new WeakMap<object, Outcome>()

/** Remembers the outcome of a response object that has no context of its own. */
export function rememberOutcome(response: object, outcome: Outcome): void {
  known.set(response, outcome)
}

/** Returns what the cache did for a response: from undici's context, else from the member of Cache-Status named `name`.
 * `name` undefined: the field is not read. Returns undefined for what is not a response. */
export function infoOfResponse(response: unknown, name: string | undefined): CacheInfo | undefined {
  if (typeof response !== 'object' || response === null) return undefined
  const outcome = known.get(response) ?? outcomeOfContext((response as { context?: unknown }).context)
  if (outcome !== undefined) {
    const { fromCache, ageSeconds, freshForSeconds, stored, reason } = outcome
    return { fromCache, outcome: outcome.outcome, ageSeconds, freshForSeconds, stored, reason }
  }
  const fields = fieldsOfResponse(response)
  const status = name === undefined || fields === undefined ? undefined : parseCacheStatus(fields, name)
  if (status === undefined || fields === undefined) return undefined
  return infoOf(status, fields['age'] === undefined ? undefined : ageValueSeconds(fields))
}

/** Returns the outcome in an undici context, or in a copy of it. */
export function outcomeOfContext(context: unknown): Outcome | undefined {
  if (typeof context !== 'object' || context === null) return undefined
  const holder = (context as { [OUTCOME]?: OutcomeHolder })[OUTCOME]
  return holder?.outcome
}

/** Reads the two fields that matter here from a fetch Response or undici's response data. */
function fieldsOfResponse(response: object): Fields | undefined {
  const { headers } = response as { headers?: unknown }
  if (typeof headers !== 'object' || headers === null) return undefined
  const { get } = headers as Headers
  const read = (name: string) =>
    textOf(typeof get === 'function' ? get.call(headers, name) : (headers as Record<string, unknown>)[name])
  return { 'cache-status': read('cache-status'), age: read('age') }
}

function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : undefined
}
