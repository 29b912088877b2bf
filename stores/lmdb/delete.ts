import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import { digestBytesOf } from '../shared/digest.ts'
import { checkedTag } from '../shared/tags.ts'
import { retireBody } from './body-removal.ts'
import type { DatabaseSource } from './database.ts'
import { logClear, logDeletion } from './deletion-log.ts'
import {
  encodeKeyRow,
  keyDigestOf,
  keyNameIn,
  keyNameOf,
  namespaceOf,
  readKeyRow,
  recordNameOf,
  tagDigestOf
} from './layout.ts'
import { forgetUse } from './recency.ts'
import { occupiedByRecordNamed, readHead, recordNames } from './records.ts'
import type { Batch } from './tables.ts'

/** Records removed with their key at once. A sweep removes the others: no lookup finds them any more. */
const MAX_REMOVED = 64

/** Deletes responses, each call in one write. What carries a tag, and everything after clear(), is only logged as deleted:
 * no lookup finds it from then on, and a sweep removes it. */
export class Deletion {
  readonly #source: DatabaseSource
  readonly #namespace: Uint8Array

  constructor(source: DatabaseSource, serializerName: string) {
    this.#source = source
    this.#namespace = namespaceOf(serializerName, RECORD_VERSION)
  }

  /** Removes one response, unless another has taken its place. */
  remove({ key, variantKey, id }: Entry): Promise<void> {
    const name = recordNameOf(this.#keyNameOf(key), digestBytesOf(variantKey))
    return this.#write(batch => {
      if (readHead(batch.tables, name)?.entryId === id) removeRecord(batch, name)
    })
  }

  deleteKey(key: CacheKey): Promise<void> {
    const keyName = this.#keyNameOf(key)
    return this.#write(batch => {
      logDeletion(batch, 'key', keyDigestOf(key))
      for (const name of recordNames(batch.tables, keyName, MAX_REMOVED)) removeRecord(batch, name)
    })
  }

  /** Throws a TypeError, ERR_CACHE_OPTION, for what is no tag. */
  deleteTag(tag: string): Promise<void> {
    const digest = tagDigestOf(checkedTag(tag))
    return this.#write(batch => logDeletion(batch, 'tag', digest))
  }

  clear(): Promise<void> {
    return this.#write(logClear)
  }

  #keyNameOf(key: CacheKey): Uint8Array {
    return keyNameOf(this.#namespace, keyDigestOf(key))
  }

  #write(work: (batch: Batch) => void): Promise<void> {
    return this.#source.open().database.write(work)
  }
}

/** Removes a record, damaged or not, and has its body removed once nobody reads it any more. */
export function removeRecord(batch: Batch, name: Uint8Array): void {
  const body = readHead(batch.tables, name)?.body
  if (body !== undefined) retireBody(batch, body)
  removeRecordOnly(batch, name)
}

/** Removes a record whose body stays, since another record has it. */
export function removeRecordOnly(batch: Batch, name: Uint8Array): void {
  const { tables, counters } = batch
  counters.usedBytes -= occupiedByRecordNamed(tables, name)
  void tables.records.remove(name)
  forgetUse(tables, name)
  const keyName = keyNameIn(name)
  const row = readKeyRow(tables.keys, keyName)
  const lastChange = batch.change()
  if (recordNames(tables, keyName, 1).length === 0) void tables.keys.remove(keyName)
  else if (row !== undefined) void tables.keys.put(keyName, encodeKeyRow({ ...row, lastChange }))
}
