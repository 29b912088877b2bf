import type { Entry } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'
import { digestOf, keyNameOf, variantName } from './entry-names.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import type { RecordHead, WholeRecord } from './record-format.ts'
import { isSameVaryList } from './vary-lists.ts'

/** Reads records by their names. */
export interface RecordSource {
  /** undefined where there is none. */
  readWhole(name: string): Promise<WholeRecord | undefined>
  /** undefined where it is damaged. */
  decode(whole: WholeRecord): StoredRecord | undefined
}

/** The record of a response. */
export interface FoundRecord {
  readonly name: string
  readonly head: RecordHead
  readonly record: StoredRecord
  /** The first record of its key. */
  readonly primary: WholeRecord | undefined
}

/** Finds the record of one response, by the digest of the variant key that it is stored under. undefined where there is
 * none, or another response has taken its place. */
export async function findRecord(
  records: RecordSource,
  { key, id }: Pick<Entry, 'key' | 'id'>,
  variant: string
): Promise<FoundRecord | undefined> {
  const keyName = digestOf(key)
  const primary = await records.readWhole(keyName)
  const isFirst = primary?.parsed?.head.variantDigest === variant
  const name = isFirst ? keyName : variantName(keyName, variant)
  const whole = isFirst ? primary : await records.readWhole(name)
  const head = whole?.parsed?.head
  if (whole === undefined || head?.variantDigest !== variant) return undefined
  const record = records.decode(whole)
  if (record?.entry.id !== id || record.entry.key !== key) return undefined
  return { name, head, record, primary }
}

/** Where the record of a variant belongs, and what is there already. */
export interface Place {
  readonly name: string
  /** The lists of Vary names that the record has to keep. */
  readonly lists: RecordHead['lists']
  readonly replaced: RecordHead | undefined
}

/** How a store answers what the place of a record depends on. */
export interface PlaceQueries {
  /** Whether the whole key was deleted after a record was stored, and its lists with it. */
  isKeyDeleted(head: RecordHead): boolean
  /** Whether the response of a record may still be found. */
  isLive(head: RecordHead): boolean
  /** Has the first record of the key say that others are selected by these fields. False where it cannot. */
  addList(vary: readonly string[]): Promise<boolean>
  /** undefined where there is none, or it is damaged. */
  readHead(name: string): Promise<RecordHead | undefined>
}

/** Finds the place of a variant: the first of a key lies under the name of the key, others under names of their own, with
 * their lists of Vary names in the head of the first. So the only variant is found with one read, any other with two.
 * undefined where the first record cannot be changed. */
export async function findPlace(
  keyName: string,
  variant: string,
  vary: readonly string[],
  primary: RecordHead | undefined,
  store: PlaceQueries
): Promise<Place | undefined> {
  if (primary === undefined || store.isKeyDeleted(primary)) return { name: keyName, lists: [], replaced: primary }
  if (primary.variantDigest === variant || !store.isLive(primary)) {
    return { name: keyName, lists: primary.lists, replaced: primary }
  }
  const isKnown = primary.lists.some(list => isSameVaryList(list, vary))
  if (!isKnown && !(await store.addList(vary))) return undefined
  const name = variantName(keyName, variant)
  return { name, lists: [], replaced: await store.readHead(name) }
}

/** Removes records one by one, each only if it is still the one that is meant. */
export abstract class RecordRemoval {
  readonly #records: RecordSource
  readonly #mutex: KeyedMutex

  constructor(records: RecordSource, mutex: KeyedMutex) {
    this.#records = records
    this.#mutex = mutex
  }

  /** Removes a record, and the body that its head names. Within the mutex of its key. */
  abstract unlink(name: string, head: RecordHead | undefined): Promise<void>

  /** Leaves of the first record of a key only what others are found by. Within the mutex of its key. */
  abstract hollow(keyName: string, head: RecordHead): Promise<void>

  /** Removes a record whose bytes are not those that were written. */
  async removeDamaged(name: string): Promise<void> {
    await this.#mutex.run(keyNameOf(name), async () => {
      const whole = await this.#records.readWhole(name)
      if (whole === undefined || this.#records.decode(whole) !== undefined) return
      await this.unlink(name, whole.parsed?.head)
    })
  }

  /** Removes a record whose body is damaged or missing. */
  async removeWithBody(name: string, bodyId: string): Promise<void> {
    await this.#mutex.run(keyNameOf(name), async () => {
      const head = (await this.#records.readWhole(name))?.parsed?.head
      if (head?.body?.id === bodyId) await this.unlink(name, head)
    })
  }

  /** Removes one response. */
  async removeEntry(entry: Entry): Promise<void> {
    const keyName = digestOf(entry.key)
    await this.#mutex.run(keyName, async () => {
      const found = await findRecord(this.#records, entry, digestOf(entry.variantKey))
      if (found === undefined) return
      if (found.name === keyName && found.head.lists.length > 0) await this.hollow(keyName, found.head)
      else await this.unlink(found.name, found.head)
    })
  }
}
