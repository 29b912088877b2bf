import assert from 'node:assert/strict'
import { cacheKey } from '../../../lib/rfc9111/cache-key.ts'
import type { Candidates } from '../../../lib/rfc9111/decide-request.ts'
import { decideResponse, NO_REVALIDATION, type ResponseDecision } from '../../../lib/rfc9111/decide-response.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import type { Entry, FieldLine, Policy, Request, Response } from '../../../lib/rfc9111/types.ts'
import { variantKey } from '../../../lib/rfc9111/vary.ts'
import type { PolicyOptions, RequestSpec, ResponseSpec, StoredSpec } from './row.ts'

/** When a row's request is made: a whole second, so that dates in rows are exact. */
export const NOW_MS = Date.UTC(2026, 0, 15, 12)

export const ORIGIN = 'http://a.test'

/** A shared cache with the default options. */
export const DEFAULTS: Policy = {
  shared: true,
  privateByCookie: false,
  methods: new Set(['GET', 'HEAD']),
  statusCodes: undefined,
  alwaysCache: false,
  defaultFreshnessSeconds: undefined,
  maxHeuristicSeconds: 86_400,
  retainSeconds: 604_800,
  staleWhileRevalidateSeconds: undefined,
  staleIfErrorSeconds: undefined,
  whenDisconnected: 'error',
  storeSetCookie: false,
  targetList: []
}

/** What a store does, without bodies. */
export class Shelf {
  #entries: Entry[] = []

  /** In the order in which they were stored: which is the most recent is for the engine to say. */
  lookUp(request: Request): Candidates {
    const known = this.#entries.filter(({ key }) => key === request.key)
    const selected = known.filter(entry => variantKey(request, entry.vary) === entry.variantKey)
    return { stored: selected.map(entry => ({ entry })), otherVariants: selected.length < known.length }
  }

  put(entry: Entry): void {
    this.#entries = this.#entries.filter(({ key, variantKey }) => key !== entry.key || variantKey !== entry.variantKey)
    this.#entries.push(entry)
  }

  byId(id: string): Entry | undefined {
    return this.#entries.find(entry => entry.id === id)
  }

  obey(decision: ResponseDecision): void {
    this.#entries = this.#entries
      .filter(({ key }) => !decision.deletes.includes(key))
      .filter(({ id }) => !decision.removes.some(removed => removed.id === id))
      .map(entry => decision.updates.find(({ id }) => id === entry.id) ?? entry)
    if ('entry' in decision && decision.entry !== undefined) this.put(decision.entry)
  }
}

export function shelfOf(stored: StoredSpec | readonly StoredSpec[] = [], policy: Policy): Shelf {
  const shelf = new Shelf()
  const specs = 'response' in stored ? [stored] : stored
  for (const [index, spec] of specs.entries()) {
    const request = requestOf(spec.request)
    const response = responseOf(spec.response, NOW_MS - spec.ago * 1000)
    const exchange = { request, response, revalidation: NO_REVALIDATION, entryId: `#${index + 1}` }
    const decision = decideResponse(exchange, policy)
    assert(decision.kind === 'store', `what the row says is stored was refused: ${decision.reason}`)
    const { bytes, part = { start: 0, end: bytes ?? 0 } } = spec
    const body = bytes === undefined ? {} : { completeLength: bytes, segments: [part] }
    shelf.put({ ...decision.entry, ...body })
  }
  return shelf
}

export function policyOf({ methods, statusCodes, ...options }: PolicyOptions = {}): Policy {
  return {
    ...DEFAULTS,
    ...options,
    methods: methods === undefined ? DEFAULTS.methods : new Set(methods),
    statusCodes: statusCodes === undefined ? undefined : new Set(statusCodes)
  }
}

export function requestOf({ method, lines, path, host, partition }: RequestSpec): Request {
  const fields = fieldsOf(lines.map(line => parseLine(line, NOW_MS)))
  return { method, key: cacheKey(ORIGIN, path, host), targetUri: ORIGIN + path, fields, partition }
}

export function responseOf({ statusCode, lines, tookMs }: ResponseSpec, responseTimeMs: number): Response {
  return {
    statusCode,
    statusText: `Status ${statusCode}`,
    lines: lines.map(line => parseLine(line, responseTimeMs)),
    requestTimeMs: responseTimeMs - tookMs,
    responseTimeMs
  }
}

function parseLine(line: string, relativeToMs: number): FieldLine {
  const colon = line.indexOf(':')
  // String.trim would take a no-break space as well.
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  return [line.slice(0, colon), value.replace(/\{([-+]?\d+)\}/g, (_, s) => httpDate(relativeToMs + Number(s) * 1000))]
}

function httpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

export function keyOf(path: string): string {
  return path.startsWith('/') ? ORIGIN + path : path
}
