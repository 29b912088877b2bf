import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isUint8Array } from 'node:util/types'
import aws4 from 'aws4'
import { type Dispatcher, request } from 'undici'
import { CacheError, optionError } from '../../../lib/errors.ts'
import type { ObjectBody } from '../driver.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined
}

export interface S3ClientOptions {
  readonly origin: string
  /** The bucket, where it is part of the path. */
  readonly basePath: string
  readonly region: string
  readonly credentials: Credentials | (() => Credentials | Promise<Credentials>)
  readonly dispatcher: Dispatcher
  readonly retries: number
}

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Undefined: the bucket itself. */
  readonly name?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes, pieces of bytes, or what comes once and cannot be sent again. */
  readonly body?: ObjectBody | readonly Uint8Array[]
  /** Bytes of the body. */
  readonly size?: number
  readonly signal: AbortSignal
}

/** Too busy, or out of order for a moment. */
const PASSING = new Set([429, 500, 502, 503, 504])
const FIRST_PAUSE_MS = 100
/** A larger body goes without a digest of its own: what this package writes has checksums within. */
const MAX_SIGNED_BYTES = 262_144

/** Signs requests and sends them; again, for a bounded number of times, where that may help. */
export class S3Client {
  readonly #options: S3ClientOptions

  constructor(options: S3ClientOptions) {
    this.#options = options
  }

  /** Whatever the service answers. Rejects with what undici has failed with. */
  async send(call: S3Request): Promise<Dispatcher.ResponseData> {
    const isOnce = call.body !== undefined && !isUint8Array(call.body) && !Array.isArray(call.body)
    const retries = isOnce ? 0 : this.#options.retries
    for (let i = 0; ; i++) {
      try {
        const response = await this.#sendOnce(call)
        if (i === retries || !PASSING.has(response.statusCode)) return response
        await response.body.dump()
      } catch (error) {
        if (i === retries || call.signal.aborted || Object(error).name === 'TypeError') throw error
      }
      // Not all at the same time.
      await sleep(FIRST_PAUSE_MS * 2 ** i * (0.5 + Math.random()), undefined, { signal: call.signal, ref: false })
    }
  }

  async #sendOnce(call: S3Request): Promise<Dispatcher.ResponseData> {
    const { origin, basePath, region, dispatcher } = this.#options
    const { method, name, query, body, size, signal } = call
    const path = `${basePath}/${encodePath(name ?? '')}${encodeQuery(query)}`
    const headers: Record<string, string> = { ...call.headers, 'x-amz-content-sha256': digestOf(body) }
    if (size !== undefined) headers['content-length'] = String(size)
    const signed = new aws4.RequestSigner(
      { service: 's3', region, method, host: new URL(origin).host, path, headers },
      await this.#credentials()
    ).sign()
    return request(origin + signed.path, {
      method,
      headers: signed.headers as Record<string, string>,
      body: body as Uint8Array,
      signal,
      dispatcher,
      // A cache that the user has composed into the dispatcher is not to ask itself.
      ...{ cache: false }
    })
  }

  async #credentials(): Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string }> {
    const { credentials } = this.#options
    const given: unknown = typeof credentials === 'function' ? await credentials() : credentials
    const { accessKeyId, secretAccessKey, sessionToken } = Object(given)
    if (typeof accessKeyId === 'string' && typeof secretAccessKey === 'string') {
      return { accessKeyId, secretAccessKey, ...(typeof sessionToken === 'string' && { sessionToken }) }
    }
    throw optionError(
      'credentials',
      'what accessKeyId and secretAccessKey are in, or a function that returns that',
      given
    )
  }
}

function digestOf(body: S3Request['body']): string {
  if (body === undefined) return createHash('sha256').digest('hex')
  const isSmall = isUint8Array(body) && body.byteLength <= MAX_SIGNED_BYTES
  return isSmall ? createHash('sha256').update(body).digest('hex') : 'UNSIGNED-PAYLOAD'
}

function encodePath(name: string): string {
  return name.split('/').map(encode).join('/')
}

function encodeQuery(query: S3Request['query']): string {
  const pairs = Object.entries(query ?? {}).map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** RFC 3986 §2.3, as the signature wants it. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, each => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** What comes where it should not. */
export function notInProtocol(what: string): CacheError {
  return new CacheError('ERR_CACHE_STORE', `the object storage has answered ${what} with something else`)
}
