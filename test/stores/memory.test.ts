// What is the memory store's own; what it shares with every store is in contract.test.ts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CacheError } from 'undici-http-cache'
import { MemoryStore, type MemoryStoreOptions } from 'undici-http-cache/stores/memory'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { Serializer, StoredRecord } from '../../serializers/serializer.ts'
import { sampleRecord } from '../support/arbitrary-record.ts'
import { variantFor } from '../support/responses.ts'
import { serializers } from '../support/serializers.ts'

const NOW_MS = sampleRecord().entry.responseTimeMs

function entryOf(key: string, changes: Partial<Entry> = {}): Entry {
  const { entry } = sampleRecord({ id: key, key, vary: [], variantKey: 'GET\n', tags: [], lines: [['X-Field', 'x']] })
  return { ...entry, completeLength: undefined, segments: [], ...changes }
}

/** Stores a response whole; whether the store took it. */
function put(store: MemoryStore, entry: Entry, body: Uint8Array | readonly Uint8Array[] = new Uint8Array()): boolean {
  const writer = store.put(entry)
  const chunks = body instanceof Uint8Array ? [body] : body
  for (const chunk of chunks) void writer?.write(chunk)
  const completeLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const segments = [{ start: 0, end: completeLength }]
  return writer?.commit({ ...entry, completeLength, segments }) === true
}

function find(store: MemoryStore, key: string, fields: Record<string, string> = {}) {
  return store.get(key, variantFor(fields))
}

const isStored = (store: MemoryStore, key: string) => find(store, key).stored.length > 0

describe('eviction', () => {
  /** A store for so many entries of a kilobyte. */
  function storeFor(count: number, options: MemoryStoreOptions = {}): MemoryStore {
    const one = new MemoryStore()
    put(one, entryOf('key:00'), new Uint8Array(1024))
    return new MemoryStore({ maxSizeBytes: one.sizeBytes * count, ...options })
  }

  test('begins when the entries occupy more than maxSizeBytes, with the least recently used', () => {
    const store = storeFor(10)
    for (let i = 0; i < 10; i++) put(store, entryOf(`key:0${i}`), new Uint8Array(1024))
    assert.equal(store.entryCount, 10)
    assert.ok(isStored(store, 'key:00'), 'a hit renews it')
    put(store, entryOf('key:0a'), new Uint8Array(1024))
    put(store, entryOf('key:0b'), new Uint8Array(1024))
    assert.deepEqual(
      ['0', '1', '2', '3', '9', 'a', 'b'].map(name => isStored(store, `key:0${name}`)),
      [true, false, false, true, true, true, true]
    )
    assert.equal(store.entryCount, 10)
  })

  test('goes by bytes: one large entry takes the place of many', () => {
    const store = storeFor(10)
    for (let i = 0; i < 10; i++) put(store, entryOf(`key:0${i}`), new Uint8Array(1024))
    assert.equal(put(store, entryOf('large'), new Uint8Array(20_000)), true)
    assert.ok(store.entryCount < 6)
    assert.ok(isStored(store, 'large') && isStored(store, 'key:09') && !isStored(store, 'key:00'))
  })

  test('never lets the store grow beyond its size, whatever comes', () => {
    const store = new MemoryStore({ maxSizeBytes: 200_000 })
    for (let i = 0; i < 2000; i++) {
      const vary = i % 3 === 0 ? ['x'] : []
      const variant = i % 3 === 0 ? `GET\n\nx:${i}` : 'GET\n'
      const entry = entryOf(`key:${i % 97}`, { id: `${i}`, vary, variantKey: variant, tags: [`t:${i % 7}`] })
      put(store, entry, new Uint8Array((i * 7919) % 30_000))
      if (i % 11 === 0) store.delete(`key:${(i * 3) % 97}`)
      if (i % 101 === 0) store.deleteByTag(`t:${i % 7}`)
      assert.ok(store.sizeBytes <= 200_000, `${store.sizeBytes} bytes`)
    }
    assert.ok(store.entryCount > 5)
    store.clear()
    assert.deepEqual([store.sizeBytes, store.entryCount], [0, 0])
  })

  test('spares nothing that is larger than the whole store, and what it replaces is gone', () => {
    const store = new MemoryStore({ maxSizeBytes: 10_000 })
    assert.equal(put(store, entryOf('a'), new Uint8Array(100)), true)
    assert.equal(put(store, entryOf('b'), new Uint8Array(9990)), false)
    assert.ok(isStored(store, 'a'), 'others stay')
    assert.equal(put(store, entryOf('a', { id: 'a2' }), new Uint8Array(9990)), false)
    assert.equal(isStored(store, 'a'), false)
    assert.deepEqual([store.sizeBytes, store.entryCount], [0, 0])
  })

  test('maxEntrySizeBytes bounds one body, chunk by chunk', () => {
    const store = new MemoryStore({ maxEntrySizeBytes: 1000 })
    assert.equal(store.maxEntrySizeBytes, 1000)
    assert.equal(put(store, entryOf('a'), new Uint8Array(1000)), true)
    assert.equal(put(store, entryOf('b'), [new Uint8Array(999), new Uint8Array(2)]), false)
    assert.equal(new MemoryStore({ maxSizeBytes: 500 }).maxEntrySizeBytes, 500, 'no larger than the store')
    assert.equal(new MemoryStore({ maxEntrySizeBytes: Infinity }).maxEntrySizeBytes, 64 * 1_048_576)
    assert.equal(new MemoryStore().maxEntrySizeBytes, 4 * 1_048_576)
  })
})

describe('accounting', () => {
  test('follows puts, replacements, updates and deletions', () => {
    const store = new MemoryStore()
    put(store, entryOf('a'), new Uint8Array(1000))
    const one = store.sizeBytes
    assert.ok(one > 1000)
    put(store, entryOf('a', { id: 'a2' }), new Uint8Array(3000))
    assert.equal(store.sizeBytes, one + 2000)
    const segments = [{ start: 0, end: 3000 }]
    const lines = [['X-Field', 'x'.repeat(501)]] as const
    assert.equal(store.update(entryOf('a', { id: 'a2', lines, completeLength: 3000, segments })), true)
    assert.equal(store.sizeBytes, one + 2000 + 500)
    put(store, entryOf('b'), new Uint8Array(1000))
    assert.equal(store.sizeBytes, 2 * one + 2500)
    store.delete('a')
    assert.equal(store.sizeBytes, one)
    store.delete('nothing')
    assert.equal(store.sizeBytes, one)
  })

  test('counts keys, trailers and every field', () => {
    const sizeOf = (changes: Partial<Entry>, key = 'k') => {
      const store = new MemoryStore()
      put(store, entryOf(key, { id: 'id', ...changes }))
      return store.sizeBytes
    }
    const plain = sizeOf({})
    assert.ok(sizeOf({}, 'k'.repeat(1001)) >= plain + 1000)
    assert.ok(sizeOf({ variantKey: `GET\n${'p'.repeat(1000)}` }) >= plain + 1000)
    assert.ok(sizeOf({ trailers: [['X-Trailer', 'x'.repeat(1100)]] }) >= plain + 1000)
    assert.ok(sizeOf({ lines: Array.from({ length: 20 }, () => ['X-Field', 'x'] as const) }) >= plain + 19 * 100)
  })

  test('of what is being written counts nothing before it is committed', () => {
    const store = new MemoryStore()
    const writer = store.put(entryOf('a'))
    void writer?.write(new Uint8Array(10_000))
    assert.deepEqual([store.sizeBytes, store.entryCount, isStored(store, 'a')], [0, 0, false])
    void writer?.abort()
    assert.equal(writer?.commit(entryOf('a', { completeLength: 10_000 })), false)
    assert.deepEqual([store.sizeBytes, store.entryCount], [0, 0])
  })
})

describe('variants', () => {
  const variant = (key: string, vary: string[], fields: Record<string, string>, changes: Partial<Entry> = {}) => {
    return entryOf(key, {
      id: `${key}${JSON.stringify(fields)}`,
      vary,
      variantKey: variantFor(fields)(vary),
      ...changes
    })
  }

  test('are found by as many lookups as there are lists, of which eight are remembered', () => {
    const store = new MemoryStore()
    for (let i = 0; i < 20; i++) put(store, variant('a', [`x-${i}`], { [`x-${i}`]: '1' }))
    let lookups = 0
    store.get('a', () => `${lookups++}`)
    assert.equal(lookups, 8)
    assert.equal(find(store, 'a', { 'x-19': '1' }).stored.length, 1)
    assert.equal(find(store, 'a', { 'x-0': '1' }).stored.length, 0)
    assert.equal(find(store, 'a', { 'x-0': '1' }).otherVariants, true)
    assert.equal(store.entryCount, 8, 'what no lookup would find is not kept')
  })

  test('with a list used again are found again', () => {
    const store = new MemoryStore()
    for (let i = 0; i < 8; i++) put(store, variant('a', [`x-${i}`], { [`x-${i}`]: '1' }))
    put(store, variant('a', ['x-0'], { 'x-0': '2' }))
    put(store, variant('a', ['x-8'], { 'x-8': '1' }))
    assert.equal(find(store, 'a', { 'x-0': '2' }).stored.length, 1, 'the list used last but one')
    assert.equal(find(store, 'a', { 'x-1': '1' }).stored.length, 0, 'the list used longest ago')
  })

  test('leave no list of names behind that selects nothing any more', () => {
    const lists: string[] = []
    const look = (store: MemoryStore, key: string) => {
      lists.length = 0
      store.get(key, names => {
        lists.push(names.join())
        return ''
      })
      return lists
    }
    const one = new MemoryStore()
    put(one, variant('a', ['x-0'], { 'x-0': '1' }))
    const store = new MemoryStore({ maxSizeBytes: one.sizeBytes * 3 })
    for (let i = 0; i < 8; i++) put(store, variant('a', [`x-${i}`], { [`x-${i}`]: '1' }))
    assert.deepEqual(look(store, 'a'), ['x-7', 'x-6', 'x-5'])
    put(store, variant('a', ['x-7'], { 'x-7': '2' }))
    assert.deepEqual(look(store, 'a'), ['x-7', 'x-6'])
    for (const value of ['3', '4', '5']) put(store, variant('a', ['x-7'], { 'x-7': value }))
    assert.deepEqual(look(store, 'a'), ['x-7'])
    assert.equal(find(store, 'a', { 'x-7': '5' }).stored.length, 1)
    assert.equal(find(store, 'a', { 'x-7': '2' }).stored.length, 0)
  })

  test('go one by one, and their key with the last', () => {
    const store = new MemoryStore()
    for (const x of ['1', '2']) put(store, variant('a', ['x'], { x }, { expiresAtMs: NOW_MS + Number(x) * 1000 }))
    assert.equal(find(store, 'a', { x: '3' }).otherVariants, true)
    put(store, entryOf('b', { responseTimeMs: NOW_MS + 1500 }))
    assert.equal(find(store, 'a', { x: '1' }).stored.length, 0, 'expired')
    assert.equal(find(store, 'a', { x: '2' }).stored.length, 1)
    put(store, entryOf('c', { responseTimeMs: NOW_MS + 2500 }))
    const last = find(store, 'a', { x: '2' })
    assert.deepEqual([last.stored.length, last.otherVariants], [0, false])
  })

  test('that match are given, of several lists each one', () => {
    const store = new MemoryStore()
    put(store, variant('a', [], {}))
    put(store, variant('a', ['x'], { x: '1' }))
    assert.equal(find(store, 'a', { x: '1' }).stored.length, 2)
    assert.equal(find(store, 'a', { x: '2' }).stored.length, 1)
  })
})

describe('tags', () => {
  test('remove what carries them, under whatever key, and are forgotten with the last', () => {
    const store = new MemoryStore()
    for (let i = 0; i < 10; i++) put(store, entryOf(`key:${i}`, { tags: [`all`, i % 2 === 0 ? 'even' : 'odd'] }))
    store.deleteByTag('even')
    assert.equal(store.entryCount, 5)
    assert.deepEqual([isStored(store, 'key:0'), isStored(store, 'key:1')], [false, true])
    store.deleteByTag('none')
    assert.equal(store.entryCount, 5)
    store.deleteByTag('all')
    assert.deepEqual([store.entryCount, store.sizeBytes], [0, 0])
  })

  test('that an update takes away or gives count from then on', () => {
    const store = new MemoryStore()
    put(store, entryOf('a', { tags: ['old'] }))
    assert.equal(store.update(entryOf('a', { tags: ['new'], completeLength: 0 })), true)
    store.deleteByTag('old')
    assert.equal(isStored(store, 'a'), true)
    store.deleteByTag('new')
    assert.equal(isStored(store, 'a'), false)
  })
})

describe('the order of events', () => {
  test('is that of arrival: a slow body does not replace a response that came after it', () => {
    const store = new MemoryStore()
    const slow = store.put(entryOf('a', { id: 'slow' }))
    put(store, entryOf('a', { id: 'quick' }))
    assert.equal(slow?.commit(entryOf('a', { id: 'slow', completeLength: 0 })), false)
    assert.equal(find(store, 'a').stored[0]?.entry.id, 'quick')
  })

  test('does not go by clocks, which can be set back', () => {
    const store = new MemoryStore()
    put(store, entryOf('a', { id: 'from the future', responseTimeMs: NOW_MS + 1e9, expiresAtMs: NOW_MS + 2e9 }))
    assert.equal(put(store, entryOf('a', { id: 'now', expiresAtMs: NOW_MS + 1000 })), true)
    assert.equal(find(store, 'a').stored[0]?.entry.id, 'now')
  })

  test('lets a deletion win over what was asked for before it, by position or at the start of the body', () => {
    const store = new MemoryStore()
    const asOf = find(store, 'a').asOf()
    const early = store.put(entryOf('a'), { asOf })
    const unplaced = store.put(entryOf('a'))
    store.delete('a')
    assert.equal(early?.commit(entryOf('a', { completeLength: 0 })), false)
    assert.equal(unplaced?.commit(entryOf('a', { completeLength: 0 })), false)
    assert.equal(store.put(entryOf('a'), { asOf }), undefined)
    assert.equal(store.update(entryOf('a'), { asOf }), false)
    assert.equal(put(store, entryOf('a')), true)
  })
})

describe('serializers', () => {
  for (const serializer of serializers) {
    test(`${serializer.name} keeps bodies of any size and division`, () => {
      const store = new MemoryStore({ serializer })
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 256))
      for (const [name, chunks] of Object.entries({
        empty: [],
        one: [bytes.subarray(0, 100)],
        small: Array.from({ length: 300 }, (_, i) => bytes.subarray(i * 100, i * 100 + 100)),
        large: [bytes.subarray(0, 100_000), bytes.subarray(100_000, 200_000), bytes.subarray(200_000)]
      })) {
        put(
          store,
          entryOf(name),
          chunks.map(chunk => new Uint8Array(chunk))
        )
        const body = find(store, name).stored[0]?.open() as Uint8Array | readonly Uint8Array[]
        assert.ok(Buffer.concat([body].flat()).equals(Buffer.concat(chunks)), name)
      }
    })
  }

  test('of the user keep a record in whatever form, which counts as much as the record', () => {
    const boxed = {
      name: 'boxed',
      encode: (record: StoredRecord) => ({ boxed: record }),
      decode: (encoded: unknown) => (encoded as { boxed: StoredRecord }).boxed
    }
    const store = new MemoryStore({ serializer: boxed })
    const plain = new MemoryStore()
    for (const each of [store, plain]) assert.equal(put(each, entryOf('a'), new Uint8Array(1000)), true)
    assert.equal(find(store, 'a').stored[0]?.entry.id, 'a')
    assert.equal(store.sizeBytes, plain.sizeBytes)
  })

  test('that promise what they encode are refused', () => {
    const late = { name: 'late', encode: async () => 'late', decode: () => sampleRecord() }
    assert.throws(() => new MemoryStore({ serializer: late }), { code: 'ERR_CACHE_OPTION', message: /serializer/ })
  })

  test('that cannot read what they wrote make it a miss, and it is forgotten', () => {
    const broken: Serializer<string> = {
      name: 'broken',
      encode: () => 'anything',
      decode() {
        throw new CacheError('ERR_CACHE_RECORD', 'unreadable')
      }
    }
    const store = new MemoryStore({ serializer: broken })
    assert.equal(put(store, entryOf('a')), true)
    assert.equal(store.entryCount, 1)
    assert.deepEqual([...find(store, 'a').stored], [])
    assert.deepEqual([store.entryCount, store.sizeBytes], [0, 0])
  })
})

describe('entries()', () => {
  test('gives each stored entry once, and minds no changes on the way', async () => {
    const store = new MemoryStore()
    for (let i = 0; i < 5; i++) put(store, entryOf(`key:${i}`))
    const keys: string[] = []
    for await (const { key } of store.entries()) {
      keys.push(key)
      store.delete('key:0')
      put(store, entryOf('later'))
    }
    for (const key of ['key:1', 'key:2', 'key:3', 'key:4']) assert.equal(keys.filter(seen => seen === key).length, 1)
    assert.equal(new Set(keys).size, keys.length)
  })
})

describe('close()', () => {
  test('drops everything, and refuses what comes later', () => {
    const store = new MemoryStore()
    put(store, entryOf('a'))
    const writer = store.put(entryOf('b'))
    store.close()
    assert.deepEqual([store.entryCount, store.sizeBytes, isStored(store, 'a')], [0, 0, false])
    assert.equal(writer?.commit(entryOf('b', { completeLength: 0 })), false)
    assert.throws(() => store.put(entryOf('c')), { name: 'CacheError', code: 'ERR_CACHE_CLOSED' })
    assert.throws(() => store.update(entryOf('a')), { code: 'ERR_CACHE_CLOSED' })
    store.delete('a')
    store.clear()
    store.close()
  })
})
