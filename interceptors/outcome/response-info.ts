import { ageValueSeconds } from '../../lib/rfc9111/age.ts'
import { parseCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import type { Fields } from '../../lib/rfc9111/types.ts'
import { type CacheInfo, infoOf, OUTCOME, type Outcome, type OutcomeHolder } from './outcome.ts'

const known = new WeakMap<object, Outcome>()

/** Remembers the outcome of a response object that has no context of its own. */
export function rememberOutcome(response: object, outcome: Outcome): void {
  known.set(response, outcome)
}

/** What the cache did for a response: from undici's context, else from what Cache-Status says in the name of `name`.
 * `name` undefined: the field is not looked at. undefined for what is no response. */
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

/** The outcome in an undici context, however often the context was copied on its way. */
export function outcomeOfContext(context: unknown): Outcome | undefined {
  if (typeof context !== 'object' || context === null) return undefined
  const holder = (context as { [OUTCOME]?: OutcomeHolder })[OUTCOME]
  return holder?.outcome
}

/** The fields that matter here, of a fetch Response or of undici's response data. */
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
