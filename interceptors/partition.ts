import { optionError } from '../lib/errors.ts'
import { combinedValue } from '../lib/rfc9111/fields.ts'
import type { Fields } from '../lib/rfc9111/types.ts'

/** Names the partition of a request from its fields (by lower-case name): responses never cross from one to another.
 * undefined and '' are the partition of everybody. */
export type RequestToPartition = (fields: Fields) => string | undefined

/** The rule that an option's value stands for; undefined where all requests share one partition. */
export function partitionBy(
  option: 'authorization' | 'authorization+cookie' | false | RequestToPartition
): RequestToPartition | undefined {
  if (option === false) return undefined
  if (option === 'authorization') return fields => combinedValue(fields, 'authorization')
  if (option === 'authorization+cookie') return byCredentials
  if (typeof option === 'function') return option
  throw optionError('partition', "'authorization', 'authorization+cookie', false or a function", option)
}

function byCredentials(fields: Fields): string | undefined {
  const authorization = combinedValue(fields, 'authorization')
  const cookie = combinedValue(fields, 'cookie')
  if (authorization === undefined && cookie === undefined) return undefined
  return JSON.stringify([authorization ?? null, cookie ?? null])
}
