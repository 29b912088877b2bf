import assert from 'node:assert/strict'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, KEY, OTHER_KEY, type SelectingFields, type Subject } from './subject.ts'

const LANGUAGE = ['accept-language']
const ENCODING = ['accept-encoding']
const EN = { 'accept-language': 'en' }
const DE = { 'accept-language': 'de' }

/** One key holds several responses, told apart by the request. */
export function testVariants(check: Check, count: number): void {
  check('tells the variants of a key apart', async subject => {
    const english = await put(subject, LANGUAGE, EN)
    const german = await put(subject, LANGUAGE, DE)
    assert.deepEqual(await ids(subject, EN), [english.id])
    assert.deepEqual(await ids(subject, DE), [german.id])
    assertSame(await subject.bytes(KEY, EN), Buffer.from(english.id))
    assertSame(await subject.bytes(KEY, DE), Buffer.from(german.id))
  })

  check('says whether a key that answers nothing holds other variants', async subject => {
    await put(subject, LANGUAGE, EN)
    const missed = await subject.get(KEY, DE)
    assert.deepEqual([...missed.stored], [])
    assert.equal(missed.otherVariants, true, 'a vary-miss')
    assert.equal((await subject.get(OTHER_KEY, DE)).otherVariants, false, 'a uri-miss')
    await subject.store.delete(KEY)
    assert.equal((await subject.get(KEY, DE)).otherVariants, false, 'a uri-miss once deleted')
  })

  check('says that there are no others where there is but one', async subject => {
    await put(subject, [], {})
    assert.equal((await subject.get()).otherVariants, false)
  })

  check('replaces a variant and leaves the others', async subject => {
    const english = await put(subject, LANGUAGE, EN)
    await put(subject, LANGUAGE, DE)
    const german = await put(subject, LANGUAGE, DE)
    assert.deepEqual(await ids(subject, DE), [german.id])
    assertSame(await subject.bytes(KEY, DE), Buffer.from(german.id))
    assert.deepEqual(await ids(subject, EN), [english.id])
  })

  check('finds what was stored under several lists of selecting fields', async subject => {
    const both = { ...EN, 'accept-encoding': 'gzip' }
    const plain = await put(subject, [], both)
    const byLanguage = await put(subject, LANGUAGE, both)
    const byEncoding = await put(subject, ENCODING, both)
    assert.deepEqual(await ids(subject, both), [plain.id, byLanguage.id, byEncoding.id].sort())
    assert.deepEqual(await ids(subject, EN), [plain.id, byLanguage.id].sort())
    assert.deepEqual(await ids(subject, {}), [plain.id])
  })

  check('looks up as many variants as there are lists, not as there are variants', async subject => {
    for (let i = 0; i < 20; i++) await put(subject, LANGUAGE, { 'accept-language': `x-${i}` })
    let calls = 0
    await subject.store.get(KEY, names => {
      calls++
      return `GET\n\n${names.join()}`
    })
    assert.ok(calls <= 2, `variantOf was called ${calls} times for one list`)
  })

  check('removes all variants of a key with it', async subject => {
    for (const fields of [EN, DE]) await put(subject, LANGUAGE, fields)
    await subject.put(subject.entry({ key: OTHER_KEY }))
    await subject.store.delete(KEY)
    for (const fields of [EN, DE]) assert.deepEqual(await ids(subject, fields), [])
    assert.notEqual(await subject.find(OTHER_KEY), undefined)
  })

  check(`holds ${count} variants of one key`, async subject => {
    const found: number[] = []
    for (let i = 0; i < count; i++) {
      await subject.put(subject.entry({ vary: LANGUAGE }, { 'accept-language': `x-${i}` }), bytesOf(20, i + 1))
    }
    for (let i = 0; i < count; i++) {
      const bytes = await subject.bytes(KEY, { 'accept-language': `x-${i}` })
      if (bytes === undefined) continue
      assertSame(bytes, bytesOf(20, i + 1))
      found.push(i)
    }
    assert.ok(found.length >= Math.min(count, subject.maxVariants), `${found.length} of ${count} variants were found`)
    assert.equal(found.at(-1), count - 1, 'the newest is among them')
    assert.equal((await subject.get(KEY, DE)).otherVariants, true)
  })
}

async function put(subject: Subject, vary: readonly string[], fields: SelectingFields): Promise<Entry> {
  const committed = await subject.put(subject.entry({ vary }, fields))
  assert.ok(committed)
  return committed
}

/** The ids of what the request selects, sorted: stores find in no order. */
async function ids(subject: Subject, fields: SelectingFields): Promise<string[]> {
  return (await subject.get(KEY, fields)).stored.map(({ entry }) => entry.id).sort()
}
