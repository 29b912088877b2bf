import assert from 'node:assert/strict'
import { isUint8Array } from 'node:util/types'
import { monotonicMs } from '../../lib/event-loop.ts'
import { attempt } from '../shared/attempt.ts'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished, KEY, OTHER_KEY, type Subject } from './subject.ts'

const MINUTE_MS = 60_000
/** Five seconds for what never comes, on a busy machine. */
const LONGEST_CLOSE_MS = 15_000

/** Time, the end of a store, and other instances on the same data. */
export function testLifecycle(check: Check, isSynchronous: boolean, dropsExpired: boolean): void {
  check('answers a lookup in the same tick where it says so', async subject => {
    if (subject.skipUnless(isSynchronous, 'answer in the same tick')) return
    await subject.put(subject.entry(), bytesOf(1000))
    const lookup = subject.store.get(KEY, () => 'GET\n')
    assert.ok('stored' in lookup)
    const body = lookup.stored[0]?.open()
    assert.ok(isUint8Array(body) || Array.isArray(body))
  })

  check('drops what has expired', async subject => {
    if (subject.skipUnless(dropsExpired, 'drop what has expired by itself')) return
    const responseTimeMs = Date.now() - 10 * MINUTE_MS
    const expiresAtMs = responseTimeMs + 5 * MINUTE_MS
    await subject.put(subject.entry({ requestTimeMs: responseTimeMs, responseTimeMs, expiresAtMs }))
    await subject.put(subject.entry({ key: OTHER_KEY }))
    assert.equal(await subject.find(), undefined)
    assert.notEqual(await subject.find(OTHER_KEY), undefined)
  })

  check('keeps what never expires', async subject => {
    const responseTimeMs = Date.now() - 10 * MINUTE_MS
    await subject.put(subject.entry({ requestTimeMs: responseTimeMs, responseTimeMs, expiresAtMs: Infinity }))
    await subject.put(subject.entry({ key: OTHER_KEY }))
    assert.notEqual(await subject.find(), undefined)
  })

  check('lists what is stored, and nothing else', async subject => {
    const { store } = subject
    if (subject.skipUnless(store.entries, 'list what is stored')) return
    const vary = ['accept']
    const english = await subject.put(subject.entry({ vary }, { accept: 'a' }))
    const german = await subject.put(subject.entry({ vary }, { accept: 'b' }))
    const other = await subject.put(subject.entry({ key: OTHER_KEY }), bytesOf(100_000))
    await subject.put(subject.entry({ key: 'https://store.test/deleted' }))
    await store.delete('https://store.test/deleted')
    const open = await store.put(subject.entry({ key: 'https://store.test/open' }))
    await open?.write(bytesOf(10))
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
    const listed = []
    for await (const entry of store.entries?.() ?? []) listed.push(entry)
    assert.deepEqual(listed.sort(byId), [english, german, other].map(entry => entry ?? assert.fail()).sort(byId))
    await open?.abort()
    if (store.capabilities.clear === false) return
    await store.clear()
    for await (const entry of store.entries?.() ?? []) assert.fail(`still lists ${entry.key}`)
  })

  check('closes once, however often it is asked to', async subject => {
    await subject.put(subject.entry())
    await subject.store.close()
    await subject.store.close()
  })

  check('waits as it closes for bodies that are being written', async subject => {
    const { store } = subject
    const large = subject.entry({ expiresAtMs: Infinity })
    const small = subject.entry({ key: OTHER_KEY, expiresAtMs: Infinity })
    const writing = [await store.put(large), await store.put(small)] as const
    const begun = store.put(subject.entry({ key: 'https://store.test/aborted' }))
    if (subject.skipUnless(subject.store.capabilities.shared, 'outlive its closing')) {
      for (const writer of [...writing, await begun]) await writer?.abort()
      return
    }
    await writing[0]?.write(bytesOf(50_000))
    const closing = store.close()
    await writing[0]?.write(bytesOf(250_000))
    assert.equal(await writing[0]?.commit(finished(large, 300_000)), true)
    await writing[1]?.write(bytesOf(10))
    const committing = writing[1]?.commit(finished(small, 10))
    await (await begun)?.abort()
    await closing
    assert.equal(await committing, true)
    const later = await reopened(subject)
    assert.equal((await later?.bytes())?.byteLength, later && 300_000)
    assert.equal((await later?.bytes(OTHER_KEY))?.byteLength, later && 10)
  })

  check('waits as it closes for bodies that are forgotten, and no longer', async subject => {
    const { store } = subject
    const writer = await store.put(subject.entry())
    await writer?.write(bytesOf(100_000))
    const beganMs = monotonicMs()
    const closing = store.close()
    await writer?.abort()
    await closing
    assert.ok(monotonicMs() - beganMs < LONGEST_CLOSE_MS / 2)
  })

  check('answers with nothing, or an error, once it is closed, although a body was never finished', async subject => {
    const { store } = subject
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    const begun = subject.entry({ key: OTHER_KEY })
    const writer = await store.put(begun)
    await writer?.write(bytesOf(100_000))
    const beganMs = monotonicMs()
    await store.close()
    assert.ok(monotonicMs() - beganMs < LONGEST_CLOSE_MS, 'it waits for ever')
    assert.equal(await attempt(async () => subject.find()), undefined, 'get')
    assert.equal(await attempt(async () => subject.put(subject.entry())), undefined, 'put')
    assert.notEqual(await attempt(async () => store.update(stored)), true, 'update')
    assert.notEqual(await attempt(async () => writer?.commit(finished(begun, 100_000))), true, 'commit')
    await attempt(async () => store.delete(KEY))
    await store.close()
  })

  check('finds again what was stored before it was closed', async subject => {
    const body = bytesOf(300_000)
    const vary = ['accept']
    const large = await subject.put(subject.entry({ vary, expiresAtMs: Infinity }, { accept: 'a' }), body)
    const small = await subject.put(subject.entry({ vary }, { accept: 'b' }), bytesOf(10))
    await subject.put(subject.entry({ key: OTHER_KEY }))
    await subject.store.delete(OTHER_KEY)
    await subject.store.close()
    const later = await reopened(subject)
    if (later === undefined) return
    assert.deepEqual((await later.find(KEY, { accept: 'a' }))?.entry, large)
    assertSame(await later.bytes(KEY, { accept: 'a' }), body)
    assert.deepEqual((await later.find(KEY, { accept: 'b' }))?.entry, small)
    assert.equal(await later.find(OTHER_KEY), undefined)
  })

  check('shares what is stored, updated and deleted with other instances', async subject => {
    const other = await sharing(subject)
    if (other === undefined) return
    const body = bytesOf(300_000)
    const stored = await subject.put(subject.entry(), body)
    assert.ok(stored)
    assert.deepEqual((await other.find())?.entry, stored)
    assertSame(await other.bytes(), body)
    assert.equal(await other.store.update({ ...stored, statusText: 'New' }), true)
    assert.equal((await subject.find())?.entry.statusText, 'New')
    await other.store.delete(KEY)
    assert.equal(await subject.find(), undefined)
    assert.equal(await subject.store.update(stored), false)
  })

  check('lets the deletion by one instance win over what another is storing', async subject => {
    const other = await sharing(subject)
    if (other === undefined) return
    const asOf = await (await subject.get()).asOf()
    const entry = subject.entry()
    const writer = await subject.store.put(entry, { asOf })
    assert.ok(writer)
    await other.store.delete(KEY)
    await writer.write(bytesOf(10))
    assert.equal(await writer.commit(finished(entry, 10)), false)
    assert.equal(await other.find(), undefined)
    assert.notEqual(await subject.put(subject.entry()), undefined)
    assert.notEqual(await other.find(), undefined)
  })
}

async function reopened(subject: Subject): Promise<Subject | undefined> {
  const other = await subject.reopened()
  if (other === undefined) subject.context.skip('there is no reopening the store')
  return other
}

async function sharing(subject: Subject): Promise<Subject | undefined> {
  if (subject.skipUnless(subject.store.capabilities.shared, 'share its data')) return undefined
  return reopened(subject)
}
