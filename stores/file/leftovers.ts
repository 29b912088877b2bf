import { join } from 'node:path'
import { attempt } from '../shared/attempt.ts'
import type { Tree } from './folders.ts'
import { openFolder, removeFolder, TEMPORARY } from './key-files.ts'
import { STALE_MS } from './sweep.ts'

const TRASH = /^trash-[\da-f]{32}$/
const DRAFT = /^new-[\da-f]{32}$/
const LOG = /^log-\d{8}$/

/** Removes what was to be removed, and what a process that came to a sudden end was writing. */
export async function removeLeftovers(tree: Tree, pause: () => Promise<void>): Promise<void> {
  for (const name of await namesOfFolders(tree)) {
    const path = join(tree.storage, name)
    if (TRASH.test(name)) await removeFolder(tree, path, pause)
    else if (DRAFT.test(name) && (await isStale(tree, path))) await removeFolder(tree, path, pause)
    else if (LOG.test(name)) await removeTemporaries(tree, path, pause)
  }
}

async function namesOfFolders(tree: Tree): Promise<readonly string[]> {
  const names: string[] = []
  for await (const entry of await openFolder(tree, tree.storage)) {
    if (entry.isDirectory()) names.push(entry.name)
  }
  return names
}

async function removeTemporaries(tree: Tree, folder: string, pause: () => Promise<void>): Promise<void> {
  let count = 0
  for await (const { name } of await openFolder(tree, folder)) {
    const path = join(folder, name)
    if (TEMPORARY.test(name) && (await isStale(tree, path))) await attempt(() => tree.fs.unlink(path))
    if (++count % 16 === 0) await pause()
  }
}

async function isStale(tree: Tree, path: string): Promise<boolean> {
  const stats = await attempt(() => tree.fs.lstat(path))
  return stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS
}
