import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'

/** Characters of a short digest: 132 bits. What it names is verified where it matters. */
const SHORT = 22

/** Names a cache key, a variant or a tag: SHA-256 of any string, in UTF-16, where no two strings are the same. */
export function shortDigestOf(text: string): string {
  return hash('sha256', Buffer.from(text, 'utf16le'), 'base64url').slice(0, SHORT)
}

/** What stands for a variant key in records: 64 hexadecimal digits. */
export function fullDigestOf(text: string): string {
  return hash('sha256', Buffer.from(text, 'utf16le'), 'hex')
}

/** The field that holds a variant in the hash of its key. */
export function fieldOf(variantDigest: string): string {
  return Buffer.from(variantDigest.slice(0, 36), 'hex').toString('base64url').slice(0, SHORT)
}

/** The names of everything that one namespace and serializer keep in Redis. */
export class Names {
  readonly prefix: string
  /** The deletions, in the order in which they came. */
  readonly ledger: string

  constructor(namespace: string, serializerName: string, version: number) {
    this.prefix = `${namespace}:${serializerName}.${version}:`
    this.ledger = `${this.prefix}deletions`
  }

  /** The hash with all variants of a cache key. What is in braces decides where it lies in a cluster. */
  hash(keyDigest: string): string {
    return `${this.prefix}{${keyDigest}}`
  }

  /** The hash with the chunks of one body, beside that of its key. */
  body(keyDigest: string, bodyName: string): string {
    return `${this.hash(keyDigest)}:${bodyName}`
  }

  /** The sorted set of the cache keys that carry a tag. */
  tag(tagDigest: string): string {
    return `${this.prefix}tag:{${tagDigest}}`
  }

  /** The hash that says who has a lease, or what was left in its place. */
  lease(leaseDigest: string): string {
    return `${this.prefix}lease:{${leaseDigest}}`
  }
}
