import { type Stats, statSync } from 'node:fs'
import { lockPathOf, setAside } from './data-file.ts'

/** The files that a process has opened, by what the file system knows them by. Another process may have set them aside, or
 * somebody may have removed them: what is written then is lost, and what is read may have been deleted long since. */
export class Place {
  readonly #path: string
  readonly #data: Stats | undefined
  readonly #lock: Stats | undefined

  /** The files that are there now. */
  constructor(path: string) {
    this.#path = path
    this.#data = look(path)
    this.#lock = look(lockPathOf(path))
  }

  isAsItWas(): boolean {
    return isSame(look(this.#path), this.#data) && isSame(look(lockPathOf(this.#path)), this.#lock)
  }

  /** Where the lock alone has gone nobody keeps two processes from writing at once: the data file goes too. */
  leave(): void {
    try {
      if (isSame(look(this.#path), this.#data)) setAside(this.#path)
    } catch {
      // Who opens it next is told.
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
