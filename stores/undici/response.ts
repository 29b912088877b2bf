import { randomUUID } from 'node:crypto'
import { cacheKey } from '../../lib/rfc9111/cache-key.ts'
import type { CacheKey, Entry, FieldLine, VariantKey } from '../../lib/rfc9111/types.ts'
import type { UndiciKey, UndiciResult, UndiciValue } from './contract.ts'

/** The part of a value that is undici's verdict, and no response has a place for. */
type Verdict = Pick<UndiciValue, 'etag' | 'cacheControlDirectives' | 'cachedAt' | 'staleAt' | 'deleteAt'>

/** The trailer that holds it, as JSON: undici's contract has no trailers. */
const VERDICT = 'undici-cache-verdict'

/** The key that this package's own interceptor gives the same URI, so that a purge reaches both. */
export function cacheKeyOf({ origin, path, headers }: UndiciKey): CacheKey {
  const normalised = URL.canParse(origin) ? new URL(origin).origin : origin
  const host = headers?.['host']
  return cacheKey(normalised, path, typeof host === 'string' ? host : undefined)
}

/** The variants that a request selects, by undici's rule: the values must be the same. They are never those of this
 * package's own interceptor on the same store, which judges by other rules what may be reused for whom. */
export function variantOf(method: string, values: UndiciValue['vary']): (names: readonly string[]) => VariantKey {
  return names => `undici ${method}\n${JSON.stringify(names.map(name => [name, values?.[name] ?? null]))}`
}

/** A response of undici's as an entry, before its body is known. `nowMs` is when it arrived. */
export function entryOf(key: UndiciKey, value: UndiciValue, nowMs: number): Entry {
  const { vary: values, etag, cacheControlDirectives, cachedAt, staleAt, deleteAt } = value
  const verdict = { etag, cacheControlDirectives, cachedAt, staleAt, deleteAt }
  const vary = Object.keys(values ?? {}).sort()
  const entryKey = cacheKeyOf(key)
  return {
    id: randomUUID(),
    key: entryKey,
    variantKey: variantOf(key.method, values)(vary),
    vary,
    method: key.method === 'HEAD' ? 'HEAD' : 'GET',
    statusCode: value.statusCode,
    statusText: value.statusMessage,
    lines: Object.entries(value.headers).flatMap(([name, given]) => [given].flat().map(line => [name, line] as const)),
    trailers: [[VERDICT, toLatin1(JSON.stringify(verdict))]],
    requestTimeMs: nowMs,
    responseTimeMs: nowMs,
    completeLength: undefined,
    segments: [],
    tags: [`origin:${URL.canParse(key.origin) ? new URL(key.origin).origin : key.origin}`],
    expiresAtMs: deleteAt
  }
}

/** The entry as undici gave it, its body apart; undefined for one that undici did not give. The values of the selecting
 * fields are those of the request that selects it: they may be credentials, and are not kept. */
export function resultOf(entry: Entry, { headers = {} }: UndiciKey): Omit<UndiciResult, 'body'> | undefined {
  const json = entry.trailers.find(([name]) => name === VERDICT)?.[1]
  if (json === undefined) return undefined
  const verdict: Verdict = JSON.parse(json)
  const { statusCode, statusText: statusMessage } = entry
  const { cacheControlDirectives = {} } = verdict
  const result = { ...verdict, cacheControlDirectives, statusCode, statusMessage, headers: headersOf(entry.lines) }
  if (entry.vary.length === 0) return result
  return { ...result, vary: Object.fromEntries(entry.vary.map(name => [name, headers[name] ?? null])) }
}

function headersOf(lines: readonly FieldLine[]): UndiciResult['headers'] {
  const headers = new Map<string, string | string[]>()
  for (const [name, line] of lines) {
    const before = headers.get(name)
    headers.set(name, before === undefined ? line : [before, line].flat())
  }
  return Object.fromEntries(headers)
}

/** JSON with escapes for what is no character of a field value. */
function toLatin1(json: string): string {
  return json.replace(/[^\0-\xff]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
