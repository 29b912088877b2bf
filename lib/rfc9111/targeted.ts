import { cacheControlDirectives, type ResponseDirectives, responseDirectivesOf } from './directives.ts'
import { type BareItem, parseDictionary } from './structured-fields.ts'
import type { Fields, Policy } from './types.ts'

/** RFC 9213 §2.2: the first field of the target list that is there, valid and not empty; else Cache-Control. */
export function effectiveDirectives(fields: Fields, policy: Pick<Policy, 'targetList'>): ResponseDirectives {
  for (const name of policy.targetList) {
    const dictionary = parseDictionary(fields, name)
    if (dictionary === undefined) continue
    const map = new Map<string, string | undefined>()
    for (const [directive, { value }] of dictionary) {
      // RFC 9213 §2.1: a Boolean false is a directive not given.
      if (value.kind === 'boolean' && !value.value) continue
      const argument = argumentOf(value, directive)
      if (argument !== IGNORED) map.set(directive, argument)
    }
    return responseDirectivesOf(map, true)
  }
  return cacheControlDirectives(fields)
}

const IGNORED = Symbol('ignored')
const DELTA_SECONDS = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'])

/** RFC 9213 §2.1: lifetimes are Integers; a value of another type makes the directive one to ignore. */
function argumentOf(value: BareItem, directive: string): string | undefined | typeof IGNORED {
  if (DELTA_SECONDS.has(directive)) return value.kind === 'integer' ? `${value.value}` : IGNORED
  return value.kind === 'string' || value.kind === 'token' ? value.value : undefined
}
