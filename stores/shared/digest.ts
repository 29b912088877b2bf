import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'

/** SHA-256 of any string, as text. In UTF-16, where no two strings are the same. */
export function digestOf(text: string, encoding: 'hex' | 'base64url' = 'hex'): string {
  return hash('sha256', Buffer.from(text, 'utf16le'), encoding)
}

/** The same as 32 bytes. */
export function digestBytesOf(text: string): Buffer {
  return hash('sha256', Buffer.from(text, 'utf16le'), 'buffer')
}
