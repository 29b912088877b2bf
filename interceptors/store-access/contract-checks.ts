import { isUint8Array } from 'node:util/types'
import { CacheError } from '../../lib/errors.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { Body, BodyWriter, LeaseAnswer, Lookup } from '../../stores/store.ts'

/** Checks a lookup: each response is whole, stored for this key, and selected by this request. Throws a CacheError,
 * ERR_CACHE_STORE, where the store's answer is not what its contract allows; so do the checks below. */
export function checkedLookup(
  lookup: Lookup,
  key: CacheKey,
  variantOf: (names: readonly string[]) => VariantKey
): Lookup {
  if (!Array.isArray(lookup?.stored) || typeof lookup.asOf !== 'function') throw notInContract('get')
  for (const stored of lookup.stored) {
    const entry = stored?.entry
    if (typeof stored?.open !== 'function' || !isEntry(entry)) throw notInContract('get')
    if (entry.key !== key || entry.variantKey !== variantOf(entry.vary)) throw notInContract('get')
  }
  return lookup
}

const checkedEntries = new WeakSet<Entry>()

function isEntry(entry: Entry | undefined): entry is Entry {
  if (typeof entry !== 'object' || entry === null) return false
  if (checkedEntries.has(entry)) return true
  const {
    id,
    key,
    variantKey,
    vary,
    method,
    statusCode,
    statusText,
    lines,
    trailers,
    completeLength = 0,
    segments
  } = entry
  const isWhole =
    [id, key, variantKey, statusText].every(text => typeof text === 'string') &&
    [entry.requestTimeMs, entry.responseTimeMs].every(Number.isFinite) &&
    (method === 'GET' || method === 'HEAD') &&
    Number.isInteger(statusCode) &&
    statusCode >= 200 &&
    statusCode <= 599 &&
    Number.isSafeInteger(completeLength) &&
    completeLength >= 0 &&
    areSegments(segments, completeLength) &&
    Array.isArray(vary) &&
    vary.every(name => typeof name === 'string') &&
    isLines(lines) &&
    isLines(trailers)
  if (isWhole) checkedEntries.add(entry)
  return isWhole
}

/** Whether segments are in order, apart, and within the representation. */
function areSegments(segments: unknown, completeLength: number): boolean {
  let previous = -1
  const areInOrder =
    Array.isArray(segments) &&
    segments.every(segment => {
      const { start, end } = segment ?? {}
      const isNext = Number.isSafeInteger(start) && Number.isSafeInteger(end) && previous < start && start <= end
      previous = end
      return isNext
    })
  return areInOrder && previous <= completeLength
}

function isLines(lines: unknown): boolean {
  return (
    Array.isArray(lines) &&
    lines.every(line => Array.isArray(line) && typeof line[0] === 'string' && typeof line[1] === 'string')
  )
}

/** Checks a body: bytes in memory have the length that was asked for. */
export function checkedBody(body: Body | undefined, expectedBytes: number | undefined): Body | undefined {
  if (body === undefined) return undefined
  if (isUint8Array(body) || Array.isArray(body)) {
    let byteLength = 0
    for (const piece of isUint8Array(body) ? [body] : body) {
      if (!isUint8Array(piece)) throw notInContract('open')
      byteLength += piece.byteLength
    }
    if (byteLength === expectedBytes) return body
    throw new CacheError('ERR_CACHE_BODY', `a body of ${expectedBytes} bytes came back as ${byteLength}`)
  }
  if (typeof (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator] === 'function') return body
  throw notInContract('open')
}

/** Checks a writer; undefined: the store declined. */
export function checkedWriter(writer: BodyWriter | undefined): BodyWriter | undefined {
  if (writer === undefined) return undefined
  const { write, commit, abort } = Object(writer)
  if (typeof write === 'function' && typeof commit === 'function' && typeof abort === 'function') return writer
  throw notInContract('put')
}

/** Checks the answer to a request for a lease. */
export function checkedLease(answer: LeaseAnswer | undefined): LeaseAnswer {
  if (answer === 'held' || answer === 'done' || answer === 'unshared') return answer
  const { renew, release } = Object(answer)
  if (typeof renew !== 'function' || typeof release !== 'function') throw notInContract('lease')
  return answer as LeaseAnswer
}

/** Makes the error for an answer that the contract does not allow. */
function notInContract(method: string): CacheError {
  return new CacheError('ERR_CACHE_STORE', `the store's ${method} answered with something its contract does not allow`)
}
