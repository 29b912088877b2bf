import { optionError } from '../../lib/errors.ts'
import { combinedValue } from '../../lib/rfc9111/fields.ts'
import type { Fields } from '../../lib/rfc9111/types.ts'

/** Names the partition of a request from its fields (by lower-case name): responses never cross from one to another.
 * undefined and '' are the partition of everybody. */
export type RequestToPartition = (fields: Fields) => string | undefined

/** Returns the rule for an option's value; undefined where all requests share one partition. */
export function partitionBy(
  option: 'authorization' | 'authorization+cookie' | false | RequestToPartition
): RequestToPartition | undefined {
  if (option === false) return undefined
  if (option === 'authorization') return fields => combinedValue(fields, 'authorization')
  if (option === 'authorization+cookie') return byCredentials
  if (typeof option === 'function') return fields => nameOf(option(fields))
  throw optionError('partition', "'authorization', 'authorization+cookie', false or a function", option)
}

/** Checks a name: what is not a string, such as a promise of one, would name one partition for everybody. */
function nameOf(partition: unknown): string | undefined {
  if (partition === undefined || typeof partition === 'string') return partition
  throw optionError('partition', 'a function that returns a string or undefined', partition)
}

function byCredentials(fields: Fields): string | undefined {
  const authorization = combinedValue(fields, 'authorization')
  const cookie = combinedValue(fields, 'cookie')
  if (authorization === undefined && cookie === undefined) return undefined
  return JSON.stringify([authorization ?? null, cookie ?? null])
}
