import type { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import { type Connection, runScript, unlessWrongType } from './connection.ts'
import { keyDeletion, tagDeletion } from './deletion-log.ts'
import { encodeVaryList } from './key-summary.ts'
import { CHUNK_BYTES, fieldOf, type Names, shortDigestOf, variantDigestOf } from './layout.ts'
import type { RecordCodec } from './record-codec.ts'
import { CHECK, FENCE, STORE_FENCED, STORE_WHOLE, TAG } from './scripts.ts'

/** No deletion is looked at but those that come while it is being stored. */
const ANY_POSITION = -1
const FENCE_BYTES = 9

/** What may stay in Redis, and for how long. */
export interface Bounds {
  /** Milliseconds; Infinity: no bound but that of the entry. */
  readonly maxTtlMs: number
  /** Of one key. */
  readonly maxVariants: number
}

/** What the scripts take, in their order. */
type Arguments = readonly (string | number | Buffer)[]

/** Makes responses visible, each in one script, which runs whole or not at all.
 *
 * On one server that script sees the deletions too. In a cluster they lie elsewhere, so that there are three steps: the
 * hash gets a fence, and the tags its key; then the deletions are looked at; then the record is stored, if the fence still
 * stands. A deletion is noted first, and takes fences down after: whichever of the two steps comes late, one of the
 * other's has seen it. */
export class Commit {
  readonly #connection: Connection
  readonly #names: Names
  readonly #codec: RecordCodec
  readonly #bounds: Bounds

  constructor(connection: Connection, names: Names, codec: RecordCodec, bounds: Bounds) {
    this.#connection = connection
    this.#names = names
    this.#codec = codec
    this.#bounds = bounds
  }

  /** False: overtaken by a deletion, or the chunks of the body are gone. */
  async store(entry: Entry, body: Uint8Array | ChunkedBody<string>, asOf: number): Promise<boolean> {
    return this.#store(entry, body, asOf, '', '')
  }

  /** False: no longer stored, or overtaken by a deletion. */
  async update(entry: Entry, asOf: number | undefined, from = entry.variantKey): Promise<boolean> {
    const hash = this.#names.hash(shortDigestOf(entry.key))
    const digest = variantDigestOf(from)
    const reading = this.#connection.use(client => client.hgetBuffer(hash, fieldOf(digest)))
    const bytes = await unlessWrongType(reading, null)
    const record = bytes === null ? undefined : this.#codec.decode(bytes, entry.key, digest)
    const body = record?.head.body ?? record?.body
    if (record?.entry.id !== entry.id || body === undefined) return false
    return this.#store(entry, body, asOf ?? ANY_POSITION, entry.id, from === entry.variantKey ? '' : fieldOf(digest))
  }

  /** `replaced`: the id that must still be stored, or ''. `from`: the field that it moves from, or ''. */
  async #store(
    entry: Entry,
    body: Uint8Array | ChunkedBody<string>,
    asOf: number,
    replaced: string,
    from: string
  ): Promise<boolean> {
    const keyDigest = shortDigestOf(entry.key)
    const hash = this.#names.hash(keyDigest)
    const tags = [...new Set(entry.tags)].map(shortDigestOf)
    const nowMs = Date.now()
    const ttlMs = Math.max(1, Math.ceil(Math.min(entry.expiresAtMs - entry.responseTimeMs, this.#bounds.maxTtlMs)))
    const ttl = ttlMs === Infinity ? -1 : ttlMs
    const variantDigest = variantDigestOf(entry.variantKey)
    const record = this.#codec.encode(entry, variantDigest, body, nowMs + ttlMs)
    const { name = '', byteLength = 0 } = isUint8Array(body) ? {} : body
    const args: Arguments = [
      fieldOf(variantDigest),
      record,
      entry.id,
      replaced,
      encodeVaryList(entry.vary),
      tags.join(' '),
      name,
      Math.ceil(byteLength / CHUNK_BYTES),
      ttl,
      this.#bounds.maxVariants,
      from
    ]
    const deletions = [keyDeletion(keyDigest), ...tags.map(tagDeletion)]
    if (this.#connection.isCluster) return this.#storeFenced(hash, keyDigest, tags, ttl, args, asOf, deletions)
    const keys = [hash, this.#names.deletionLog, ...tags.map(tag => this.#names.tag(tag))]
    return this.#isTrue(runScript(this.#connection, STORE_WHOLE, keys, [...args, asOf, keyDigest, ...deletions]))
  }

  async #storeFenced(
    hash: string,
    keyDigest: string,
    tags: readonly string[],
    ttl: number,
    args: Arguments,
    asOf: number,
    deletions: readonly string[]
  ): Promise<boolean> {
    const newFence = randomBytes(FENCE_BYTES).toString('base64url')
    const [fence] = await Promise.all([
      runScript(this.#connection, FENCE, [hash], [newFence]),
      ...tags.map(tag => runScript(this.#connection, TAG, [this.#names.tag(tag)], [keyDigest, ttl]))
    ])
    if (asOf !== ANY_POSITION) {
      const check = runScript(this.#connection, CHECK, [this.#names.deletionLog], [asOf, ...deletions])
      if (await this.#isTrue(check)) return false
    }
    return this.#isTrue(runScript(this.#connection, STORE_FENCED, [hash], [...args, String(fence)]))
  }

  async #isTrue(reply: Promise<unknown>): Promise<boolean> {
    return Number(await reply) === 1
  }
}
