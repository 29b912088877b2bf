import { Buffer } from 'node:buffer'
import { digestOf } from '../shared/digest.ts'

/** Characters of a short digest: 132 bits. What it names is verified where it matters. */
const SHORT = 22

/** Bytes of body in a chunk; the last may have fewer. With what Redis sends around it, a chunk comes in one read of a socket,
 * which takes 64 KiB: what does not is copied by ioredis, into pools that grow with the speed of reading. */
export const CHUNK_BYTES = 61_440

/** Names a cache key, a variant, a tag or a lease. */
export function shortDigestOf(text: string): string {
  return digestOf(text, 'base64url').slice(0, SHORT)
}

/** What stands for a variant key in records: 64 hexadecimal digits. */
export function variantDigestOf(variantKey: string): string {
  return digestOf(variantKey, 'hex')
}

/** The field that holds a variant in the hash of its key. */
export function fieldOf(variantDigest: string): string {
  return Buffer.from(variantDigest.slice(0, 36), 'hex').toString('base64url').slice(0, SHORT)
}

/** What the checksum of a chunk covers beside its bytes. */
export function chunkNameOf(bodyName: string, index: number): string {
  return `${bodyName} ${index}`
}

/** The names of everything that one namespace and serializer keep in Redis. */
export class Names {
  readonly prefix: string
  /** The log of deletions. */
  readonly deletionLog: string

  constructor(namespace: string, serializerName: string, version: number) {
    this.prefix = `${namespace}:${serializerName}.${version}:`
    this.deletionLog = `${this.prefix}deletions`
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
