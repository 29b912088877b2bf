import { Buffer } from 'node:buffer'
import { isVaryLists } from '../shared/vary-lists.ts'
import { MAX_LISTS } from './lua.ts'

/** What the hash of a key says of itself, other than its responses. */
export interface VaryLists {
  /** As it stands in Redis, to compare with. */
  readonly bytes: Buffer
  /** How many responses there are, expired ones perhaps among them. */
  readonly count: number
  /** The lists of selecting fields that they are stored under. */
  readonly lists: readonly (readonly string[])[]
}

/** What is assumed of a key that nothing is known of. */
export const ASSUMED: VaryLists = { bytes: Buffer.alloc(0), count: 0, lists: [[]] }

/** undefined where it is damaged. */
export function parseVaryLists(bytes: Buffer): VaryLists | undefined {
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

/** One list, as it stands in Redis. */
export function encodeVary(names: readonly string[]): string {
  return JSON.stringify(names)
}
