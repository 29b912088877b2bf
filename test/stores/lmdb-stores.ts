import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore, type LmdbStoreOptions } from 'undici-http-cache/stores/lmdb'

/** A directory of its own for a test, removed with `remove`. */
export function scratchDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lmdb-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A store in a directory that is not there yet. */
export function scratchStore(options: LmdbStoreOptions = {}): LmdbStore {
  return new LmdbStore({ directory: join(scratchDirectory().path, 'store'), ...options })
}

export function removeStore(store: LmdbStore): void {
  rmSync(join(store.directory, '..'), { recursive: true, force: true })
}
