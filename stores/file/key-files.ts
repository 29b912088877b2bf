import { attempt, ignoreAbsent, isAbsent } from './faults.ts'
import type { DirectoryEntry } from './file-system.ts'
import { isRecordName, keyNameOf, partsOfBodyName } from './names.ts'
import type { Tree } from './tree.ts'

const SHARD = /^[\da-f]{2}$/

/** The files of one key, by name. */
export interface KeyFiles {
  readonly key: string
  readonly records: string[]
  readonly bodies: string[]
}

/** The folders of entries that are there. */
export async function listShards(tree: Tree): Promise<readonly string[]> {
  const shards: string[] = []
  for await (const entry of await openFolder(tree, tree.entries)) {
    if (SHARD.test(entry.name) && entry.isDirectory()) shards.push(entry.name)
  }
  return shards
}

/** The files of a shard, by key; others than this store's are left out. */
export async function listKeys(tree: Tree, shard: string): Promise<readonly KeyFiles[]> {
  const keys = new Map<string, KeyFiles>()
  for await (const { name } of await openFolder(tree, tree.shardPath(shard))) {
    const owner = isRecordName(name) ? name : partsOfBodyName(name)?.recordName
    if (owner === undefined || !owner.startsWith(shard)) continue
    const key = keyNameOf(owner)
    const files = keys.get(key) ?? { key, records: [], bodies: [] }
    files[owner === name ? 'records' : 'bodies'].push(name)
    keys.set(key, files)
  }
  return [...keys.values()]
}

/** Removes a folder with all that is in it; links in it are removed, not followed. */
export async function removeFolder(tree: Tree, path: string, pause: () => Promise<void>): Promise<void> {
  let count = 0
  for await (const entry of await openFolder(tree, path)) {
    const inner = `${path}/${entry.name}`
    if (entry.isDirectory()) await removeFolder(tree, inner, pause)
    else await ignoreAbsent(tree.fs.unlink(inner))
    if (++count % 16 === 0) await pause()
  }
  // What was put in meanwhile goes the next time.
  await attempt(tree.fs.rmdir(path))
}

/** What is in a folder, or nothing where there is no such folder. Rejects for a link to one. */
export async function openFolder(
  tree: Tree,
  path: string
): Promise<AsyncIterable<DirectoryEntry> | readonly DirectoryEntry[]> {
  try {
    await tree.requireOwn(path)
    return await tree.fs.opendir(path)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}
