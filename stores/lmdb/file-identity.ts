import { type Stats, statSync } from 'node:fs'
import { lockPathOf, setAside } from './data-file.ts'

/** The files that a process has opened, by their inodes. Another process may have set them aside, or somebody may have
 * removed them: what is written then is lost, and what is read may have been deleted long since. */
export class FileIdentity {
  readonly #path: string
  readonly #data: Stats | undefined
  readonly #lock: Stats | undefined

  /** The files that are there now. */
  constructor(path: string) {
    this.#path = path
    this.#data = look(path)
    this.#lock = look(lockPathOf(path))
  }

  areUnchanged(): boolean {
    return isSame(look(this.#path), this.#data) && isSame(look(lockPathOf(this.#path)), this.#lock)
  }

  /** Sets the data file aside, unless it was replaced: where the lock file alone has gone, nothing keeps two processes from
   * writing at once. */
  setAside(): void {
    try {
      if (isSame(look(this.#path), this.#data)) setAside(this.#path)
    } catch {
      // The next opening fails with what is wrong.
    }
  }
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

function isSame(found: Stats | undefined, known: Stats | undefined): boolean {
  return found !== undefined && known !== undefined && found.ino === known.ino && found.dev === known.dev
}
