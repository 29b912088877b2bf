// The recipes for other people's storages: every CacheStore's tests, on unstorage and on OpenDAL.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { testStore } from 'undici-http-cache/stores/testing'
import { createStorage } from 'unstorage'
import fsStorage from 'unstorage/drivers/fs'
import { type Operator, opendalDriver } from '../../../examples/support/opendal-driver.ts'
import { unstorageDriver } from '../../../examples/support/unstorage-driver.ts'
import { isStress } from '../../support/file-store.ts'
import { ListingStore } from './listing-store.ts'

const variantCount = isStress ? 1000 : 20

testStore({
  name: 'ObjectStore in unstorage, in memory',
  create: ({ maxEntrySizeBytes }) => {
    return new ListingStore({ driver: unstorageDriver(createStorage()), maxEntrySizeBytes })
  },
  reopen: store => new ListingStore((store as ListingStore).options),
  variantCount
})

if (isStress) {
  inFolder('ObjectStore in unstorage, in files', base =>
    unstorageDriver(createStorage({ driver: fsStorage({ base }) }))
  )
}

const opendal = loadOpendal()
if ('why' in opendal) it('ObjectStore in OpenDAL', { skip: opendal.why })
else {
  inFolder('ObjectStore in OpenDAL', root => {
    return opendalDriver(new opendal.Operator('fs', { root, atomic_write_dir: join(root, '.writing') }))
  })
}

function inFolder(name: string, driverOf: (directory: string) => ReturnType<typeof opendalDriver>): void {
  const directories = new WeakMap<object, string>()
  testStore({
    name,
    create: async ({ maxEntrySizeBytes }) => {
      const directory = await mkdtemp(join(tmpdir(), 'recipe-'))
      const store = new ListingStore({ driver: driverOf(directory), maxEntrySizeBytes })
      directories.set(store, directory)
      return store
    },
    reopen: store => new ListingStore((store as ListingStore).options),
    dispose: store => rm(directories.get(store) ?? '', { recursive: true }),
    variantCount
  })
}

/** From node_modules/.cache, fetched the first time: it is no dependency, since later versions do not load everywhere. */
function loadOpendal():
  | { readonly Operator: new (scheme: string, options: object) => Operator }
  | { readonly why: string } {
  const root = dirname(dirname(dirname(import.meta.dirname)))
  const directory = join(root, 'node_modules/.cache/recipes/opendal@0.49.2')
  try {
    if (!existsSync(join(directory, 'node_modules/opendal'))) {
      mkdirSync(directory, { recursive: true })
      const args = ['install', '--prefix', directory, '--no-save', '--no-audit', '--no-fund', 'opendal@0.49.2']
      const { status } = spawnSync('npm', args, { timeout: 60_000, shell: process.platform === 'win32' })
      if (status !== 0) return { why: 'opendal@0.49.2 cannot be fetched from the registry' }
    }
    return createRequire(join(directory, 'recipes.js'))('opendal')
  } catch (error) {
    return { why: `opendal@0.49.2 does not load here: ${String(error).split('\n')[0]}` }
  }
}
