import { nextTurn } from '../../lib/event-loop.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, isRecordName, keyNameOf, tagDigestOf } from '../shared/entry-names.ts'
import { RecordRemoval } from '../shared/entry-records.ts'
import { ignoreAbsent, isMissing } from '../shared/file-errors.ts'
import { encodeHollow, type RecordHead } from '../shared/record-format.ts'
import type { FileContext } from './context.ts'
import { openFolder, removeFolder } from './key-files.ts'

/** Takes away what is stored. That it counts as deleted is for the log to say; this makes room. */
export class Deletion extends RecordRemoval {
  readonly #context: FileContext

  constructor(context: FileContext) {
    super(context.records, context.mutex)
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
    const trash = folders.newTrash()
    try {
      await folders.requireOwn(folders.entries)
      await folders.fs.rename(folders.entries, trash)
    } catch (error) {
      if (!isMissing(error)) throw error
      return
    }
    await attempt(() => folders.fs.unlink(folders.sweptPath()))
    await removeFolder(folders, trash, nextTurn)
  }

  override async hollow(name: string, head: RecordHead): Promise<void> {
    const { folders, writer, deletions } = this.#context
    const { generation } = deletions.position ?? (await deletions.now())
    await writer.prepare(name, generation)
    await writer.put(name, encodeHollow(head), generation)
    if (head.body !== undefined) await ignoreAbsent(folders.fs.unlink(folders.bodyPath(name, head.body.id)))
  }

  override async unlink(name: string, head: RecordHead | undefined): Promise<void> {
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
