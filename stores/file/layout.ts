import { join, sep } from 'node:path'
import { bodyName, isRecordName, partsOfBodyName, randomName } from '../shared/entry-names.ts'

/** Part of the storage path: files of another version are not found. */
const LAYOUT_VERSION = 1

const SHARD = /^[\da-f]{2}$/
const LOG = /^log-(\d{8})$/
const TRASH = /^trash-[\da-f]{32}$/
const DRAFT = /^new-[\da-f]{32}$/
const TEMPORARY = /^[\da-f]{32}\.tmp$/
const LOG_FILE = 'deletions'

/** Where the files of one store are. All that it makes lies in `storage`:
 *
 *     <directory>/<serializer>-<version>/
 *       entries/ab/abcd...                a record: the first variant of the key with this SHA-256
 *       entries/ab/abcd...-0123...        the record of another variant
 *       entries/ab/abcd...~4567...        the body of either, where it is large
 *       log-00000001/deletions            what was deleted, see deletion-log.ts
 *       log-00000001/89ab....tmp          what is being written, begun while that log was the last
 *       new-89ab...                       the folder of the next log, until it is complete
 *       trash-cdef...                     what is being removed
 *       swept                             the size of it all, as of the last sweep
 */
export class Layout {
  readonly storage: string
  readonly entries: string

  constructor(directory: string, serializerName: string) {
    this.storage = join(directory, `${serializerName}-${LAYOUT_VERSION}`)
    this.entries = join(this.storage, 'entries')
  }

  recordPath(name: string): string {
    return this.shardPath(name) + sep + name
  }

  /** The folder of a record, a body or a key. */
  shardPath(name: string): string {
    return this.entries + sep + name.slice(0, 2)
  }

  bodyPath(recordName: string, bodyId: string): string {
    return this.recordPath(bodyName(recordName, bodyId))
  }

  logFolder(generation: number): string {
    return join(this.storage, `log-${String(generation).padStart(8, '0')}`)
  }

  logPath(generation: number): string {
    return join(this.logFolder(generation), LOG_FILE)
  }

  sweptPath(): string {
    return join(this.storage, 'swept')
  }

  /** A new name for what is being written while that log is the last. */
  newTemporary(generation: number): string {
    return join(this.logFolder(generation), `${randomName()}.tmp`)
  }

  newTrash(): string {
    return join(this.storage, `trash-${randomName()}`)
  }

  /** A new folder for a log, and the log in it. */
  newDraft(): { readonly folder: string; readonly log: string } {
    const folder = join(this.storage, `new-${randomName()}`)
    return { folder, log: join(folder, LOG_FILE) }
  }
}

/** The number in the name of a log's folder; undefined for another name. */
export function generationIn(name: string): number | undefined {
  const digits = LOG.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export function isShard(name: string): boolean {
  return SHARD.test(name)
}

export function isTrash(name: string): boolean {
  return TRASH.test(name)
}

export function isDraft(name: string): boolean {
  return DRAFT.test(name)
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}

/** Whether a store makes files of that name. */
export function isOwnFile(name: string): boolean {
  return isRecordName(name) || partsOfBodyName(name) !== undefined || name === LOG_FILE || TEMPORARY.test(name)
}
