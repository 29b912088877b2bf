import { nextTurn } from '../../lib/event-loop.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, isRecordName, keyNameOf, tagDigestOf, variantName } from '../shared/entry-names.ts'
import { ignoreAbsent, isMissing } from '../shared/file-errors.ts'
import { encodeRecordFile, parseHead, type RecordHead } from '../shared/record-format.ts'
import { type FileContext, HOLLOW_MS } from './context.ts'
import { openFolder, removeFolder } from './key-files.ts'
import { stampPath } from './sweep-result.ts'

/** Takes away what is stored. That it counts as deleted is for the log to say; this makes room. */
export class Deletion {
  readonly #context: FileContext

  constructor(context: FileContext) {
    this.#context = context
  }

  /** Deletes all variants of a key. The first record's files are gone on return, the others' soon after. */
  async deleteKey(key: string): Promise<void> {
    const { deletions, records, mutex, background } = this.#context
    const name = digestOf(key)
    await deletions.add('key', name, () =>
      mutex.run(name, async () => {
        const found = await records.readHead(name)
        const head = found === undefined ? undefined : await this.#removeDeleted(name, found.parsed?.head)
        if (head !== undefined && head.lists.length > 0) background.run(() => this.#removeVariants(name))
      })
    )
  }

  async deleteTag(tag: string): Promise<void> {
    await this.#context.deletions.add('tag', tagDigestOf(tag))
  }

  /** Deletes everything; returns when the files are gone. */
  async clear(): Promise<void> {
    const { deletions, folders } = this.#context
    await deletions.add('all')
    const trash = folders.trash()
    try {
      await folders.requireOwn(folders.entries)
      await folders.fs.rename(folders.entries, trash)
    } catch (error) {
      if (!isMissing(error)) throw error
      return
    }
    await attempt(() => folders.fs.unlink(stampPath(folders)))
    await removeFolder(folders, trash, nextTurn)
  }

  /** Removes a record whose bytes are not those that were written, if that is still so. */
  async removeDamaged(name: string): Promise<void> {
    const { records, mutex } = this.#context
    await mutex.run(keyNameOf(name), async () => {
      const bytes = await records.readWhole(name)
      const parsed = bytes === undefined ? undefined : parseHead(bytes)
      if (bytes === undefined || (parsed !== undefined && records.decode(bytes, parsed) !== undefined)) return
      await this.unlink(name, parsed?.head)
    })
  }

  /** Removes a record whose body is damaged or missing, if it is still its body. */
  async removeWithBody(name: string, bodyId: string): Promise<void> {
    const { records, mutex } = this.#context
    await mutex.run(keyNameOf(name), async () => {
      const head = (await records.readHead(name))?.parsed?.head
      if (head?.body?.id === bodyId) await this.unlink(name, head)
    })
  }

  /** Removes one response, if it is still stored. */
  async removeEntry({ key, variantKey, id }: Entry): Promise<void> {
    const { records, mutex } = this.#context
    const keyName = digestOf(key)
    const variant = digestOf(variantKey)
    await mutex.run(keyName, async () => {
      const primary = await records.readHead(keyName)
      const name = primary?.parsed?.head.variantDigest === variant ? keyName : variantName(keyName, variant)
      const bytes = await records.readWhole(name)
      const parsed = bytes === undefined ? undefined : parseHead(bytes)
      if (bytes === undefined || parsed?.head.variantDigest !== variant) return
      const entry = records.decode(bytes, parsed)?.entry
      if (entry?.id !== id || entry.key !== key) return
      if (name === keyName && parsed.head.lists.length > 0) await this.hollow(name, parsed.head)
      else await this.unlink(name, parsed.head)
    })
  }

  /** Leaves of the first record of a key only what others are found by. Within a turn of the key. */
  async hollow(name: string, head: RecordHead): Promise<void> {
    const { folders, writer, deletions } = this.#context
    const { generation } = deletions.position ?? (await deletions.now())
    await writer.prepare(name, generation)
    const hollow = { ...head, tags: [], keptUntilMs: HOLLOW_MS, body: undefined }
    await writer.put(name, encodeRecordFile(hollow, new Uint8Array()), generation)
    if (head.body !== undefined) await ignoreAbsent(folders.fs.unlink(folders.bodyPath(name, head.body.id)))
  }

  async unlink(name: string, head: RecordHead | undefined): Promise<void> {
    const { folders } = this.#context
    try {
      await folders.requireOwn(folders.shardPath(name))
    } catch (error) {
      // Cleared away, and the record with it.
      if (isMissing(error)) return
      throw error
    }
    await ignoreAbsent(folders.fs.unlink(folders.recordPath(name)))
    if (head?.body !== undefined) await ignoreAbsent(folders.fs.unlink(folders.bodyPath(name, head.body.id)))
  }

  /** Returns the head of what it has removed. */
  async #removeDeleted(name: string, head: RecordHead | undefined): Promise<RecordHead | undefined> {
    if (head !== undefined && !this.#context.deletions.covers(head, keyNameOf(name), head.tags)) return undefined
    await this.unlink(name, head)
    return head
  }

  async #removeVariants(key: string): Promise<void> {
    const { folders, records, mutex } = this.#context
    for await (const { name } of await openFolder(folders, folders.shardPath(key))) {
      if (!isRecordName(name) || keyNameOf(name) !== key || name === key) continue
      await mutex.run(key, async () => {
        const found = await records.readHead(name)
        if (found !== undefined) await this.#removeDeleted(name, found.parsed?.head)
      })
    }
  }
}
