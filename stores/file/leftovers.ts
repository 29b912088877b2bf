import { join } from 'node:path'
import { attempt } from '../shared/attempt.ts'
import type { Folders } from './folders.ts'
import { openFolder, removeFolder } from './key-files.ts'
import { generationIn, isDraft, isTemporary, isTrash } from './layout.ts'
import { STALE_MS } from './sweep.ts'

/** Removes what was to be removed, and what a process that came to a sudden end was writing. */
export async function removeLeftovers(folders: Folders, pause: () => Promise<void>): Promise<void> {
  for (const name of await namesOfFolders(folders)) {
    const path = join(folders.storage, name)
    if (isTrash(name)) await removeFolder(folders, path, pause)
    else if (isDraft(name) && (await isStale(folders, path))) await removeFolder(folders, path, pause)
    else if (generationIn(name) !== undefined) await removeTemporaries(folders, path, pause)
  }
}

async function namesOfFolders(folders: Folders): Promise<readonly string[]> {
  const names: string[] = []
  for await (const entry of await openFolder(folders, folders.storage)) {
    if (entry.isDirectory()) names.push(entry.name)
  }
  return names
}

async function removeTemporaries(folders: Folders, folder: string, pause: () => Promise<void>): Promise<void> {
  let count = 0
  for await (const { name } of await openFolder(folders, folder)) {
    const path = join(folder, name)
    if (isTemporary(name) && (await isStale(folders, path))) await attempt(() => folders.fs.unlink(path))
    if (++count % 16 === 0) await pause()
  }
}

async function isStale(folders: Folders, path: string): Promise<boolean> {
  const stats = await attempt(() => folders.fs.lstat(path))
  return stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS
}
