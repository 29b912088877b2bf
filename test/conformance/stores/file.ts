import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileStore } from 'undici-http-cache/stores/file'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'))
  return { store: new FileStore({ directory }), remove: () => rm(directory, { recursive: true }) }
}
