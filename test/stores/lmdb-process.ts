// A process of the tests beside this file: tsx lmdb-process.ts <role> <directory>, with messages over IPC.
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { bytesOf, entryOf, store } from '../support/responses.ts'
import { find } from './lmdb-subject.ts'

const [role, directory = ''] = process.argv.slice(2)
const target = new LmdbStore({ directory, maxSizeBytes: 64 * 1_048_576 })
const send = (message: unknown) => process.send?.(message)
const SIZES = [100, 5000, 60_000, 300_000, 1_000_000]

/** A body says by its entry's line what every byte of it is. */
async function write(): Promise<void> {
  for (let seed = process.pid; ; seed++) {
    const value = seed % 251
    const body = Buffer.alloc(SIZES[seed % SIZES.length] ?? 0, value)
    const entry = entryOf(`https://store.test/${seed % 7}`, { lines: [['X-Value', `${value}`]] })
    await store(target, entry, [body.subarray(0, 1000), body.subarray(1000)])
    if (seed % 13 === 0) await target.delete(`https://store.test/${seed % 5}`)
    if (seed % 20 === 0) send({ written: seed })
  }
}

async function read(): Promise<void> {
  let hits = 0
  let failures = 0
  for (let i = 0; ; i++) {
    const found = find(target, `https://store.test/${i % 7}`)
    if (found !== undefined) {
      const value = Number(found.entry.lines[0]?.[1])
      try {
        const bytes = await bytesOf(await found.open())
        const isWhole = bytes.length === found.entry.completeLength && bytes.every(byte => byte === value)
        if (!isWhole) send({ torn: `${bytes.length} of ${found.entry.completeLength} bytes, ${value}` })
        hits++
      } catch {
        failures++
      }
    }
    if (i % 50 === 0) send({ hits, failures })
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Does what it is told, once for each message. */
function obey(): void {
  process.on('message', (message: { do: string; key: string; text?: string }) => {
    const { key } = message
    const work = async () => {
      if (message.do === 'store') return store(target, entryOf(key), [Buffer.from(message.text ?? '')])
      if (message.do === 'delete') return target.delete(key)
      if (message.do === 'tag') return target.deleteByTag(key)
      if (message.do === 'close') return target.close().then(() => process.disconnect())
      return find(target, key) === undefined ? undefined : (await bytesOf(await find(target, key)?.open())).toString()
    }
    work().then(
      result => process.connected && send({ done: true, result }),
      error => send({ done: true, error: String(error) })
    )
  })
  send({ ready: true })
}

/** Reads all that is stored, and dies of a signal, or ends by itself without close(). */
async function list(): Promise<void> {
  let count = 0
  for await (const _ of target.entries()) count++
  process.stdout.write(`${count}`)
  const signal = process.argv[4]
  if (signal === undefined) return
  process.kill(process.pid, signal)
  await new Promise(resolve => setTimeout(resolve, 10_000))
}

if (role === 'write') await write()
else if (role === 'list') await list()
else if (role === 'read') await read()
else obey()
