import type { CacheKey } from '../../lib/rfc9111/types.ts'
import { type Connection, runScript, scanNames, unlessWrongType } from './connection.ts'
import { type Names, shortDigestOf } from './layout.ts'
import { INCOMPLETE } from './lua.ts'
import { DROP, DROP_TAGGED, NOTE, NOTE_AND_DROP, POSITION, type Script, UNTAG } from './scripts.ts'

const KEYS_AT_ONCE = 200
const DIGEST = /^[\w-]{22}$/
const OWN_NAME = /^(tag:|lease:)?\{([\w-]{22})\}$/

/** Removes responses. Each deletion is noted before anything is removed, so that what was asked for before it is refused
 * from then on; it is over once nothing of it is found any more. */
export class Deletions {
  readonly #connection: Connection
  readonly #names: Names

  constructor(connection: Connection, names: Names) {
    this.#connection = connection
    this.#names = names
  }

  /** Where the order of deletions stands; counted by the server. */
  readonly position = async (): Promise<number> => {
    return Number(await runScript(this.#connection, POSITION, [this.#names.ledger], []))
  }

  async deleteKey(key: CacheKey): Promise<void> {
    const keyDigest = shortDigestOf(key)
    const hash = this.#names.hash(keyDigest)
    if (this.#connection.isCluster) {
      await this.#note(`k${keyDigest}`)
      await runScript(this.#connection, DROP, [hash], [])
    } else {
      await runScript(this.#connection, NOTE_AND_DROP, [this.#names.ledger, hash], [`k${keyDigest}`])
    }
  }

  async deleteTag(tag: string): Promise<void> {
    const tagDigest = shortDigestOf(tag)
    await this.#note(`t${tagDigest}`)
    const isWhole = await this.#emptyTag(this.#names.tag(tagDigest), DROP_TAGGED, [tagDigest])
    if (isWhole) return
    for await (const digests of this.#ownDigests()) {
      await this.#dropAll(digests.of(undefined), DROP_TAGGED, [tagDigest])
    }
  }

  /** Goes through everything in Redis, and removes what is this store's. */
  async clear(): Promise<void> {
    await this.#note('c')
    for await (const digests of this.#ownDigests()) {
      await this.#dropAll(digests.of(undefined), DROP, [])
      for (const digest of digests.of('tag:')) await this.#emptyTag(this.#names.tag(digest), DROP, [])
      const leases = digests.of('lease:').map(digest => this.#names.lease(digest))
      await Promise.all(leases.map(lease => this.#connection.use(client => client.unlink(lease))))
    }
  }

  /** What is in the names of everything in Redis that is this store's, by what stands before it. */
  async *#ownDigests(): AsyncGenerator<{ of(kind: string | undefined): readonly string[] }> {
    const { prefix } = this.#names
    for await (const names of scanNames(this.#connection, prefix)) {
      const found = names.map(name => OWN_NAME.exec(name.slice(prefix.length)))
      const of = (kind: string | undefined) =>
        found.flatMap(match => (match !== null && match[1] === kind ? (match[2] ?? []) : []))
      yield { of }
    }
  }

  async #note(deletion: string): Promise<void> {
    await runScript(this.#connection, NOTE, [this.#names.ledger], [deletion])
  }

  /** A key stays in the tag where it was written meanwhile. False: others may carry the tag, since somebody else has put
   * something in its place. */
  async #emptyTag(tag: string, drop: Script, args: readonly string[]): Promise<boolean> {
    let isWhole = true
    let cursor = '0'
    do {
      const at = cursor
      const scan = this.#connection.use(client => client.zscan(tag, at, 'COUNT', KEYS_AT_ONCE))
      const scanned = await unlessWrongType<[string, string[]] | undefined>(scan, undefined)
      if (scanned === undefined) {
        await this.#connection.use(client => client.unlink(tag))
        return false
      }
      const [next, members] = scanned
      const digests = members.filter((_, i) => i % 2 === 0)
      if (digests.includes(INCOMPLETE)) isWhole = false
      await this.#dropAll(digests, drop, args)
      if (members.length > 0) await runScript(this.#connection, UNTAG, [tag], members)
      cursor = next
    } while (cursor !== '0')
    return isWhole
  }

  async #dropAll(keyDigests: readonly string[], drop: Script, args: readonly string[]): Promise<void> {
    for (let i = 0; i < keyDigests.length; i += KEYS_AT_ONCE) {
      const some = keyDigests.slice(i, i + KEYS_AT_ONCE).filter(digest => DIGEST.test(digest))
      await Promise.all(some.map(digest => runScript(this.#connection, drop, [this.#names.hash(digest)], args)))
    }
  }
}
