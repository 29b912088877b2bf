import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheStores } from 'undici'
import { builtPackage, builtSubpath } from './built-package.ts'
import { redisSubjects } from './redis-subjects.ts'
import { nothing, ours, type StoreSubject, URLS, undicis } from './store-subject.ts'

/** Every store in the order in which they are listed; the first is the floor. */
export async function makeSubjects(origin: string): Promise<readonly StoreSubject[]> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-stores-'))
  const { MemoryStore } = await builtPackage()
  const { FileStore } = await builtSubpath<typeof import('../stores/file.ts')>('stores/file')
  const { LmdbStore } = await builtSubpath<typeof import('../stores/lmdb.ts')>('stores/lmdb')
  const { ObjectStore, fsDriver } = await builtSubpath<typeof import('../stores/object.ts')>('stores/object')
  const objects = new ObjectStore({ driver: fsDriver({ directory: join(directory, 'objects') }) })
  const removal = { ...nothing('remove'), close: () => rm(directory, { recursive: true, force: true }) }
  return [
    await filesAsTheyAre(join(directory, 'plain')),
    await ours('MemoryStore', new MemoryStore({ maxSizeBytes: 512 * 1_048_576 }), origin),
    await ours('FileStore', new FileStore({ directory: join(directory, 'file') }), origin),
    await ours('LmdbStore', new LmdbStore({ directory: join(directory, 'lmdb') }), origin),
    await ours('ObjectStore in files', objects, origin),
    ...(await redisSubjects(origin)),
    undicis('undici MemoryCacheStore', new cacheStores.MemoryCacheStore({ maxSize: 512 * 1_048_576 }), origin),
    ...sqlite(join(directory, 'sqlite.db'), origin),
    removal
  ]
}

/** What reading a file costs, at the least. */
async function filesAsTheyAre(directory: string): Promise<StoreSubject> {
  await mkdir(directory)
  let turn = 0
  const path = (bytes: number, i: number) => join(directory, `${bytes}-${i}`)
  return {
    ...nothing('fs.promises.readFile'),
    async prepare(bytes) {
      for (let i = 0; i < URLS; i++) await writeFile(path(bytes, i), Buffer.alloc(bytes, 'x'))
    },
    hits: bytes => readFile(path(bytes, turn++ % URLS))
  }
}

function sqlite(location: string, origin: string): readonly StoreSubject[] {
  try {
    const store = new cacheStores.SqliteCacheStore({ location, maxEntrySize: 1_048_576 })
    return [undicis('undici SqliteCacheStore', store as never, origin)]
  } catch {
    console.log('undici SqliteCacheStore: this Node has no node:sqlite')
    return []
  }
}
