import { Buffer } from 'node:buffer'
import { monotonicMs } from '../../lib/event-loop.ts'
import type { DeletionMarks } from './deletion-marks.ts'
import type { DriverCalls } from './driver-calls.ts'
import { deletedKeyPath, idOf, newId, timeOfId } from './layout.ts'

/** Traces of deletions are kept for a day, and responses that took half as long to come are refused. */
export const KEPT_MS = 86_400_000
const MAX_UNDERWAY_MS = KEPT_MS / 2
const ID_BYTES = 32

/** Names the deletions of a key that there have been: the id of the last one. This is where there were none, or none
 * within a day. */
export const NEVER = '0'.repeat(ID_BYTES)

/** Where the deletions stood that can reach a response when it was asked for. */
export class ObjectPosition {
  readonly key: string
  /** The last deletion of the key. */
  readonly deletion: string
  readonly sequence: number
  readonly ordinal: number
  readonly atMs = monotonicMs()

  constructor(key: string, deletion: string, marks: { readonly sequence: number; readonly ordinal: number }) {
    this.key = key
    this.deletion = deletion
    this.sequence = marks.sequence
    this.ordinal = marks.ordinal
  }
}

/** What was deleted, by whichever process. */
export class DeletionLog {
  readonly #calls: DriverCalls
  readonly #marks: DeletionMarks

  constructor(calls: DriverCalls, marks: DeletionMarks) {
    this.#calls = calls
    this.#marks = marks
  }

  async now(key: string): Promise<ObjectPosition> {
    const [deletion] = await Promise.all([this.lastOf(key), this.#marks.ensure()])
    return new ObjectPosition(key, deletion, this.#marks.position)
  }

  /** The last deletion of a key. */
  async lastOf(key: string): Promise<string> {
    const bytes = await this.#calls.read(deletedKeyPath(key), ID_BYTES)
    return bytes === undefined ? NEVER : idOf(bytes.toString('latin1'))
  }

  /** Whether a response that was asked for at this position has been deleted, as far as is known when it has resolved. */
  async hasOvertaken(position: ObjectPosition, tags: readonly string[]): Promise<boolean> {
    if (monotonicMs() - position.atMs > MAX_UNDERWAY_MS || this.#marks.overtook(position.sequence, tags)) return true
    return (await this.lastOf(position.key)) !== position.deletion
  }

  /** As `hasOvertaken`, once more for sure: every deletion that was over before the call is known. */
  async hasSurelyOvertaken(position: ObjectPosition, tags: readonly string[]): Promise<boolean> {
    const [overtaken] = await Promise.all([this.hasOvertaken(position, tags), this.#marks.refresh()])
    return overtaken || this.#marks.overtook(position.sequence, tags)
  }

  /** Has everything that was asked for before count as overtaken. */
  async addKey(key: string): Promise<void> {
    await this.#calls.put(deletedKeyPath(key), Buffer.from(newId(), 'latin1'))
  }

  /** Removes what says that a key was deleted, once it is a day old. */
  async forgetKey(key: string, deletion: string): Promise<void> {
    if (Date.now() - timeOfId(deletion) > KEPT_MS) await this.#calls.delete(deletedKeyPath(key))
  }
}
