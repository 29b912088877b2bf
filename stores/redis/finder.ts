import type { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { Lookup } from '../store.ts'
import { type Connection, runScript } from './connection.ts'
import { fieldOf, fullDigestOf, type Names, shortDigestOf } from './names.ts'
import { STAMP_BYTES } from './record-bytes.ts'
import type { Records } from './records.ts'
import { FORGET } from './scripts.ts'
import { StoredInRedis } from './stored.ts'
import { ASSUMED, encodeVary, parseVaryLists, type VaryLists } from './vary-lists.ts'

interface KnownKey {
  readonly keyDigest: string
  readonly hash: string
  lists: VaryLists
}

/** A variant that the request may select. */
interface Guess {
  readonly variantKey: VariantKey
  readonly digest: string
  readonly field: string
}

type VariantOf = (fieldNames: readonly string[]) => VariantKey

const MAX_MEMO_BYTES = 8 * 1_048_576
const KNOWN_KEY_BYTES = 500

/** Looks responses up: one round trip where the lists of selecting fields are as remembered, or as assumed, and another for
 * what was not guessed. Only the lists are remembered, never what is stored. */
export class Finder {
  readonly #connection: Connection
  readonly #names: Names
  readonly #records: Records
  readonly #position: () => Promise<number>
  readonly #known = new LRUCache<CacheKey, KnownKey>({
    maxSize: MAX_MEMO_BYTES,
    sizeCalculation: (_, key) => KNOWN_KEY_BYTES + 2 * key.length
  })

  constructor(connection: Connection, names: Names, records: Records, position: () => Promise<number>) {
    this.#connection = connection
    this.#names = names
    this.#records = records
    this.#position = position
  }

  async find(key: CacheKey, variantOf: VariantOf): Promise<Lookup> {
    const known = this.#known.get(key) ?? this.#unknown(key)
    const { hash, lists: assumed } = known
    const guesses = guessesOf(assumed.lists, variantOf)
    const fields = guesses.map(({ field }) => field)
    const [found, ...records] = await this.#connection.use(client => client.hmgetBuffer(hash, 'lists', ...fields))
    const lists = this.#listsOf(known, found ?? null)
    if (lists === undefined) return { stored: [], otherVariants: false, asOf: this.#position }
    if (lists !== assumed) {
      this.#known.set(key, known)
      const missed = guessesOf(lists.lists, variantOf).filter(({ field }) => !fields.includes(field))
      if (missed.length > 0) {
        const more = missed.map(({ field }) => field)
        records.push(...(await this.#connection.use(client => client.hmgetBuffer(hash, ...more))))
        guesses.push(...missed)
      }
    }
    const stored = guesses.flatMap((guess, i) => this.#read(key, known, guess, records[i] ?? null) ?? [])
    if (stored.length > 1) stored.sort((a, b) => b.entry.responseTimeMs - a.entry.responseTimeMs)
    return { stored, otherVariants: lists.count > stored.length, asOf: this.#position }
  }

  /** What this process has stored is found in one round trip from the start. */
  learn({ key, vary }: Entry): void {
    const known = this.#known.get(key) ?? this.#unknown(key)
    const { lists } = known.lists
    const isKnown = lists.some(list => encodeVary(list) === encodeVary(vary))
    if (known.lists === ASSUMED) known.lists = { ...ASSUMED, lists: [vary] }
    else if (!isKnown) known.lists = { ...ASSUMED, lists: [...lists, vary] }
    this.#known.set(key, known)
  }

  #unknown(key: CacheKey): KnownKey {
    const keyDigest = shortDigestOf(key)
    return { keyDigest, hash: this.#names.hash(keyDigest), lists: ASSUMED }
  }

  /** What is said now, which is remembered; undefined: nothing is stored. */
  #listsOf(known: KnownKey, bytes: Buffer | null): VaryLists | undefined {
    if (bytes === null) return undefined
    const { lists } = known
    if (lists.text === bytes.toString()) return lists
    const parsed = parseVaryLists(bytes)
    if (parsed !== undefined) known.lists = parsed
    return parsed
  }

  #read(key: CacheKey, known: KnownKey, guess: Guess, bytes: Buffer | null): StoredInRedis | undefined {
    if (bytes === null) return undefined
    const { variantKey, digest, field } = guess
    const record = this.#records.decode(bytes, key, digest)
    const forget = () => {
      const stamp = bytes.subarray(0, STAMP_BYTES)
      runScript(this.#connection, FORGET, [known.hash], [field, stamp]).catch(() => {})
    }
    if (record === undefined) {
      forget()
      return undefined
    }
    const nowMs = Date.now()
    const { head, entry, body } = record
    if (entry.expiresAtMs < nowMs || head.keptUntilMs < nowMs) return undefined
    const chunks = head.body === undefined ? undefined : this.#placeOf(known, head.body, forget)
    return new StoredInRedis({ ...entry, variantKey }, body, chunks)
  }

  #placeOf(known: KnownKey, body: { readonly name: string; readonly byteLength: number }, onDamage: () => void) {
    const key = this.#names.body(known.keyDigest, body.name)
    return { ...body, connection: this.#connection, key, onDamage }
  }
}

/** One for each variant, though several lists may lead to the same. */
function guessesOf(lists: readonly (readonly string[])[], variantOf: VariantOf): Guess[] {
  const variantKeys = new Set(lists.map(list => variantOf(list)))
  return [...variantKeys].map(variantKey => {
    const digest = fullDigestOf(variantKey)
    return { variantKey, digest, field: fieldOf(digest) }
  })
}
