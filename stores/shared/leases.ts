import type { CacheStore } from '../store.ts'

/** Whether `lease` of a store may be called. */
export function givesLeases(store: CacheStore): boolean {
  return store.capabilities?.leases === true && typeof store.lease === 'function'
}
