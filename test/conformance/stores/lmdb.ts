import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'))
  return { store: new LmdbStore({ directory }), remove: () => rm(directory, { recursive: true }) }
}
