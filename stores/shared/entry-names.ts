import { randomBytes } from 'node:crypto'
import { digestOf } from './digest.ts'

/** Names of files, as this store makes them: of a key, of one of its variants, and of the body of either. */
const RECORD_NAME = /^[\da-f]{64}(?:-[\da-f]{32})?$/
const BODY_NAME = /^([\da-f]{64}(?:-[\da-f]{32})?)~([\da-f]{32})$/

export { digestOf }

/** The digest of a tag, in 32 hexadecimal digits. */
export function tagDigestOf(tag: string): string {
  return digestOf(tag).slice(0, 32)
}

/** The record of a variant that is not the key's first. Begins with the key's own name, and shares its folder. */
export function variantName(keyName: string, variantDigest: string): string {
  return `${keyName}-${variantDigest.slice(0, 32)}`
}

export function keyNameOf(recordName: string): string {
  return recordName.slice(0, 64)
}

export function isRecordName(name: string): boolean {
  return RECORD_NAME.test(name)
}

export function bodyName(recordName: string, bodyId: string): string {
  return `${recordName}~${bodyId}`
}

/** Whose body it is, by the name of its file; undefined for another file. */
export function partsOfBodyName(name: string): { readonly recordName: string; readonly bodyId: string } | undefined {
  const [, recordName, bodyId] = BODY_NAME.exec(name) ?? []
  return recordName === undefined || bodyId === undefined ? undefined : { recordName, bodyId }
}

/** 32 hexadecimal digits that nobody else comes upon. */
export function randomName(): string {
  return randomBytes(16).toString('hex')
}
