import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'))
  const store = new ObjectStore({ driver: fsDriver({ directory }) })
  return { store, remove: () => rm(directory, { recursive: true }) }
}
