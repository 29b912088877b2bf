// A MemoryStore that answers everything with promises, and bodies as they are read: what a store outside the process is
// like, without the process.
import type { BodyWriter, CacheStore, Lookup, Stored } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache'

export function asyncStore(pieceBytes = 1000): CacheStore {
  const memory = new MemoryStore()
  return {
    capabilities: memory.capabilities,
    maxEntrySizeBytes: memory.maxEntrySizeBytes,
    async get(key, variantOf): Promise<Lookup> {
      const lookup = await memory.get(key, variantOf)
      const { otherVariants } = lookup
      return { otherVariants, stored: lookup.stored.map(openedLater), asOf: async () => lookup.asOf() }
    },
    async put(entry, options): Promise<BodyWriter | undefined> {
      const writer = await memory.put(entry, options)
      if (writer === undefined) return undefined
      return {
        write: async chunk => writer.write(chunk),
        commit: async finished => writer.commit(finished),
        abort: async () => writer.abort()
      }
    },
    update: async (entry, options) => memory.update(entry, options),
    remove: async entry => memory.remove(entry),
    delete: async key => memory.delete(key),
    deleteByTag: async tag => memory.deleteByTag(tag),
    clear: async () => memory.clear(),
    close: async () => memory.close()
  }

  function openedLater(stored: Stored): Stored {
    return {
      entry: stored.entry,
      async open() {
        const body = await stored.open()
        return body === undefined ? undefined : inPieces(body as Uint8Array | readonly Uint8Array[])
      }
    }
  }

  async function* inPieces(body: Uint8Array | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    for (const held of body instanceof Uint8Array ? [body] : body) {
      for (let i = 0; i < held.byteLength; i += pieceBytes) yield held.subarray(i, i + pieceBytes)
    }
  }
}
