import { Buffer } from 'node:buffer'
import { isVaryLists, type VaryLists } from '../shared/vary-lists.ts'
import { MAX_LISTS } from './lua.ts'

/** What the field `lists` of a key's hash says of the responses in it. */
export interface KeySummary {
  /** The field's value, to compare with. */
  readonly bytes: Buffer
  /** How many responses there are; some may have expired. */
  readonly count: number
  readonly lists: VaryLists
}

/** What is assumed of a key that was not looked up before: responses without Vary. */
export const ASSUMED: KeySummary = { bytes: Buffer.alloc(0), count: 0, lists: [[]] }

/** undefined where it is damaged. */
export function parseKeySummary(bytes: Buffer): KeySummary | undefined {
  const [count, ...encoded] = bytes.toString().split('\n')
  if (encoded.length > MAX_LISTS) return undefined
  try {
    const lists = encoded.map(list => JSON.parse(list) as unknown)
    // Not the view that the client gives, which keeps alive all that came with it.
    return isVaryLists(lists) ? { bytes: Buffer.from(bytes), count: Number(count), lists } : undefined
  } catch {
    return undefined
  }
}

/** One list, as it is kept in Redis. */
export function encodeVaryList(names: readonly string[]): string {
  return JSON.stringify(names)
}
