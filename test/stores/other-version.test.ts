// What another version of this package has stored is a miss, and no fault.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { CachedAgent } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'

const messagePack = new MessagePackSerializer()
/** As a version reads it that finds another number. */
const later = {
  name: messagePack.name,
  encode: messagePack.encode.bind(messagePack),
  decode: (bytes: Uint8Array) => ({ ...messagePack.decode(bytes), version: 2 as never })
}

const STORES = {
  FileStore: (directory: string, serializer = later) => new FileStore({ directory, serializer }),
  LmdbStore: (directory: string, serializer = later) => new LmdbStore({ directory, serializer }),
  ObjectStore: (directory: string, serializer = later) =>
    new ObjectStore({ driver: fsDriver({ directory }), serializer })
}

for (const [name, open] of Object.entries(STORES))
  it(`a record of another version is a miss and no fault in ${name}, however often`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'version-'))
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
    const told: unknown[] = []
    const reasons: string[] = []
    for (const serializer of [messagePack, later]) {
      const store = open(directory, serializer as typeof later)
      const options = { store, storeTimeoutMs: 10_000, onStoreError: (error: unknown) => told.push(error) }
      const cached = new CachedAgent(options)
      for (let i = 0; i < 8; i++) {
        const { body, info } = await cached.get(origin.url)
        assert.equal(body, 'x')
        reasons.push(info.reason)
        await cached.cache.settled()
      }
      await cached[Symbol.asyncDispose]()
      await store.close()
    }
    assert.deepEqual(told, [])
    for (const reason of reasons.slice(8)) assert.match(reason, /^(uri|vary)-miss$/)
    assert.equal(reasons[1], 'fresh')
    rmSync(directory, { recursive: true, force: true })
  })
