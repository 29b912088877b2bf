import { optionError } from './errors.ts'
import { namedOrigin } from './rfc9111/origin.ts'

/** Refuses options that are no object, or have other names than those. `whose` is put into the message. */
export function refuseUnknown(whose: string, options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw optionError('options', 'an object', options)
  }
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue
    const message = `${JSON.stringify(name)} is no option of ${whose}; there are ${names.join(', ')}`
    throw Object.assign(new TypeError(message), { code: 'ERR_CACHE_OPTION' as const })
  }
}

/** The origin in its normal form. */
export function originOf(name: string, value: string | URL): string {
  const origin = namedOrigin(String(value))
  if (origin === undefined) {
    throw optionError(name, "an origin such as 'https://host', without a path or a query", value)
  }
  return origin
}

/** One of the words allowed; the fallback where it is not given. */
export function oneOf<T extends string>(name: string, value: T | undefined, allowed: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (!allowed.includes(value)) throw optionError(name, allowed.map(word => `'${word}'`).join(' or '), value)
  return value
}

/** true or false; false where it is not given. */
export function flag(name: string, value: boolean | undefined): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw optionError(name, 'true or false', value)
  return value ?? false
}

/** A number >= 0, Infinity included. */
export function amount<T extends number | undefined>(name: string, value: number | undefined, fallback: T): number | T {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0)) throw optionError(name, 'a number >= 0', value)
  return value
}

/** A number > 0 that a timer or a buffer takes. */
export function positive(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value > 0 && value <= 2_147_483_647)) {
    throw optionError(name, 'a number > 0, at most 2147483647', value)
  }
  return value
}

/** A number >= 0 that a timer takes. */
export function delay(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0 && value <= 2_147_483_647)) {
    throw optionError(name, 'a number >= 0, at most 2147483647', value)
  }
  return value
}

/** A function, or undefined. */
export function callback<T>(name: string, value: T | undefined): T | undefined {
  if (value !== undefined && typeof value !== 'function') throw optionError(name, 'a function', value)
  return value
}

/** A copy of an array whose members all pass; undefined where it is not given. */
export function listOf<T>(
  name: string,
  value: readonly T[] | undefined,
  isMember: (member: unknown) => boolean,
  expected: string
): readonly T[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every(isMember)) throw optionError(name, `an array of ${expected}`, value)
  return [...value]
}

/** An integer > 0; `unit` is put into the message. */
export function positiveInteger(name: string, value: unknown, unit?: string): number {
  if (Number.isSafeInteger(value) && Number(value) > 0) return Number(value)
  throw optionError(name, unit === undefined ? 'a positive integer' : `a positive integer (${unit})`, value)
}

/** An integer >= 0. */
export function nonNegativeInteger(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value)
  throw optionError(name, 'an integer that is not negative', value)
}

/** Bytes, an integer > 0; or Infinity: no limit. */
export function byteLimit(name: string, value: unknown): number {
  return value === Infinity ? Infinity : positiveInteger(name, value, 'bytes')
}
