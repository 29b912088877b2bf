import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assertSame } from './bodies.ts'
import { bytesOf, chunksOf } from './bytes.ts'
import { type Check, finished, type Subject } from './subject.ts'

const KEYS = Array.from({ length: 4 }, (_, i) => `https://store.test/${i}`)
const SIZES = [0, 10, 5000, 70_000, 200_000]
const COUNT = 100

/** Whatever happens at the same time, what is read is one whole response. */
export function testConcurrency(check: Check): void {
  check('a hundred puts and gets at once on few keys give whole responses only', async subject => {
    const work: Promise<void>[] = []
    for (let i = 0; i < COUNT; i++) work.push(write(subject, i), read(subject, i))
    await Promise.all(work)
    for (const key of KEYS) await readWhole(subject, key, true)
  })

  check('puts, updates, deletions and gets at once give whole responses only', async subject => {
    const work: Promise<void>[] = []
    for (let i = 0; i < COUNT; i++) {
      work.push(write(subject, i), read(subject, i))
      if (i % 3 === 0) work.push(update(subject, i))
      if (i % 5 === 0) work.push(remove(subject, i))
    }
    await Promise.all(work)
    for (const key of KEYS) await readWhole(subject, key, false)
  })
}

/** The entry says by its seed which body is its own. */
async function write(subject: Subject, seed: number): Promise<void> {
  await turns(seed % 7)
  const body = bytesOf(sizeOf(seed), seed + 1)
  const entry = subject.entry({ key: keyOf(seed), lines: [['X-Seed', String(seed)]] })
  const writer = await subject.store.put(entry)
  if (writer === undefined) return
  for (const chunk of chunksOf(body)) {
    await writer.write(chunk)
    await nextTurn()
  }
  if (seed % 11 === 0) await writer.abort()
  else await writer.commit(finished(entry, body.byteLength))
}

async function read(subject: Subject, seed: number): Promise<void> {
  await turns(seed % 13)
  await readWhole(subject, keyOf(seed), false)
}

async function update(subject: Subject, seed: number): Promise<void> {
  await turns(seed % 17)
  const found = await subject.find(keyOf(seed))
  if (found !== undefined) await subject.store.update({ ...found.entry, statusText: 'Updated' })
}

async function remove(subject: Subject, seed: number): Promise<void> {
  await turns(seed % 19)
  await subject.store.delete(keyOf(seed))
}

/** What is found, if it can be opened, is the body that was written for that entry. */
async function readWhole(subject: Subject, key: string, mustBeThere: boolean): Promise<void> {
  const found = await subject.find(key)
  if (mustBeThere) assert.ok(found)
  if (found === undefined) return
  const seed = Number(found.entry.lines[0]?.[1])
  assert.equal(found.entry.completeLength, sizeOf(seed))
  let bytes: Buffer | undefined
  try {
    bytes = await subject.read(found)
  } catch (error) {
    if (mustBeThere) throw error
  }
  if (mustBeThere || bytes !== undefined) assertSame(bytes, bytesOf(sizeOf(seed), seed + 1))
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn()
}

function keyOf(seed: number): string {
  return KEYS[seed % KEYS.length] ?? ''
}

function sizeOf(seed: number): number {
  return SIZES[seed % SIZES.length] ?? 0
}
