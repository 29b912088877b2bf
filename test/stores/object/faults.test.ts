// Drivers that hang, throw and answer nonsense: the store says so, and nothing is left hanging.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { entryOf, find, get, KEY, put, read, until } from '../../support/file-store.ts'
import { bytesOf, finished, noise, TAG } from '../../support/responses.ts'
import { objectsOf, watchedStore } from './support.ts'

const TIMEOUT_MS = 100

/** As long as a test waits: timers of the store keep nothing alive. */
async function within<T>(work: Promise<T>): Promise<T> {
  const abort = new AbortController()
  const late = sleep(5000, undefined, { signal: abort.signal }).then(() => assert.fail('not within 5 s'))
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    abort.abort()
  }
}

/** All that a store can be asked. */
async function operations(options: { readonly timeoutMs?: number } = {}) {
  const watched = watchedStore({ timeoutMs: TIMEOUT_MS, ...options })
  const { store } = watched
  const stored = (await put(store, {}, noise(300_000))) ?? assert.fail()
  const found = (await find(store)) ?? assert.fail()
  const lookup = await get(store)
  const run: Record<string, () => Promise<unknown>> = {
    get: () => get(store),
    asOf: async () => lookup.asOf(),
    open: async () => found.open(),
    'put of a small body': () => put(store, {}, noise(10)),
    'put of a large body': () => put(store, {}, noise(1_000_000)),
    update: async () => store.update(stored),
    delete: () => store.delete(KEY),
    deleteByTag: () => store.deleteByTag(TAG),
    clear: () => store.clear(),
    sweep: () => store.sweep()
  }
  return { ...watched, run }
}

const NAMES = [
  ...['get', 'asOf', 'open', 'put of a small body', 'put of a large body'],
  ...['update', 'delete', 'deleteByTag', 'clear', 'sweep']
]

const FAULTS: Readonly<Record<string, { readonly watcher: () => unknown; readonly code: string | undefined }>> = {
  'hangs, whatever the signal says': { watcher: () => new Promise(() => {}), code: 'ERR_CACHE_TIMEOUT' },
  throws: {
    watcher() {
      throw Object.assign(new Error('no storage'), { code: 'E_STORAGE' })
    },
    code: 'E_STORAGE'
  },
  'answers with nonsense': { watcher: () => 'nonsense', code: undefined }
}

for (const [what, { watcher, code }] of Object.entries(FAULTS)) {
  describe(`where the driver ${what}`, () => {
    for (const name of NAMES) {
      it(`${name} rejects, and works again afterwards`, async () => {
        const { store, driver, run } = await operations()
        driver.watcher = watcher
        const error = await within(
          run[name]?.().then(
            () => undefined,
            each => each
          ) ?? assert.fail()
        )
        assert.ok(error instanceof Error, `${name} resolved`)
        if (code !== undefined) assert.equal(Object(error).code, code)
        driver.watcher = () => undefined
        await within(put(store, {}, noise(100_000)))
        assert.deepEqual(await within(read(store)), noise(100_000))
        await within(store.close())
      })
    }
  })
}

it('every call that is given up has its signal aborted', async () => {
  const { driver, run } = await operations()
  const signals: AbortSignal[] = []
  driver.watcher = (_call, _name, signal) => {
    signals.push(signal)
    return new Promise(() => {})
  }
  for (const each of Object.values(run)) await within(each().catch(() => {}))
  await until(() => signals.every(signal => signal.aborted))
  assert.ok(signals.length >= 10)
})

it('close ends what hangs', async () => {
  const { store, driver } = await operations({ timeoutMs: 60_000 })
  driver.watcher = () => new Promise(() => {})
  const looking = get(store)
  looking.catch(() => {})
  await within(store.close())
  await assert.rejects(within(looking), { code: 'ERR_CACHE_CLOSED' })
  for (const late of [get(store), put(store), store.delete(KEY), store.sweep(), store.clear()]) {
    await assert.rejects(late, { code: 'ERR_CACHE_CLOSED' })
  }
})

it('a body that stops half-way ends in an error, within its time, and is let go of', async () => {
  const { store, driver } = watchedStore({ timeoutMs: TIMEOUT_MS })
  await put(store, {}, noise(500_000))
  const stored = await find(store)
  let isLetGo = false
  driver.watcher = call => {
    if (call !== 'get') return undefined
    const pieces = [Buffer.from(bytes.subarray(0, 200_000))]
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => (pieces.length > 0 ? { done: false, value: pieces.shift() } : new Promise(() => {})),
        async return() {
          isLetGo = true
          return { done: true, value: undefined }
        }
      })
    }
  }
  const bytes = await frames(500_000)
  const body = await within(Promise.resolve(stored?.open()))
  // The bytes are those of another body: its first chunk is found out, or the rest does not come.
  if (body !== undefined) await assert.rejects(within(bytesOf(body)), { code: 'ERR_CACHE_BODY' })
  await until(() => isLetGo)
})

it('a reader who leaves, before or after the first chunk, lets go of the file', async () => {
  const { store, driver } = watchedStore()
  await put(store, {}, noise(1_000_000))
  let open = 0
  const plain = driver.get.bind(driver)
  driver.get = async (name, options) => {
    const body = await plain(name, options)
    if (body === undefined || body instanceof Uint8Array) return body
    open++
    const pieces = body[Symbol.asyncIterator]()
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => pieces.next(),
        async return() {
          open--
          return (await pieces.return?.()) ?? { done: true, value: undefined }
        }
      })
    }
  }
  for (const steps of [0, 1, 2]) {
    const body = (await (await find(store))?.open()) as AsyncIterable<Uint8Array>
    const iterator = body[Symbol.asyncIterator]()
    assert.equal(open, 1)
    for (let i = 0; i < steps; i++) await iterator.next()
    await iterator.return?.()
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
    await until(() => open === 0)
  }
})

it('a driver that takes only the beginning of a body has not stored it', async () => {
  const { store, driver, plain } = watchedStore()
  driver.watcher = call => (call === 'put' ? true : undefined)
  await assert.rejects(put(store, {}, noise(1_000_000)), { code: 'ERR_CACHE_STORE' })
  driver.watcher = () => undefined
  assert.equal(await find(store), undefined)
  assert.deepEqual(await objectsOf(plain, 'e/'), [])
})

it('a driver that does not take a body ends the writing in its time', async () => {
  const { store, driver } = watchedStore({ timeoutMs: TIMEOUT_MS })
  const entry = entryOf()
  const writer = (await store.put(entry)) ?? assert.fail()
  driver.watcher = () => new Promise(() => {})
  await assert.rejects(within(Promise.resolve(writer.write(noise(1_000_000)))), { code: 'ERR_CACHE_TIMEOUT' })
  assert.equal(await writer.commit(finished(entry, 1_000_000)), false)
})

it('an upload that fails ends the writing at once', async () => {
  const { store, driver } = watchedStore()
  const writer = (await store.put(entryOf())) ?? assert.fail()
  driver.watcher = async () => {
    throw new Error('no room')
  }
  await assert.rejects(within(Promise.resolve(writer.write(noise(1_000_000)))), { message: 'no room' })
})

it('a body of another length than the origin has announced is not stored', async () => {
  for (const [announced, size] of [
    [300_000, 200_000],
    [200_000, 300_000]
  ] as const) {
    const { store, driver, plain } = watchedStore()
    const lines = [['Content-Length', String(announced)]] as const
    const put_ = driver.put.bind(driver)
    // As S3 does: what is announced is what has to come.
    driver.put = async (name, body, options) => {
      let byteLength = 0
      if (body instanceof Uint8Array) return put_(name, body, options)
      return put_(
        name,
        (async function* () {
          for await (const piece of body) {
            byteLength += piece.byteLength
            yield piece
          }
          if (byteLength !== options.size) throw new Error('another length')
        })(),
        options
      )
    }
    await put(store, { lines }, noise(size)).catch(() => {})
    assert.equal(await find(store), undefined)
    await store.close()
    assert.deepEqual(await objectsOf(plain, 'e/'), [])
  }
})

async function frames(size: number): Promise<Buffer> {
  const { store, plain } = watchedStore()
  await put(store, {}, noise(size))
  const [name = ''] = (await objectsOf(plain, 'e/')).filter(each => each.includes('~'))
  const body = await plain.get(`test/message-pack/${name}`, { signal: AbortSignal.timeout(1000) })
  return body === undefined ? assert.fail() : bytesOf(body)
}

it('a body that is given up while it is being taken has not failed', async () => {
  const { store, driver } = watchedStore()
  driver.watcher = (call, name) => (call === 'put' && name.startsWith('e/') ? new Promise(() => {}) : undefined)
  const writer = (await store.put(entryOf())) ?? assert.fail()
  const written = writer.write(noise(1_000_000))
  await writer.abort()
  await within(Promise.resolve(written))
})

it('a body that is left while its next piece is on its way has ended, and not failed', async () => {
  const { store, driver } = watchedStore()
  await put(store, {}, noise(1_000_000))
  const plain = driver.get.bind(driver)
  driver.get = async (name, options) => {
    const body = await plain(name, options)
    if (body === undefined || body instanceof Uint8Array) return body
    const pieces = body[Symbol.asyncIterator]()
    let count = 0
    return { [Symbol.asyncIterator]: () => ({ next: () => (count++ < 5 ? pieces.next() : new Promise(() => {})) }) }
  }
  const body = (await (await find(store))?.open()) ?? assert.fail()
  assert.ok(Symbol.asyncIterator in body)
  const reader = body[Symbol.asyncIterator]()
  let next = reader.next()
  for (let i = 0; i < 20 && (await Promise.race([next, sleep(50, 'late')])) !== 'late'; i++) next = reader.next()
  await reader.return?.()
  assert.deepEqual(await within(next), { done: true, value: undefined })
})
