import { Agent, type Dispatcher } from 'undici'
import { optionError } from '../../lib/errors.ts'
import { isUrl } from '../../lib/foreign-values.ts'
import { flag, nonNegativeInteger } from '../../lib/option-checks.ts'
import type { CallOptions, GetObjectOptions, ObjectBody, ObjectDriver, PutObjectOptions } from './driver.ts'
import { readError } from './s3/answers.ts'
import { responseBody } from './s3/body.ts'
import { type Credentials, S3Client } from './s3/client.ts'
import { listObjects, listUploads } from './s3/listing.ts'
import { abortUpload, MultipartUpload } from './s3/multipart.ts'

export type { Credentials } from './s3/client.ts'

export interface S3DriverOptions {
  /** The bucket, which has to exist. */
  readonly bucket: string
  /** The region, as the service names it.
   * @default `'us-east-1'` */
  readonly region?: string
  /** Where the service is, as `https://host` or `http://host:port`.
   * @default Amazon's of the region */
  readonly endpoint?: string | URL
  /** Whether the bucket is the first part of the path instead of the host's name.
   * @default `true` with `endpoint` */
  readonly pathStyle?: boolean
  /** `{ accessKeyId, secretAccessKey, sessionToken }`, or a function that returns them, called before each request, such
   * as a provider of the AWS SDK. */
  readonly credentials: Credentials | (() => Credentials | Promise<Credentials>)
  /** What sends the requests. A cache that is composed into it has no part in them.
   * @default an `Agent` of its own */
  readonly dispatcher?: Dispatcher
  /** How often a request is sent again where the service is too busy (429, 500, 502, 503, 504) or the connection is
   * lost; not where a body has been streamed.
   * @default `2` */
  readonly retries?: number
  /** The size of the parts in which large bodies of unknown length are sent; three are in memory. Bytes.
   * @default 5 MiB, the least that services take */
  readonly partSizeBytes?: number
}

/** An ObjectDriver for S3, and services that speak its language. */
export interface S3Driver extends ObjectDriver {
  /** Closes the connections of the driver's own Agent. */
  close(): Promise<void>
}

const MIN_PART_BYTES = 5_242_880
/** The most that a service takes in one request. */
const MAX_SINGLE_BYTES = 5_368_709_120
const STALE_MS = 86_400_000

/** An ObjectDriver for S3, and services that speak its language. Needs the package `aws4`.
 *
 * Bodies whose length is known are streamed in one request, others in a multipart upload, which is aborted where it fails.
 * What the service answers with, other than what it was asked for, is a CacheError, ERR_CACHE_STORE, that names the status
 * and the service's code.
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export function s3Driver(options: S3DriverOptions): S3Driver {
  const given: S3DriverOptions = Object(options)
  const { bucket, credentials, dispatcher, endpoint, partSizeBytes = MIN_PART_BYTES } = given
  const { region = 'us-east-1', pathStyle = endpoint !== undefined, retries = 2 } = given
  if (typeof bucket !== 'string' || !/^[\w.-]+$/.test(bucket))
    throw optionError('bucket', 'the name of a bucket', bucket)
  if (typeof region !== 'string' || !/^[\w-]+$/.test(region))
    throw optionError('region', 'the name of a region', region)
  flag('pathStyle', pathStyle)
  if (!isCredentials(credentials) && typeof credentials !== 'function') {
    throw optionError('credentials', 'an object with accessKeyId and secretAccessKey, or a function', credentials)
  }
  if (dispatcher !== undefined && typeof Object(dispatcher).dispatch !== 'function') {
    throw optionError('dispatcher', 'a dispatcher of undici', dispatcher)
  }
  nonNegativeInteger('retries', retries)
  if (!Number.isSafeInteger(partSizeBytes) || partSizeBytes < MIN_PART_BYTES) {
    throw optionError('partSizeBytes', `an integer of at least ${MIN_PART_BYTES} (bytes)`, partSizeBytes)
  }
  const origin = acceptEndpoint(endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (!pathStyle) origin.hostname = `${bucket}.${origin.hostname}`
  const agent = dispatcher === undefined ? new Agent({ connections: MAX_CONNECTIONS }) : undefined
  const client = new S3Client({
    origin: origin.origin,
    basePath: pathStyle ? `/${bucket}` : '',
    region,
    credentials,
    dispatcher: dispatcher ?? (agent as Agent),
    retries
  })
  return new BucketDriver(client, partSizeBytes, agent)
}

const MAX_CONNECTIONS = 256

class BucketDriver implements S3Driver {
  readonly capabilities = { ranges: true, streams: true, ifAbsent: true, shared: true } as const
  readonly #client: S3Client
  readonly #partSizeBytes: number
  readonly #agent: Agent | undefined

  constructor(client: S3Client, partSizeBytes: number, agent: Agent | undefined) {
    this.#client = client
    this.#partSizeBytes = partSizeBytes
    this.#agent = agent
  }

  async get(name: string, { start, end, signal }: GetObjectOptions): Promise<ObjectBody | undefined> {
    const isRange = start !== undefined && end !== undefined
    const headers = isRange ? { range: `bytes=${start}-${end - 1}` } : {}
    const response = await this.#client.send({ method: 'GET', name, headers, signal })
    const { statusCode } = response
    if (statusCode === (isRange ? 206 : 200)) return responseBody(response)
    const error = await readError(response, `GET ${name}`)
    if (statusCode === 404 && error.service !== 'NoSuchBucket') return undefined
    // An object that ends before the range begins.
    if (statusCode === 416) return new Uint8Array()
    throw error
  }

  async put(name: string, body: ObjectBody, { size, ifAbsent = false, signal }: PutObjectOptions): Promise<boolean> {
    if (size === undefined || size > MAX_SINGLE_BYTES) {
      await new MultipartUpload(this.#client, name, this.#partSizeBytes, signal).send(body as AsyncIterable<Uint8Array>)
      return true
    }
    const headers = ifAbsent ? { 'if-none-match': '*' } : {}
    const response = await this.#client.send({ method: 'PUT', name, headers, body, size, signal })
    const { statusCode } = response
    if (statusCode === 200) await response.body.dump()
    if (statusCode === 200) return true
    const error = await readError(response, `PUT ${name}`)
    // 409: another is putting it right now.
    if (ifAbsent && (statusCode === 412 || statusCode === 409)) return false
    throw error
  }

  async delete(name: string, { signal }: CallOptions): Promise<void> {
    const response = await this.#client.send({ method: 'DELETE', name, signal })
    const { statusCode } = response
    if (statusCode === 204 || statusCode === 200) return response.body.dump()
    const error = await readError(response, `DELETE ${name}`)
    if (statusCode !== 404 || error.service === 'NoSuchBucket') throw error
  }

  list(prefix: string, { signal }: CallOptions): AsyncGenerator<string, undefined> {
    return listObjects(this.#client, prefix, signal)
  }

  /** Aborts multipart uploads that were begun more than a day ago. */
  async tidy(prefix: string, { signal }: CallOptions): Promise<void> {
    for await (const { name, uploadId, begunAtMs } of listUploads(this.#client, prefix, signal)) {
      if (Date.now() - begunAtMs > STALE_MS) await abortUpload(this.#client, name, uploadId)
    }
  }

  async close(): Promise<void> {
    await this.#agent?.close()
  }
}

function isCredentials(value: unknown): value is Credentials {
  const { accessKeyId, secretAccessKey } = Object(value)
  return typeof accessKeyId === 'string' && typeof secretAccessKey === 'string'
}

function acceptEndpoint(value: unknown): URL {
  const text = isUrl(value) ? value.href : value
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '') return url
  throw optionError('endpoint', 'an http: or https: URL without a path', value)
}
