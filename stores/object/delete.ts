import { keyNameOf } from '../shared/entry-names.ts'
import { RecordRemoval } from '../shared/entry-records.ts'
import { encodeHollow, HOLLOW_MS, type RecordHead } from '../shared/record-format.ts'
import type { ObjectContext } from './context.ts'
import { bodyPath, parseEntryPath, recordPath } from './layout.ts'

/** Removes what is stored for a key. */
export class Deletion extends RecordRemoval {
  readonly #context: ObjectContext

  constructor(context: ObjectContext) {
    super(context.records, context.mutex)
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

  override async hollow(key: string, head: RecordHead): Promise<void> {
    const { calls } = this.#context
    if (head.keptUntilMs === HOLLOW_MS && head.tags.length === 0) return
    await calls.put(recordPath(key), encodeHollow(head))
    if (head.body !== undefined) await calls.delete(bodyPath(key, head.body.id))
  }

  override async unlink(name: string, head: RecordHead | undefined): Promise<void> {
    const { calls } = this.#context
    await calls.delete(recordPath(name))
    if (head?.body !== undefined) await calls.delete(bodyPath(keyNameOf(name), head.body.id))
  }
}

/** Waits for all, and rejects where one does. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}
