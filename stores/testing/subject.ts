import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { ByteRange, CacheKey, CacheStore, Entry, Lookup, Stored, VariantKey } from '../store.ts'
import { chunksOf, readBody } from './bytes.ts'

/** What a request says of itself, as far as stored responses are selected by it. */
export type SelectingFields = Readonly<Record<string, string>>

export const KEY: CacheKey = 'https://store.test/a?b=1'
export const OTHER_KEY: CacheKey = 'https://store.test/other'
export const TAG = 'origin:https://store.test'

const HOUR_MS = 3_600_000

/** One store under test, with what a test needs to speak to it as the interceptor does. */
export class Subject {
  readonly store: CacheStore
  readonly context: TestContext
  readonly maxVariants: number
  readonly #reopen: (store: CacheStore) => Promise<CacheStore | undefined>
  #timeMs = Date.now() - 10_000

  constructor(
    store: CacheStore,
    context: TestContext,
    maxVariants: number,
    reopen: (store: CacheStore) => Promise<CacheStore | undefined>
  ) {
    this.store = store
    this.context = context
    this.maxVariants = maxVariants
    this.#reopen = reopen
  }

  /** A response as it is before its body is known; each is newer than the one before. */
  entry(changes: Partial<Entry> = {}, fields: SelectingFields = {}): Entry {
    const { vary = [] } = changes
    const responseTimeMs = ++this.#timeMs
    return {
      id: randomUUID(),
      key: KEY,
      variantKey: variantOf(fields)(vary),
      vary,
      method: 'GET',
      statusCode: 200,
      statusText: 'OK',
      lines: [['Cache-Control', 'max-age=3600']],
      trailers: [],
      requestTimeMs: responseTimeMs,
      responseTimeMs,
      completeLength: undefined,
      segments: [],
      tags: [TAG],
      expiresAtMs: responseTimeMs + HOUR_MS,
      ...changes
    }
  }

  /** Stores a response whole. Returns what it was committed as; undefined where the store declined or refused it. */
  async put(entry: Entry, body: Uint8Array = Buffer.from(entry.id), asOf?: unknown): Promise<Entry | undefined> {
    const writer = await this.store.put(entry, asOf === undefined ? {} : { asOf })
    if (writer === undefined) return undefined
    for (const chunk of chunksOf(body)) await writer.write(chunk)
    const whole = finished(entry, body.byteLength)
    return (await writer.commit(whole)) ? whole : undefined
  }

  async get(key: CacheKey = KEY, fields: SelectingFields = {}): Promise<Lookup> {
    return this.lookUp(key, variantOf(fields))
  }

  /** As deep as the store goes, where nothing is found before. */
  async lookUp(key: CacheKey, variant: (fieldNames: readonly string[]) => VariantKey): Promise<Lookup> {
    let lookup = await this.store.get(key, variant)
    while (lookup.stored.length === 0 && lookup.deeper !== undefined) lookup = await lookup.deeper()
    return lookup
  }

  /** The newest response that the request selects. */
  async find(key: CacheKey = KEY, fields: SelectingFields = {}): Promise<Stored | undefined> {
    const { stored } = await this.get(key, fields)
    return [...stored].sort((a, b) => b.entry.responseTimeMs - a.entry.responseTimeMs)[0]
  }

  /** The body of the newest response that the request selects. */
  async bytes(key: CacheKey = KEY, fields: SelectingFields = {}): Promise<Buffer | undefined> {
    return this.read(await this.find(key, fields))
  }

  async read(stored: Stored | undefined, range?: ByteRange): Promise<Buffer | undefined> {
    const body = await stored?.open(range)
    return body === undefined ? undefined : readBody(body)
  }

  /** Ends a test that the store's capabilities leave without a subject. */
  skipUnless(capability: unknown, what: string): boolean {
    if (!capability) this.context.skip(`the store does not ${what}`)
    return !capability
  }

  /** Another instance on the same data, which is closed with the test; undefined where there can be none. */
  async reopened(): Promise<Subject | undefined> {
    const store = await this.#reopen(this.store)
    if (store === undefined) return undefined
    const other = new Subject(store, this.context, this.maxVariants, this.#reopen)
    other.#timeMs = this.#timeMs
    return other
  }
}

/** The entry as the interceptor commits it, once the body has been written. */
export function finished(entry: Entry, byteLength: number): Entry {
  return { ...entry, completeLength: byteLength, segments: [{ start: 0, end: byteLength }] }
}

/** The variants that a request with these fields selects. */
export function variantOf(fields: SelectingFields): (fieldNames: readonly string[]) => VariantKey {
  return names => {
    let key = 'GET\n'
    for (const name of names) key += fields[name] === undefined ? `\n${name}` : `\n${name}:${fields[name]}`
    return key
  }
}

/** Registers one test; each gets a store of its own. */
export type Check = (title: string, run: (subject: Subject) => Promise<void>, maxEntrySizeBytes?: number) => void
