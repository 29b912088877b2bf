import { randomBytes } from 'node:crypto'
import { CacheError } from '../../lib/errors.ts'
import type { LeaseAnswer } from '../store.ts'
import { type Connection, runScript } from './connection.ts'
import { type Names, shortDigestOf } from './layout.ts'
import { LEASE, RELEASE, RENEW } from './scripts.ts'

const TOKEN_BYTES = 9

/** Gives leases: a hash for each, which expires with it. In a cluster each lies where its name leads, by itself. */
export class Leases {
  readonly #connection: Connection
  readonly #names: Names

  constructor(connection: Connection, names: Names) {
    this.#connection = connection
    this.#names = names
  }

  async take(name: string, ttlMs: number): Promise<LeaseAnswer> {
    const keys = [this.#names.lease(shortDigestOf(name))]
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    const answer = String(await runScript(this.#connection, LEASE, keys, [token, wholeMs(ttlMs)]))
    switch (answer) {
      case 'held':
      case 'done':
      case 'unshared':
        return answer
      case 'granted':
        return {
          renew: async forMs => Number(await runScript(this.#connection, RENEW, keys, [token, wholeMs(forMs)])) === 1,
          release: async (mark, markMs = 0) => {
            await runScript(this.#connection, RELEASE, keys, [token, mark ?? '', wholeMs(markMs)])
          }
        }
      default:
        throw new CacheError('ERR_CACHE_STORE', 'a lease in Redis is damaged')
    }
  }
}

function wholeMs(ms: number): number {
  return Math.max(1, Math.ceil(ms))
}
