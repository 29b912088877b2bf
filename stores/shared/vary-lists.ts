/** The lists of Vary field names that the responses stored for one key were selected by, the most recent first. */
export type VaryLists = readonly (readonly string[])[]

/** How many lists a store remembers of one key: a lookup probes one variant for each. */
export const MAX_VARY_LISTS = 8

/** The lists with `list` in first place. */
export function withVaryList(lists: VaryLists, list: readonly string[]): VaryLists {
  return [list, ...lists.filter(other => !isSameVaryList(other, list))].slice(0, MAX_VARY_LISTS)
}

export function isSameVaryList(list: readonly string[], other: readonly string[]): boolean {
  return list === other || (list.length === other.length && list.every((name, i) => name === other[i]))
}

/** Lists that were stored as JSON; undefined for anything else. */
export function parseVaryLists(json: string): VaryLists | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isVaryLists(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isVaryLists(value: unknown): value is VaryLists {
  return Array.isArray(value) && value.every(isVaryList)
}

function isVaryList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(name => typeof name === 'string')
}
