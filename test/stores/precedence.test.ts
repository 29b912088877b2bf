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
import { finished, Subject } from '../../stores/testing/subject.ts'

const STORES: Record<string, (directory: string) => CacheStore> = {
  MemoryStore: () => new MemoryStore(),
  FileStore: directory => new FileStore({ directory }),
  LmdbStore: directory => new LmdbStore({ directory })
}
const BODY = new Uint8Array(100_000).fill(1)

type Make = (subject: Subject, etag: string) => { readonly entry: Entry; readonly body: Uint8Array }

const LESSER: Record<string, Make> = {
  'a response to HEAD': (subject, etag) => {
    const entry = subject.entry({ method: 'HEAD', lines: linesOf(etag) })
    return { entry: finished(entry, 0), body: new Uint8Array() }
  },
  'a part': (subject, etag) => {
    const entry = subject.entry({ lines: linesOf(etag) })
    const segments = [{ start: 5, end: 15, bodyId: entry.id }]
    return { entry: { ...entry, completeLength: BODY.byteLength, segments }, body: BODY.subarray(5, 15) }
  }
}

function linesOf(etag: string): FieldLine[] {
  return [['ETag', etag]]
}

function whole(subject: Subject): ReturnType<Make> {
  return { entry: finished(subject.entry({ lines: linesOf('"1"') }), BODY.byteLength), body: BODY }
}

/** Asks for a response to be stored, and gives what stores it. */
async function begin({ store }: Subject, { entry, body }: ReturnType<Make>): Promise<() => Promise<boolean>> {
  const writer = await store.put(entry)
  assert.ok(writer)
  await writer.write(new Uint8Array(body))
  return async () => writer.commit(entry)
}

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(name, () => {
    for (const [what, make] of Object.entries(LESSER)) {
      const check = (title: string, run: (subject: Subject) => Promise<void>) =>
        test(title, async context => {
          const directory = await mkdtemp(join(tmpdir(), 'precedence-'))
          const store = makeStore(directory)
          try {
            await run(new Subject(store, context, Infinity, async () => undefined))
          } finally {
            await store.close()
            await rm(directory, { recursive: true, force: true })
          }
        })

      check(`keeps ${what} of another version than a body that had begun before it`, async subject => {
        const slow = await begin(subject, whole(subject))
        const other = make(subject, '"2"')
        assert.equal(await (await begin(subject, other))(), true)
        assert.equal(await slow(), false)
        assert.deepEqual((await subject.find())?.entry, other.entry)
      })

      check(`keeps a whole body for ${what} of its version that was asked for later`, async subject => {
        const kept = whole(subject)
        const slow = await begin(subject, kept)
        const lesser = await begin(subject, make(subject, '"1"'))
        assert.equal(await slow(), true)
        assert.equal(await lesser(), false)
        assert.deepEqual((await subject.find())?.entry, kept.entry)
        assert.deepEqual(await subject.bytes(), Buffer.from(BODY))
      })

      check(`has ${what} of another version take the place of a whole body`, async subject => {
        await (await begin(subject, whole(subject)))()
        const other = make(subject, '"2"')
        assert.equal(await (await begin(subject, other))(), true)
        assert.deepEqual((await subject.find())?.entry, other.entry)
      })

      check(`does so with one of its version once the body has expired`, async subject => {
        const { entry, body } = whole(subject)
        const expiresAtMs = entry.responseTimeMs + 1
        assert.equal(await (await begin(subject, { entry: { ...entry, expiresAtMs }, body }))(), true)
        // A store's time may be that of the last response.
        await subject.put(subject.entry({ key: 'https://store.test/later', responseTimeMs: expiresAtMs + 1 }))
        const lesser = make(subject, '"1"')
        assert.equal(await (await begin(subject, lesser))(), true)
        assert.deepEqual((await subject.find())?.entry, lesser.entry)
      })
    }
  })
}
