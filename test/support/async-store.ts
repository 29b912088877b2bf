// A store outside the process, as far as its callers can tell: everything takes a while, bodies come in pieces.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StoreOperation } from 'undici-http-cache'
import { MemoryStore, type MemoryStoreOptions } from 'undici-http-cache/stores/memory'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, CacheStore, Lookup, PutOptions, Stored, UpdateOptions } from '../../stores/store.ts'

/** Settles when the operation may go on. */
export type Pace = (operation: StoreOperation) => Promise<unknown>

export class AsyncStore implements CacheStore {
  readonly memory: MemoryStore
  readonly capabilities = { tags: true, ranges: true, shared: false } as const
  /** How long operations take: a turn of the event loop, until a test says otherwise. */
  pace: Pace = () => nextTurn()
  /** Operations that have begun, in order. */
  readonly operations: StoreOperation[] = []

  constructor(options: MemoryStoreOptions = {}) {
    this.memory = new MemoryStore(options)
  }

  get maxEntrySizeBytes(): number {
    return this.memory.maxEntrySizeBytes
  }

  async get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Promise<Lookup> {
    await this.begin('get')
    const found = this.memory.get(key, variantOf)
    const position = await found.asOf()
    return {
      stored: found.stored.map(stored => this.#slowly(stored)),
      otherVariants: found.otherVariants,
      asOf: async () => position
    }
  }

  async put(entry: Entry, options?: PutOptions): Promise<BodyWriter | undefined> {
    await this.begin('put')
    const writer = this.memory.put(entry, options)
    if (writer === undefined) return undefined
    return {
      write: async chunk => {
        await this.begin('write')
        await writer.write(chunk)
      },
      commit: async finished => {
        await this.begin('commit')
        return writer.commit(finished)
      },
      abort: async () => {
        await this.begin('abort')
        await writer.abort()
      }
    }
  }

  async update(entry: Entry, options?: UpdateOptions): Promise<boolean> {
    await this.begin('update')
    return this.memory.update(entry, options)
  }

  async remove(entry: Entry): Promise<void> {
    await this.begin('delete')
    this.memory.remove(entry)
  }

  async delete(key: CacheKey): Promise<void> {
    await this.begin('delete')
    this.memory.delete(key)
  }

  async deleteByTag(tag: string): Promise<void> {
    await this.begin('delete')
    this.memory.deleteByTag(tag)
  }

  async clear(): Promise<void> {
    await this.begin('clear')
    this.memory.clear()
  }

  async close(): Promise<void> {
    await this.begin('close')
    this.memory.close()
  }

  /** Notes that an operation has begun, and takes its time. */
  async begin(operation: StoreOperation): Promise<void> {
    this.operations.push(operation)
    await this.pace(operation)
  }

  #slowly(stored: Stored): Stored {
    const { entry } = stored
    return {
      entry,
      open: async range => {
        await this.begin('open')
        const body = await stored.open(range)
        return body instanceof Uint8Array || Array.isArray(body) ? this.#read([body].flat()) : body
      }
    }
  }

  async *#read(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) {
      for (let start = 0; start < piece.byteLength; start += 65_536) {
        await this.begin('read')
        yield piece.subarray(start, start + 65_536)
      }
    }
  }
}
