// A driver for whatever unstorage knows: it has neither streams nor ranges, so bodies are held in memory, whole.
import type { ObjectBody, ObjectDriver } from 'undici-http-cache/stores/object'
import type { Storage } from 'unstorage'

export function unstorageDriver(storage: Storage): ObjectDriver {
  return {
    // `shared: true` where other processes use the same storage.
    capabilities: { ranges: false, streams: false, ifAbsent: false, shared: false },
    async get(name) {
      const bytes = await storage.getItemRaw<unknown>(keyOf(name))
      return bytes === null ? undefined : (bytes as Uint8Array)
    },
    async put(name, body, { signal }) {
      const bytes = await bytesOf(body)
      signal.throwIfAborted()
      await storage.setItemRaw(keyOf(name), bytes)
      return true
    },
    async delete(name) {
      await storage.removeItem(keyOf(name))
    },
    async *list(prefix) {
      // Up to the last slash: unstorage knows no other prefixes.
      const keys = await storage.getKeys(keyOf(prefix.slice(0, prefix.lastIndexOf('/') + 1)))
      const names = keys.map(key => key.replaceAll(':', '/'))
      yield* names.filter(name => name.startsWith(prefix)).sort()
    }
  }
}

/** unstorage separates the parts of a key by colons. */
function keyOf(name: string): string {
  return name.replaceAll('/', ':')
}

async function bytesOf(body: ObjectBody): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}
