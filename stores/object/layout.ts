import { randomBytes } from 'node:crypto'
import { optionError } from '../../lib/errors.ts'
import { bodyName, digestOf, isRecordName, keyNameOf, partsOfBodyName } from '../shared/entry-names.ts'

/** Beside the store's root: `e/` has the records and bodies of keys, those of one key one behind the other; `d/` says of
 * keys that they were deleted, and `m/` has the marks of deletions that reach more than one. Shards are for file systems. */
export const ENTRIES = 'e/'
export const DELETED_KEYS = 'd/'
export const MARKS = 'm/'

const ID = /^[\da-f]{32}$/
const TIME_DIGITS = 12
const PREFIX = /^(?:[\w.!'()-]+\/)+$/
const MAX_PREFIX = 512

/** What `ENTRIES` has of a key, as listed: a record, or a body. */
export type ListedName =
  | { readonly kind: 'record'; readonly key: string; readonly name: string }
  | { readonly kind: 'body'; readonly key: string; readonly id: string }

/** Where a record is, by its name. With the name of a key: what all that is stored for it begins with. */
export function recordPath(recordName: string): string {
  return `${ENTRIES}${recordName.slice(0, 2)}/${recordName}`
}

export function bodyPath(key: string, bodyId: string): string {
  return `${ENTRIES}${key.slice(0, 2)}/${bodyName(key, bodyId)}`
}

export function deletedKeyPath(key: string): string {
  return `${DELETED_KEYS}${key.slice(0, 2)}/${key}`
}

/** undefined: not a name that this store gives. */
export function parseEntryPath(path: string): ListedName | undefined {
  const name = path.slice(ENTRIES.length + 3)
  if (isRecordName(name)) return { kind: 'record', key: keyNameOf(name), name }
  const body = partsOfBodyName(name)
  return body === undefined ? undefined : { kind: 'body', key: keyNameOf(body.recordName), id: body.bodyId }
}

/** The key in a path of `DELETED_KEYS`. */
export function deletedKeyOf(path: string): string {
  return path.slice(DELETED_KEYS.length + 3)
}

/** 32 hexadecimal digits that nobody else comes upon, with the time in front. */
export function newId(): string {
  return Date.now().toString(16).padStart(TIME_DIGITS, '0').slice(-TIME_DIGITS) + randomBytes(10).toString('hex')
}

/** When that was, in milliseconds since the epoch, by the clock of whoever has made it. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 16)
}

/** What somebody else has written in the place of an id is one all the same. */
export function idOf(text: string): string {
  return ID.test(text) ? text : digestOf(text).slice(0, 32)
}

/** The option `prefix`, with a slash at its end. Throws a TypeError with ERR_CACHE_OPTION. */
export function acceptPrefix(value: unknown): string {
  if (value === '') return ''
  const prefix = typeof value === 'string' && !value.endsWith('/') ? `${value}/` : value
  const isAccepted = typeof prefix === 'string' && prefix.length <= MAX_PREFIX && PREFIX.test(prefix)
  if (!isAccepted || /(?:^|\/)\.+\//.test(prefix)) {
    throw optionError('prefix', `parts of letters, digits and _ - . ! ' ( ) with slashes between them`, value)
  }
  return prefix
}
