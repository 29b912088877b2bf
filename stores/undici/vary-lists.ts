import { isSameVaryList, isVaryLists, MAX_VARY_LISTS, type VaryLists, withVaryList } from '../shared/vary-lists.ts'
import type { CacheKey } from '../store.ts'
import type { UndiciResult, UndiciValue } from './contract.ts'

/** The lists of Vary field names seen for a key, most recent first. */
export interface Lists {
  readonly lists: VaryLists
  /** When the store drops them, in milliseconds since the epoch. */
  readonly deleteAt: number
}

/** The field that holds them, as JSON. */
const LISTS = 'undici-http-cache-lists'

/** They are kept for longer than the response they are written for, or each later one would write them anew. */
const KEEP_MS = 7 * 86_400_000

const NONE: Lists = { lists: [], deleteAt: -Infinity }

/** Whether they name `list`, for as long as a response that is dropped at `deleteAt`. */
export function covers(known: Lists, list: readonly string[], deleteAt: number): boolean {
  return known.deleteAt >= deleteAt && known.lists.some(names => isSameVaryList(names, list))
}

/** The lists with one more, as undici's stores keep them. */
export function toListsValue(key: CacheKey, known: Lists, list: readonly string[], deleteAt: number): UndiciValue {
  const lists = withVaryList(known.lists, list)
  const now = Date.now()
  return {
    statusCode: 200,
    statusMessage: '',
    headers: { [LISTS]: JSON.stringify({ key, lists }) },
    cacheControlDirectives: {},
    cachedAt: now,
    staleAt: now,
    deleteAt: Math.max(known.deleteAt, deleteAt + KEEP_MS)
  }
}

/** What a store gives back of them; none where it gives back something else. */
export function readLists(result: UndiciResult | undefined, key: CacheKey): Lists {
  const text = result?.headers?.[LISTS]
  if (result === undefined || typeof text !== 'string') return NONE
  try {
    const read: { key?: unknown; lists?: unknown } = JSON.parse(text)
    if (read.key !== key || !Array.isArray(read.lists)) return NONE
    const lists = read.lists.slice(0, MAX_VARY_LISTS)
    return isVaryLists(lists) ? { lists, deleteAt: result.deleteAt } : NONE
  } catch {
    return NONE
  }
}
