import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'

/** SHA-256 of any string, 32 bytes. In UTF-16, where no two strings are the same. */
export function digestOf(text: string): Buffer {
  return hash('sha256', Buffer.from(text, 'utf16le'), 'buffer')
}

/** The same as text. */
export function textDigestOf(text: string, encoding: 'hex' | 'base64url'): string {
  return hash('sha256', Buffer.from(text, 'utf16le'), encoding)
}
