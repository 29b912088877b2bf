import type { Entry } from '../../lib/rfc9111/types.ts'
import { digestOf, keyNameOf, variantName } from '../shared/entry-names.ts'
import { encodeRecordFile, type RecordHead } from '../shared/record-format.ts'
import type { ObjectContext } from './context.ts'
import { bodyPath, parseEntryPath, recordPath } from './layout.ts'

/** Removes what is stored for a key. */
export class Deletion {
  readonly #context: ObjectContext

  constructor(context: ObjectContext) {
    this.#context = context
  }

  /** Removes every variant. What is being stored for the key in this process comes before, and is found, or after. */
  async deleteKey(key: string): Promise<void> {
    const { mutex, deletions, calls, uploading } = this.#context
    await mutex.run(key, async () => {
      await deletions.addKey(key)
      const removed: Promise<void>[] = []
      for await (const path of calls.list(recordPath(key))) {
        const name = parseEntryPath(path)
        if (name?.kind !== 'body' || !uploading.has(name.id)) removed.push(calls.delete(path))
      }
      await allOf(removed)
    })
  }

  /** Removes a record whose bytes are not those that were written, if that is still so. */
  async removeDamaged(name: string): Promise<void> {
    const { records, calls, mutex } = this.#context
    await mutex.run(keyNameOf(name), async () => {
      const found = await records.read(name)
      if (found !== undefined && records.decode(found) === undefined) await calls.delete(recordPath(name))
    })
  }

  /** Removes a record whose body is damaged or missing, if it is still its body. */
  async removeWithBody(name: string, bodyId: string): Promise<void> {
    const { records, mutex } = this.#context
    await mutex.run(keyNameOf(name), async () => {
      const head = await records.readHead(name)
      if (head !== undefined && head !== 'damaged' && head.body?.id === bodyId) await this.remove(name, head)
    })
  }

  /** Removes one response, if it is still stored. */
  async removeEntry({ key, variantKey, id }: Entry): Promise<void> {
    const { records, mutex } = this.#context
    const keyName = digestOf(key)
    const variant = digestOf(variantKey)
    await mutex.run(keyName, async () => {
      const primary = await records.read(keyName)
      const isFirst = primary?.parsed?.head.variantDigest === variant
      const name = isFirst ? keyName : variantName(keyName, variant)
      const found = primary === undefined || isFirst ? primary : await records.read(name)
      const head = found?.parsed?.head
      if (found === undefined || head?.variantDigest !== variant) return
      const entry = records.decode(found)?.entry
      if (entry?.id !== id || entry.key !== key) return
      if (isFirst && head.lists.length > 0) await this.hollow(keyName, head)
      else await this.remove(name, head)
    })
  }

  /** Leaves of the first record of a key only what others are found by. */
  async hollow(key: string, head: RecordHead): Promise<void> {
    const { calls } = this.#context
    if (head.keptUntilMs === 0 && head.tags.length === 0) return
    const hollow = { ...head, tags: [], keptUntilMs: 0, body: undefined }
    await calls.put(recordPath(key), encodeRecordFile(hollow, new Uint8Array()))
    if (head.body !== undefined) await calls.delete(bodyPath(key, head.body.id))
  }

  async remove(name: string, head: RecordHead): Promise<void> {
    const { calls } = this.#context
    await calls.delete(recordPath(name))
    if (head.body !== undefined) await calls.delete(bodyPath(keyNameOf(name), head.body.id))
  }
}

/** Waits for all, and rejects where one does. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}
