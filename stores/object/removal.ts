import { keyNameOf } from '../file/names.ts'
import type { RecordHead } from '../file/record-file.ts'
import { bodyPath, parseEntryPath, recordPath } from './object-names.ts'
import type { Parts } from './parts.ts'

/** Removes what is stored for a key. */
export class Removal {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Removes every variant. What is being stored for the key in this process comes before, and is found, or after. */
  async deleteKey(key: string): Promise<void> {
    const { turns, deletions, calls, uploading } = this.#parts
    await turns.take(key, async () => {
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
    const { records, calls, turns } = this.#parts
    await turns.take(keyNameOf(name), async () => {
      const found = await records.read(name)
      if (found !== undefined && records.decode(found) === undefined) await calls.delete(recordPath(name))
    })
  }

  /** Removes a record whose body is damaged or missing, if it is still its body. */
  async removeWithBody(name: string, bodyId: string): Promise<void> {
    const { records, turns } = this.#parts
    await turns.take(keyNameOf(name), async () => {
      const head = await records.readHead(name)
      if (head !== undefined && head !== 'damaged' && head.body?.id === bodyId) await this.remove(name, head)
    })
  }

  async remove(name: string, head: RecordHead): Promise<void> {
    const { calls } = this.#parts
    await calls.delete(recordPath(name))
    if (head.body !== undefined) await calls.delete(bodyPath(keyNameOf(name), head.body.id))
  }
}

/** Waits for all, and rejects where one does. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}
