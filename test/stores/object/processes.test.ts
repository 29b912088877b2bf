// Several processes on one folder, some of which come to a sudden end.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { isStress } from '../../support/file-store.ts'
import { type Crowd, faultOf, KEYS } from './process.ts'

const MILLISECONDS = isStress ? 30_000 : 1500
const KILLS = isStress ? 20 : 2

it('three processes that store, find and delete find whole responses only', { timeout: 120_000 }, async context => {
  const directory = await mkdtemp(join(tmpdir(), 'object-store-'))
  const crowds = await Promise.all([1, 2, 3].map(() => runProcess(directory, MILLISECONDS)))
  context.diagnostic(JSON.stringify(crowds))
  assert.deepEqual(
    crowds.flatMap(({ faults }) => faults),
    []
  )
  for (const { stored, found, deleted } of crowds) assert.ok(stored > 0 && found > 0 && deleted > 0)
  await assertTidy(directory)
})

it('processes that are killed leave nothing that is found wrong', { timeout: 240_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'object-store-'))
  const { signal, end } = ending()
  const working = runProcess(directory, 600_000, signal)
  for (let i = 0; i < KILLS; i++) {
    const abort = new AbortController()
    const killed = runProcess(directory, 600_000, abort.signal)
    await sleep(1500 + Math.random() * 500)
    abort.abort()
    await killed
  }
  end()
  await working
  const store = new ObjectStore({ driver: fsDriver({ directory }) })
  for (const key of KEYS) assert.match((await faultOf(store, key)) ?? '', /^$/)
  await assertTidy(directory)
})

function ending() {
  const abort = new AbortController()
  return { signal: abort.signal, end: () => abort.abort() }
}

/** Nothing is left once all is deleted, but traces of that. */
async function assertTidy(directory: string): Promise<void> {
  const store = new ObjectStore({ driver: fsDriver({ directory }) })
  for (const key of KEYS) assert.match((await faultOf(store, key)) ?? '', /^$/)
  await store.sweep()
  await store.clear()
  const left = await readdir(join(directory, 'undici-http-cache/message-pack/e'), { recursive: true })
  assert.deepEqual(
    left.filter(name => name.length > 3),
    []
  )
  await rm(directory, { recursive: true })
}

/** Nothing where it was killed. */
async function runProcess(directory: string, milliseconds: number, signal?: AbortSignal): Promise<Crowd> {
  const script = join(import.meta.dirname, 'process.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', script, directory, String(milliseconds)])
  signal?.addEventListener('abort', () => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  assert.equal(stderr, '')
  return stdout === '' ? { faults: [], stored: 0, found: 0, deleted: 0 } : JSON.parse(stdout)
}
