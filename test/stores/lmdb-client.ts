// A client of the interceptor with an LmdbStore, and what is told of the store's faults.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import type { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'

export interface LmdbClient extends AsyncDisposable {
  /** Of every response. */
  readonly body: string
  /** What onStoreError was told: 'commit: Error: ...'. */
  readonly reports: string[]
  /** Asks for a path, checks what comes, and gives it time to be stored. How it was answered. */
  ask(path: string): Promise<string | undefined>
}

/** One whose origin answers with the same random body of that size each time. */
export async function startLmdbClient(store: LmdbStore, size: number): Promise<LmdbClient> {
  const body = randomBytes(size / 2).toString('hex')
  const origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body })
  const reports: string[] = []
  const onStoreError = (error: unknown, operation: string) => {
    reports.push(`${operation}: ${error}`)
  }
  const agent = new Agent().compose(cacheInterceptor({ store, onStoreError, storeTimeoutMs: 20_000 }))
  return {
    body,
    reports,
    async ask(path) {
      const before = reports.length
      const answer = await ask(agent, origin.url + path)
      assert.equal(answer.statusCode, 200)
      assert.ok(answer.body === body, 'the body')
      if (answer.outcome === 'hit') return 'hit'
      for (let i = 0; i < 500 && reports.length === before && !isStored(store, origin.url + path); i++) await delay(2)
      return answer.outcome
    },
    async [Symbol.asyncDispose]() {
      await agent.close()
      await origin.close()
    }
  }
}

function isStored(store: LmdbStore, key: string): boolean {
  try {
    return store.get(key, names => ['GET\n', ...names].join('\n')).stored.length > 0
  } catch {
    return false
  }
}

/** A disk of that many MiB in that place; undefined where one may not mount. */
export function mountDisk(directory: string, mebibytes: number): Disposable | undefined {
  mkdirSync(directory, { recursive: true })
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', directory])
  if (status !== 0) return undefined
  return { [Symbol.dispose]: () => spawnSync('umount', ['-l', directory]) }
}
