// Which of two responses stays, in the stores that know in which order they were asked for.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { Entry, FieldLine } from '../../lib/rfc9111/types.ts'
import type { CacheStore } from '../../stores/store.ts'
import { bytesOf, entryOf, find, finished, KEY, store as put } from '../support/responses.ts'

const STORES: Record<string, (directory: string) => CacheStore> = {
  MemoryStore: () => new MemoryStore(),
  FileStore: directory => new FileStore({ directory }),
  LmdbStore: directory => new LmdbStore({ directory })
}
const BODY = new Uint8Array(100_000).fill(1)

type Make = (etag: string) => { readonly entry: Entry; readonly body: Uint8Array }

const LESSER: Record<string, Make> = {
  'a response to HEAD': etag => {
    const entry = newerEntry({ method: 'HEAD', lines: linesOf(etag) })
    return { entry: finished(entry, 0), body: new Uint8Array() }
  },
  'a part': etag => {
    const entry = newerEntry({ lines: linesOf(etag) })
    const segments = [{ start: 5, end: 15 }]
    return { entry: { ...entry, completeLength: BODY.byteLength, segments }, body: BODY.subarray(5, 15) }
  }
}

let timeMs = Date.now() - 10_000

/** Newer than the one before, and older than now. */
function newerEntry(changes: Partial<Entry>): Entry {
  timeMs++
  return entryOf(KEY, { requestTimeMs: timeMs, responseTimeMs: timeMs, ...changes })
}

function linesOf(etag: string): FieldLine[] {
  return [['ETag', etag]]
}

function whole(): ReturnType<Make> {
  return { entry: finished(newerEntry({ lines: linesOf('"1"') }), BODY.byteLength), body: BODY }
}

/** Asks for a response to be stored, and gives what stores it. */
async function begin(store: CacheStore, { entry, body }: ReturnType<Make>): Promise<() => Promise<boolean>> {
  const writer = await store.put(entry)
  assert.ok(writer)
  await writer.write(new Uint8Array(body))
  return async () => writer.commit(entry)
}

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(name, () => {
    for (const [what, make] of Object.entries(LESSER)) {
      const check = (title: string, run: (store: CacheStore) => Promise<void>) =>
        test(title, async () => {
          const directory = await mkdtemp(join(tmpdir(), 'precedence-'))
          const store = makeStore(directory)
          try {
            await run(store)
          } finally {
            await store.close()
            await rm(directory, { recursive: true, force: true })
          }
        })

      check(`keeps ${what} of another version than a body that had begun before it`, async store => {
        const slow = await begin(store, whole())
        const other = make('"2"')
        assert.equal(await (await begin(store, other))(), true)
        assert.equal(await slow(), false)
        assert.deepEqual((await find(store))?.entry, other.entry)
      })

      check(`keeps a whole body for ${what} of its version that was asked for later`, async store => {
        const kept = whole()
        const slow = await begin(store, kept)
        const lesser = await begin(store, make('"1"'))
        assert.equal(await slow(), true)
        assert.equal(await lesser(), false)
        assert.deepEqual((await find(store))?.entry, kept.entry)
        assert.deepEqual(await bytesOf(await (await find(store))?.open()), Buffer.from(BODY))
      })

      check(`has ${what} of another version take the place of a whole body`, async store => {
        await (await begin(store, whole()))()
        const other = make('"2"')
        assert.equal(await (await begin(store, other))(), true)
        assert.deepEqual((await find(store))?.entry, other.entry)
      })

      check(`does so with one of its version once the body has expired`, async store => {
        const { entry, body } = whole()
        const expiresAtMs = entry.responseTimeMs + 1
        assert.equal(await (await begin(store, { entry: { ...entry, expiresAtMs }, body }))(), true)
        // A store's time may be that of the last response.
        await put(store, newerEntry({ key: 'https://store.test/later', responseTimeMs: expiresAtMs + 1 }))
        const lesser = make('"1"')
        assert.equal(await (await begin(store, lesser))(), true)
        assert.deepEqual((await find(store))?.entry, lesser.entry)
      })
    }
  })
}
