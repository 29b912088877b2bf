import { type Connection, runScript } from './connection.ts'
import type { Names } from './layout.ts'
import { LOG_DELETION, POSITION } from './scripts.ts'

/** A deletion as the log has it. */
export const CLEAR = 'c'

export function keyDeletion(keyDigest: string): string {
  return `k${keyDigest}`
}

export function tagDeletion(tagDigest: string): string {
  return `t${tagDigest}`
}

/** The order of deletions; counted by the server. */
export class DeletionLog {
  readonly #connection: Connection
  readonly #names: Names

  constructor(connection: Connection, names: Names) {
    this.#connection = connection
    this.#names = names
  }

  /** Where the order stands. */
  readonly position = async (): Promise<number> => {
    return Number(await runScript(this.#connection, POSITION, [this.#names.deletionLog], []))
  }

  async add(deletion: string): Promise<void> {
    await runScript(this.#connection, LOG_DELETION, [this.#names.deletionLog], [deletion])
  }
}
