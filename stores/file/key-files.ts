import { dirname, join } from 'node:path'
import { attempt } from '../shared/attempt.ts'
import { isRecordName, keyNameOf, partsOfBodyName, randomName } from '../shared/entry-names.ts'
import { ignoreAbsent, isAbsent } from '../shared/file-errors.ts'
import type { DirectoryEntry } from './file-system.ts'
import type { Folders } from './folders.ts'
import { isOwnFile, isShard } from './layout.ts'

/** The files of one key, by name. */
export interface KeyFiles {
  readonly key: string
  readonly records: string[]
  readonly bodies: string[]
}

/** The folders of entries that are there. */
export async function listShards(folders: Folders): Promise<readonly string[]> {
  const shards: string[] = []
  for await (const entry of await openFolder(folders, folders.entries)) {
    if (isShard(entry.name) && entry.isDirectory()) shards.push(entry.name)
  }
  return shards
}

/** The files of a shard, by key; others than this store's are left out. */
export async function listKeys(folders: Folders, shard: string): Promise<readonly KeyFiles[]> {
  const keys = new Map<string, KeyFiles>()
  for await (const { name } of await openFolder(folders, folders.shardPath(shard))) {
    const owner = isRecordName(name) ? name : partsOfBodyName(name)?.recordName
    if (owner === undefined || !owner.startsWith(shard)) continue
    const key = keyNameOf(owner)
    const files = keys.get(key) ?? { key, records: [], bodies: [] }
    files[owner === name ? 'records' : 'bodies'].push(name)
    keys.set(key, files)
  }
  return [...keys.values()]
}

/** Removes of a folder, which has been put aside, what this store makes, and then the folder. Whatever else is in it was put
 * there by somebody else, and goes to `home`, with the entries. */
export async function removeFolder(
  folders: Folders,
  path: string,
  pause: () => Promise<void>,
  home = folders.entries
): Promise<void> {
  let count = 0
  for await (const entry of await openFolder(folders, path)) {
    const { name } = entry
    const inner = join(path, name)
    const isShardFolder = home === folders.entries && isShard(name)
    if (isShardFolder && entry.isDirectory()) await removeFolder(folders, inner, pause, join(home, name))
    else if (isOwnFile(name) && !entry.isDirectory()) await ignoreAbsent(folders.fs.unlink(inner))
    else await attempt(() => putBack(folders, inner, join(home, name)))
    if (++count % 16 === 0) await pause()
  }
  // What was put in meanwhile goes the next time.
  await attempt(() => folders.fs.rmdir(path))
}

/** Under another name if something is there already. */
async function putBack(folders: Folders, from: string, to: string): Promise<void> {
  await folders.makeFolders(dirname(to))
  const isFree = (await attempt(() => folders.fs.lstat(to))) === undefined
  await folders.fs.rename(from, isFree ? to : `${to}-${randomName()}`)
}

/** What is in a folder, or nothing where there is no such folder. Rejects for a link to one. */
export async function openFolder(
  folders: Folders,
  path: string
): Promise<AsyncIterable<DirectoryEntry> | readonly DirectoryEntry[]> {
  try {
    await folders.requireOwn(path)
    return await folders.fs.opendir(path)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}
