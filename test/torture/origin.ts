// An HTTP server on loopback whose every answer says which one it is, so that whatever a client gets can be traced to
// the moment in which the origin said it.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Behaviour, Plan } from './plan.ts'
import {
  bytesOf,
  etagOf,
  FRESHNESS,
  type FreshnessName,
  type Identity,
  lastModifiedOf,
  nameOf,
  type Resource,
  sizeOf
} from './resource.ts'

/** One header section that the origin has sent. Its number is an extension of Cache-Control, which a cache keeps with
 * the response and replaces with each validation. */
export interface Emission {
  readonly serial: number
  /** Whose request it answered. */
  readonly exchange: number
  readonly identity: Identity
  /** Of a POST: the cache that it went through. */
  readonly changedThrough: number | undefined
  readonly status: number
  readonly freshness: FreshnessName
  /** When the request reached the origin, and when the answer was made: the cache's clock, in milliseconds. */
  readonly askedAtMs: number
  readonly atMs: number
}

const MAX_CHUNKS = 100

export interface OriginOptions {
  readonly resources: readonly Resource[]
  readonly now: () => number
  planOf(exchange: number): Plan
}

export class TortureOrigin {
  readonly server: Server
  readonly emissions: Emission[] = []
  readonly #options: OriginOptions
  readonly #versions = new Map<string, number>()
  /** How many requests of an exchange have come. */
  readonly #attempts = new Map<number, number>()
  readonly #underWay = new Set<Promise<void>>()
  /** What an exchange has changed the version to, by a POST. */
  readonly changedBy = new Map<number, number>()
  /** Exchanges that were answered with an error. */
  readonly failed = new Set<number>()
  /** Exchanges that were told that there is nothing. */
  readonly missed = new Set<number>()
  requests = 0
  cuts = 0

  private constructor(options: OriginOptions) {
    this.#options = options
    this.server = createServer((message, response) => {
      response.on('error', () => {})
      message.on('error', () => {})
      const answered = this.#answer(message, response).catch(error => {
        response.destroy(error)
      })
      this.#underWay.add(answered)
      void answered.then(() => this.#underWay.delete(answered))
    })
    // Clients give up idle connections before the server does: a request is never lost in between.
    this.server.keepAliveTimeout = 60_000
  }

  static async start(options: OriginOptions): Promise<TortureOrigin> {
    const origin = new TortureOrigin(options)
    origin.server.listen(0, '127.0.0.1')
    await once(origin.server, 'listening')
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  versionOf({ path }: Resource): number {
    return this.#versions.get(path) ?? 1
  }

  /** What it has to say of an exchange. */
  describe(exchange: number): string {
    const answers = this.emissions.filter(emission => emission.exchange === exchange).map(({ status }) => status)
    return `${this.#attempts.get(exchange) ?? 0} of its requests came to the origin, and were answered with ${answers.join(', ') || 'nothing'}`
  }

  /** How many connections are open. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
    )
  }

  /** Settles once the port is free and nothing is being answered. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
    await Promise.all(this.#underWay)
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++
    const askedAtMs = this.#options.now()
    const exchange = Number(message.headers['x-exchange'])
    const plan = this.#options.planOf(exchange)
    const attempt = this.#attempts.get(exchange) ?? 0
    this.#attempts.set(exchange, attempt + 1)
    const behaviour = plan.behaviours[Math.min(attempt, plan.behaviours.length - 1)] as Behaviour
    for await (const _chunk of message) {
      // What a POST brings is of no interest.
    }
    if (behaviour.delayMs > 0) await sleep(behaviour.delayMs)
    if (behaviour.changes) this.#change(plan.resource)
    const isUnsafe = message.method === 'POST'
    if (isUnsafe && behaviour.status === undefined) {
      this.#change(plan.resource)
      this.changedBy.set(exchange, this.versionOf(plan.resource))
    }
    if (behaviour.cut === 'before') return this.#cut(message)
    const identity = identityFor(plan.resource, this.versionOf(plan.resource), message.headers)
    const emit = (status: number, freshness: FreshnessName): Emission => {
      const serial = this.emissions.length
      const atMs = this.#options.now()
      const changedThrough = isUnsafe ? plan.cache : undefined
      const emission = { serial, exchange, identity, changedThrough, status, freshness, askedAtMs, atMs }
      this.emissions.push(emission)
      if (status >= 500) this.failed.add(exchange)
      if (status === 404) this.missed.add(exchange)
      return emission
    }
    const reply = isUnsafe ? replyToPost(plan, behaviour, identity) : replyTo(message, behaviour, identity)
    const emission = emit(reply.status, reply.freshness)
    await this.#send(message, response, behaviour, emission, reply)
  }

  #change({ path }: Resource): void {
    this.#versions.set(path, (this.#versions.get(path) ?? 1) + 1)
  }

  /** By the request's socket: the response may not have got it yet. */
  #cut({ socket }: IncomingMessage): void {
    this.cuts++
    socket.destroy()
  }

  async #send(
    message: IncomingMessage,
    response: ServerResponse,
    behaviour: Behaviour,
    emission: Emission,
    reply: Reply
  ): Promise<void> {
    const { method } = message
    const { identity, status, atMs } = emission
    const { resource } = identity
    const { start, end } = reply.content
    const directives = [FRESHNESS[reply.freshness].directives, `x-serial=${emission.serial}`].filter(
      text => text !== ''
    )
    response.sendDate = false
    const isChunked = resource.isChunked && status !== 206
    const hasTrailers = resource.hasTrailers && status === 200 && method === 'GET'
    const fields: Record<string, string | undefined> = {
      date: new Date(atMs).toUTCString(),
      'cache-control': directives.join(', '),
      'x-serial': `${emission.serial}`,
      vary: resource.vary.length === 0 ? undefined : resource.vary.join(', '),
      'content-length': status === 304 || isChunked || hasTrailers ? undefined : `${end - start}`,
      ...reply.fields
    }
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) response.setHeader(name, value)
    response.writeHead(status)
    if (method === 'HEAD' || status === 304) {
      response.end()
      return
    }
    const cutAt = typeof behaviour.cut === 'number' ? start + Math.floor(behaviour.cut * (end - start)) : undefined
    let pauses = 0
    const chunkBytes = Math.max(behaviour.chunkBytes, Math.ceil((end - start) / MAX_CHUNKS))
    for (let at = start; at < end; at += chunkBytes) {
      if (cutAt !== undefined && at + chunkBytes > cutAt) {
        if (cutAt > at) await written(response, bytesOf(identity, at, cutAt))
        return this.#cut(message)
      }
      await written(response, bytesOf(identity, at, Math.min(end, at + chunkBytes)))
      if (response.destroyed) return
      // So that the largest take no longer than others.
      if (behaviour.pauseMs > 0 && pauses++ < 5) await sleep(behaviour.pauseMs)
    }
    if (hasTrailers) response.addTrailers({ 'x-trailer': nameOf(identity) })
    response.end()
  }
}

interface Reply {
  readonly status: number
  readonly freshness: FreshnessName
  readonly fields: Record<string, string | undefined>
  /** Bytes of the representation. */
  readonly content: { readonly start: number; readonly end: number }
}

type Headers = IncomingMessage['headers']

/** Whose representation a request selects. */
export function identityFor(resource: Resource, version: number, headers: Headers): Identity {
  const variant = resource.vary
    .filter(name => name !== 'authorization')
    .map(name => `${headers[name] ?? 'none'}`)
    .join('|')
  return {
    resource,
    version,
    variant: variant === '' ? 'any' : variant,
    credential: headers.authorization ?? 'nobody'
  }
}

function replyTo({ method, headers }: IncomingMessage, { status }: Behaviour, identity: Identity): Reply {
  const { resource } = identity
  const size = sizeOf(identity)
  if (status !== undefined) {
    const freshness = status === 404 ? 'short' : 'noStore'
    return { status, freshness, fields: {}, content: { start: 0, end: 10 } }
  }
  const fields = {
    etag: etagOf(identity),
    'last-modified': lastModifiedOf(identity),
    'x-identity': nameOf(identity),
    'accept-ranges': resource.ranges === 'refused' ? 'none' : undefined
  }
  const { freshness } = resource
  const whole = { start: 0, end: size }
  if (isUnchanged(headers, fields.etag, fields['last-modified'])) {
    return { status: 304, freshness, fields: { ...fields, 'x-identity': undefined }, content: { start: 0, end: 0 } }
  }
  const range = method === 'GET' && resource.ranges === 'served' ? rangeOf(headers, size, fields) : undefined
  if (range === undefined) return { status: 200, freshness, fields, content: whole }
  if (range === 'unsatisfiable') {
    const unsatisfiable = { 'content-range': `bytes */${size}` }
    return { status: 416, freshness, fields: unsatisfiable, content: { start: 0, end: 0 } }
  }
  const contentRange = `bytes ${range.start}-${range.end - 1}/${size}`
  return { status: 206, freshness, fields: { ...fields, 'content-range': contentRange }, content: range }
}

function replyToPost({ answersForGet, resource }: Plan, { status }: Behaviour, identity: Identity): Reply {
  if (status !== undefined) return { status, freshness: 'noStore', fields: {}, content: { start: 0, end: 10 } }
  if (!answersForGet) {
    return {
      status: 200,
      freshness: 'noStore',
      fields: { 'x-identity': nameOf(identity) },
      content: { start: 0, end: 5 }
    }
  }
  const fields = {
    'content-location': resource.path,
    etag: etagOf(identity),
    'last-modified': lastModifiedOf(identity),
    'x-identity': nameOf(identity)
  }
  return { status: 200, freshness: resource.freshness, fields, content: { start: 0, end: sizeOf(identity) } }
}

/** RFC 9110 §13.1.2, §13.1.3; dates are taken for opaque validators. */
function isUnchanged(headers: Headers, etag: string | undefined, lastModified: string | undefined): boolean {
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) {
    return etag !== undefined && noneMatch.split(',').some(tag => opaque(tag.trim()) === opaque(etag))
  }
  return lastModified !== undefined && headers['if-modified-since'] === lastModified
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, '')
}

/** RFC 9110 §14.2: undefined is the whole. */
function rangeOf(
  headers: Headers,
  size: number,
  {
    etag,
    'last-modified': lastModified
  }: { readonly etag: string | undefined; readonly 'last-modified': string | undefined }
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const ifRange = headers['if-range']
  if (ifRange !== undefined) {
    const isStrong = etag !== undefined && !etag.startsWith('W/') && ifRange === etag
    if (!isStrong && ifRange !== lastModified) return undefined
  }
  return headers.range === undefined ? undefined : selectedBy(headers.range, size)
}

/** What one range selects of so many bytes; undefined for what is none, or more than one, which is the whole. */
export function selectedBy(
  range: string,
  size: number
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    if (last === '0') return 'unsatisfiable'
    return size === 0 ? undefined : { start: Math.max(0, size - Number(last)), end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(Number(last) + 1, size)
  if (last !== '' && Number(last) < start) return undefined
  return start < size ? { start, end } : 'unsatisfiable'
}

/** At the pace of whoever reads. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> | undefined {
  if (response.destroyed || response.write(bytes)) return undefined
  return new Promise(resolve => {
    const settle = () => {
      response.off('drain', settle)
      response.off('close', settle)
      resolve()
    }
    response.on('drain', settle)
    response.on('close', settle)
  })
}
