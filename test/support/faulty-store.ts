// A store one of whose operations goes wrong, as a test says.
import type { StoreOperation } from 'undici-http-cache'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type {
  Body,
  BodyWriter,
  CacheStore,
  Lookup,
  MaybePromise,
  PutOptions,
  Stored,
  UpdateOptions
} from '../../stores/store.ts'

/** What an operation does in place of what it should, which it can still do by `real()`. */
export type Fault = (real: () => unknown) => unknown

export class FaultyStore implements CacheStore {
  readonly capabilities
  readonly faults: { [operation in StoreOperation | 'asOf']?: Fault | undefined } = {}
  /** Operations that have begun, in order. */
  readonly operations: string[] = []
  readonly #inner: CacheStore

  constructor(inner: CacheStore) {
    this.#inner = inner
    this.capabilities = inner.capabilities
  }

  get maxEntrySizeBytes(): number | undefined {
    return this.#inner.maxEntrySizeBytes
  }

  countOf(operation: string): number {
    return this.operations.filter(name => name === operation).length
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup> {
    return this.#call('get', () => {
      const found = this.#inner.get(key, variantOf)
      return found instanceof Promise ? found.then(lookup => this.#lookup(lookup)) : this.#lookup(found)
    })
  }

  put(entry: Entry, options?: PutOptions): MaybePromise<BodyWriter | undefined> {
    return this.#call('put', () => {
      const writer = this.#inner.put(entry, options)
      return writer instanceof Promise ? writer.then(started => this.#writer(started)) : this.#writer(writer)
    })
  }

  update(entry: Entry, options?: UpdateOptions): MaybePromise<boolean> {
    return this.#call('update', () => this.#inner.update(entry, options))
  }

  remove(entry: Entry): MaybePromise<void> {
    return this.#call('delete', () =>
      this.#inner.remove === undefined ? this.#inner.delete(entry.key) : this.#inner.remove(entry)
    )
  }

  delete(key: CacheKey): MaybePromise<void> {
    return this.#call('delete', () => this.#inner.delete(key))
  }

  deleteByTag(tag: string): MaybePromise<void> {
    return this.#call('delete', () => this.#inner.deleteByTag(tag))
  }

  clear(): MaybePromise<void> {
    return this.#call('clear', () => this.#inner.clear())
  }

  close(): MaybePromise<void> {
    return this.#call('close', () => this.#inner.close())
  }

  #call<T>(operation: StoreOperation | 'asOf', real: () => T): T {
    this.operations.push(operation)
    const fault = this.faults[operation]
    return fault === undefined ? real() : (fault(real) as T)
  }

  #lookup(found: Lookup): Lookup {
    return {
      otherVariants: found.otherVariants,
      stored: found.stored.map(stored => this.#stored(stored)),
      asOf: () => this.#call('asOf', () => found.asOf())
    }
  }

  #stored(stored: Stored): Stored {
    return {
      entry: stored.entry,
      open: range =>
        this.#call('open', () => {
          const body = stored.open(range)
          return body instanceof Promise ? body.then(opened => this.#body(opened)) : this.#body(body)
        })
    }
  }

  #body(body: Body | undefined): Body | undefined {
    if (body === undefined || body instanceof Uint8Array || Array.isArray(body)) return body
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#call('read', () => iterator.next()),
        return: async () => (await iterator.return?.()) ?? { done: true, value: undefined }
      })
    }
  }

  #writer(writer: BodyWriter | undefined): BodyWriter | undefined {
    if (writer === undefined) return undefined
    return {
      write: chunk => this.#call('write', () => writer.write(chunk)),
      commit: entry => this.#call('commit', () => writer.commit(entry)),
      abort: () => this.#call('abort', () => writer.abort())
    }
  }
}
