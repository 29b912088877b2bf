import { fieldsOf, firstValue } from '../../lib/rfc9111/fields.ts'
import { judge } from '../../lib/rfc9111/judgement.ts'
import type { CacheKey, Entry, Policy, VariantKey } from '../../lib/rfc9111/types.ts'
import { JsonStringSerializer } from '../../serializers/json-string.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import { keptUntil } from '../shared/store-time.ts'
import type { UndiciResult, UndiciValue } from './contract.ts'

/** The field that holds what undici's contract has no place for: the whole entry but for its variant key, as JSON. */
const RECORD = 'undici-http-cache-record'

/** The end of the year 9999: stores write times as dates, and know no infinity. */
const LATEST_MS = 253_402_300_799_000

/** How the verdicts that undici's contract asks for are reached. Nothing here relies on them but for `deleteAt`. */
const POLICY: Policy = {
  shared: true,
  privateByCookie: false,
  methods: new Set(['GET', 'HEAD']),
  statusCodes: undefined,
  alwaysCache: false,
  defaultFreshnessSeconds: undefined,
  maxHeuristicSeconds: 86_400,
  retainSeconds: 0,
  staleWhileRevalidateSeconds: undefined,
  staleIfErrorSeconds: undefined,
  whenDisconnected: 'error',
  storeSetCookie: false,
  targetList: []
}

/** How long what takes the place of a removed response is kept: stores take nothing that is to be dropped at once. */
const EMPTY_MS = 1000

const serializer = new JsonStringSerializer()

/** Entries by the headers they were read from: a store in memory gives back the same object each time. */
const readEntries = new WeakMap<object, Entry>()

/** An entry as undici's stores keep it: a response like any other, for tools that look at it, and the entry itself. */
export function toValue(entry: Entry): UndiciValue {
  const { lifetime, correctedInitialAgeMs } = judge(entry, POLICY)
  const fields = fieldsOf(entry.lines)
  const etag = firstValue(fields, 'etag')
  const cachedAt = entry.responseTimeMs - correctedInitialAgeMs
  const record = serializer.encode({ version: RECORD_VERSION, entry: { ...entry, variantKey: '' } })
  return {
    statusCode: entry.statusCode,
    statusMessage: entry.statusText,
    headers: { ...fields, [RECORD]: record } as UndiciValue['headers'],
    cacheControlDirectives: {},
    cachedAt,
    staleAt: withinTime(cachedAt + lifetime.ms),
    deleteAt: deleteAtOf(entry),
    ...(etag === undefined ? {} : { etag })
  }
}

/** What is no response to anybody, and soon dropped. */
export function emptyValue(): UndiciValue {
  const now = Date.now()
  return {
    statusCode: 200,
    statusMessage: '',
    headers: {},
    cacheControlDirectives: {},
    cachedAt: now,
    staleAt: now,
    deleteAt: now + EMPTY_MS
  }
}

/** When undici's stores drop an entry that is being written, in real time, which they go by: milliseconds since the epoch. */
export function deleteAtOf(entry: Entry): number {
  return withinTime(Math.ceil(keptUntil(entry)))
}

/** The JSON that says all of an entry; undefined where the store gives back something else. */
export function recordOf(value: Pick<UndiciValue, 'headers'>): string | undefined {
  const record = value.headers?.[RECORD]
  return typeof record === 'string' ? record : undefined
}

/** The entry that a store gives back for a variant; undefined for what is damaged, or another key's: stores may match
 * loosely. */
export function toEntry(result: UndiciResult, key: CacheKey, variantKey: VariantKey): Entry | undefined {
  const known = readEntries.get(result.headers)
  if (known?.key === key && known.variantKey === variantKey) return known
  const record = recordOf(result)
  const read = record === undefined ? undefined : decode(record)
  if (read?.key !== key) return undefined
  const entry = { ...read, variantKey }
  readEntries.set(result.headers, entry)
  return entry
}

function decode(record: string): Entry | undefined {
  try {
    return serializer.decode(record).entry
  } catch {
    return undefined
  }
}

function withinTime(ms: number): number {
  return Math.min(ms, LATEST_MS)
}
