import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { type Connection, runScript, scanNames, unlessWrongType } from './connection.ts'
import { CLEAR, type DeletionLog, keyDeletion, tagDeletion } from './deletion-log.ts'
import { fieldOf, type Names, shortDigestOf, variantDigestOf } from './layout.ts'
import { INCOMPLETE } from './lua.ts'
import { DROP, DROP_TAGGED, LOG_AND_DROP, REMOVE, type Script, UNTAG } from './scripts.ts'

const KEYS_AT_ONCE = 200
const DIGEST = /^[\w-]{22}$/
const OWN_NAME = /^(tag:|lease:)?\{([\w-]{22})\}$/

/** The digests in names of this store's, by what the names are of. */
interface OwnDigests {
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  readonly leases: readonly string[]
}

/** Deletes responses. Each deletion is logged before anything is removed, so that what was asked for before it is refused
 * from then on; it is over once nothing of it is found any more. */
export class Deletion {
  readonly #connection: Connection
  readonly #names: Names
  readonly #log: DeletionLog

  constructor(connection: Connection, names: Names, log: DeletionLog) {
    this.#connection = connection
    this.#names = names
    this.#log = log
  }

  /** Removes one response, unless another has taken its place. */
  async remove({ key, variantKey, id }: Entry): Promise<void> {
    const hash = this.#names.hash(shortDigestOf(key))
    await runScript(this.#connection, REMOVE, [hash], [fieldOf(variantDigestOf(variantKey)), id])
  }

  async deleteKey(key: CacheKey): Promise<void> {
    const keyDigest = shortDigestOf(key)
    const hash = this.#names.hash(keyDigest)
    const deletion = keyDeletion(keyDigest)
    if (this.#connection.isCluster) {
      await this.#log.add(deletion)
      await runScript(this.#connection, DROP, [hash], [])
    } else {
      await runScript(this.#connection, LOG_AND_DROP, [this.#names.deletionLog, hash], [deletion])
    }
  }

  async deleteTag(tag: string): Promise<void> {
    const tagDigest = shortDigestOf(tag)
    await this.#log.add(tagDeletion(tagDigest))
    const isComplete = await this.#emptyTag(this.#names.tag(tagDigest), DROP_TAGGED, [tagDigest])
    if (isComplete) return
    for await (const { keys } of this.#ownDigests()) await this.#dropAll(keys, DROP_TAGGED, [tagDigest])
  }

  /** Goes through everything in Redis, and removes what is this store's. */
  async clear(): Promise<void> {
    await this.#log.add(CLEAR)
    for await (const { keys, tags, leases } of this.#ownDigests()) {
      await this.#dropAll(keys, DROP, [])
      for (const digest of tags) await this.#emptyTag(this.#names.tag(digest), DROP, [])
      await Promise.all(leases.map(digest => this.#unlink(this.#names.lease(digest))))
    }
  }

  async *#ownDigests(): AsyncGenerator<OwnDigests> {
    const { prefix } = this.#names
    for await (const names of scanNames(this.#connection, prefix)) {
      const found = names.map(name => OWN_NAME.exec(name.slice(prefix.length)))
      const of = (kind: string | undefined) =>
        found.flatMap(match => (match !== null && match[1] === kind ? (match[2] ?? []) : []))
      yield { keys: of(undefined), tags: of('tag:'), leases: of('lease:') }
    }
  }

  /** Removes what carries a tag, and takes its keys out of the tag, but for those that were written meanwhile. False: others
   * may carry the tag, since somebody else has put something in its place. */
  async #emptyTag(tag: string, drop: Script, args: readonly string[]): Promise<boolean> {
    let isComplete = true
    let cursor = '0'
    do {
      const at = cursor
      const scan = this.#connection.use(client => client.zscan(tag, at, 'COUNT', KEYS_AT_ONCE))
      const scanned = await unlessWrongType<[string, string[]] | undefined>(scan, undefined)
      if (scanned === undefined) {
        await this.#unlink(tag)
        return false
      }
      const [next, members] = scanned
      const digests = members.filter((_, i) => i % 2 === 0)
      if (digests.includes(INCOMPLETE)) isComplete = false
      await this.#dropAll(digests, drop, args)
      if (members.length > 0) await runScript(this.#connection, UNTAG, [tag], members)
      cursor = next
    } while (cursor !== '0')
    return isComplete
  }

  async #dropAll(keyDigests: readonly string[], drop: Script, args: readonly string[]): Promise<void> {
    for (let i = 0; i < keyDigests.length; i += KEYS_AT_ONCE) {
      const some = keyDigests.slice(i, i + KEYS_AT_ONCE).filter(digest => DIGEST.test(digest))
      await Promise.all(some.map(digest => runScript(this.#connection, drop, [this.#names.hash(digest)], args)))
    }
  }

  #unlink(name: string): Promise<number> {
    return this.#connection.use(client => client.unlink(name))
  }
}
