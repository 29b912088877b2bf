import type { Entry } from '../../lib/rfc9111/types.ts'

/** The times of an entry that expiry goes by. */
type Times = Pick<Entry, 'responseTimeMs' | 'expiresAtMs'>

/** The time by the clock of the cache that uses a store: that of the last response which the cache has given. So a store
 * needs no clock to judge what it reads, and one that is set to another year is as good as the real one. */
export class StoreTime {
  #responseTimeMs = -Infinity

  /** To be called with each response that is stored or freshened. */
  note({ responseTimeMs }: Times): void {
    this.#responseTimeMs = responseTimeMs
  }

  hasExpired({ expiresAtMs }: Pick<Times, 'expiresAtMs'>): boolean {
    return expiresAtMs < this.#responseTimeMs
  }
}

/** Until when, in real time, an entry that is being written is to be kept: for as long as the clock that has made its times
 * says, from now on. What several processes share is removed by it, since their caches' clocks may differ. Milliseconds
 * since the epoch; Infinity for ever. */
export function keptUntil({ responseTimeMs, expiresAtMs }: Times): number {
  return Date.now() + (expiresAtMs - responseTimeMs)
}
