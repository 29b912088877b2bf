import type { RecordHead } from '../shared/record-format.ts'
import { isLive, type ObjectContext } from './context.ts'
import type { Deletion } from './delete.ts'
import { KEPT_MS, NEVER } from './deletion-log.ts'
import { bodyPath, recordPath, timeOfId } from './layout.ts'
import { type KeyGroup, walkKeys } from './walk.ts'

/** Goes through all that is stored, and removes what is of no use. */
export class Sweep {
  readonly #context: ObjectContext
  readonly #deletion: Deletion

  constructor(context: ObjectContext, deletion: Deletion) {
    this.#context = context
    this.#deletion = deletion
  }

  /** Removes what has expired, was deleted or belongs to nothing; and, once a day old, what says of deletions. */
  async run(): Promise<void> {
    const { calls, marks } = this.#context
    const beganAtMs = Date.now()
    await marks.refresh()
    await walkKeys(calls, group => this.#tidyKey(group, () => false))
    await marks.forget(beganAtMs - KEPT_MS)
    await calls.tidy()
  }

  /** Removes what carries the tag, and whatever else is of no use. */
  async deleteTag(tag: string): Promise<void> {
    const { calls, marks } = this.#context
    await marks.ensure()
    await marks.add('tag', tag)
    await walkKeys(calls, group => this.#tidyKey(group, ({ tags }) => tags.includes(tag)))
  }

  async clear(): Promise<void> {
    const { calls, marks, mutex, uploading } = this.#context
    await marks.ensure()
    await marks.add('all')
    await walkKeys(calls, ({ key, records, bodies }) =>
      mutex.run(key, async () => {
        for (const name of records) await calls.delete(recordPath(name))
        for (const id of bodies) if (!uploading.has(id)) await calls.delete(bodyPath(key, id))
      })
    )
  }

  /** Leaves what may still be found, and carries no such tag. */
  #tidyKey(group: KeyGroup, isDeleted: (head: RecordHead) => boolean): Promise<void> {
    const { key } = group
    const { mutex, deletions } = this.#context
    return mutex.run(key, async () => {
      const deletion = group.isDeleted ? await deletions.lastOf(key) : NEVER
      const heads = await this.#headsOf(group)
      const isKept = (head: RecordHead) =>
        (deletion === NEVER || head.epoch === deletion) && !isDeleted(head) && isLive(this.#context, head)
      // Others are found by way of the first.
      const kept = new Map(heads.has(key) ? [...heads].filter(([, head]) => isKept(head)) : [])
      for (const [name, head] of heads) {
        if (kept.has(name)) continue
        if (name === key && kept.size > 0) await this.#deletion.hollow(key, head)
        else await this.#deletion.unlink(name, head)
      }
      await this.#removeOrphans(group, new Set([...kept.values()].map(head => head.body?.id)))
      if (group.isDeleted) await deletions.forgetKey(key, deletion)
    })
  }

  /** What the records of a key say of themselves now. */
  async #headsOf({ key, records, bodies }: KeyGroup): Promise<ReadonlyMap<string, RecordHead>> {
    const heads = new Map<string, RecordHead>()
    if (records.length === 0 && bodies.length === 0) return heads
    for (const name of new Set([key, ...records])) {
      const head = await this.#context.records.readHead(name)
      if (head === 'damaged') await this.#context.calls.delete(recordPath(name))
      else if (head !== undefined) heads.set(name, head)
    }
    return heads
  }

  /** A body without a record may be one that is still to get one, for a day. */
  async #removeOrphans({ key, bodies }: KeyGroup, kept: ReadonlySet<string | undefined>): Promise<void> {
    const { calls, uploading } = this.#context
    for (const id of bodies) {
      const isOld = Date.now() - timeOfId(id) > KEPT_MS
      if (isOld && !kept.has(id) && !uploading.has(id)) await calls.delete(bodyPath(key, id))
    }
  }
}
