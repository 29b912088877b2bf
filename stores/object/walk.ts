import type { DriverCalls } from './driver-calls.ts'
import { DELETED_KEYS, deletedKeyOf, ENTRIES, parseEntryPath } from './layout.ts'

/** Keys that are looked at at the same time. */
const AT_ONCE = 16

/** All there is of one key. */
export interface KeyGroup {
  readonly key: string
  readonly records: readonly string[]
  /** The ids of bodies. */
  readonly bodies: readonly string[]
  /** Whether something says that the key was deleted. */
  readonly isDeleted: boolean
}

/** Calls `visit` for every key of which there is anything, several at a time; rejects with what the first has failed with,
 * once the others are done. */
export async function walkKeys(calls: DriverCalls, visit: (group: KeyGroup) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  for await (const group of groupsOf(calls)) {
    if (failures.length > 0) break
    const visiting: Promise<void> = visit(group)
      .catch(error => void failures.push(error))
      .finally(() => running.delete(visiting))
    running.add(visiting)
    if (running.size >= AT_ONCE) await Promise.race(running)
  }
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
}

/** Both lists are in the order of keys, so no more than one key of each is held. */
export async function* groupsOf(calls: DriverCalls): AsyncGenerator<KeyGroup, undefined> {
  const deletedKeys = calls.list(DELETED_KEYS)
  try {
    let deleted = await nextKey(deletedKeys)
    for await (const group of storedGroups(calls)) {
      for (; deleted !== undefined && deleted < group.key; deleted = await nextKey(deletedKeys))
        yield emptyGroup(deleted)
      const isDeleted = deleted === group.key
      if (isDeleted) deleted = await nextKey(deletedKeys)
      yield { ...group, isDeleted }
    }
    for (; deleted !== undefined; deleted = await nextKey(deletedKeys)) yield emptyGroup(deleted)
  } finally {
    await deletedKeys.return(undefined)
  }
}

async function* storedGroups(calls: DriverCalls): AsyncGenerator<Omit<KeyGroup, 'isDeleted'>, undefined> {
  let key = ''
  let records: string[] = []
  let bodies: string[] = []
  for await (const path of calls.list(ENTRIES)) {
    const name = parseEntryPath(path)
    if (name === undefined) continue
    if (name.key !== key) {
      if (key !== '') yield { key, records, bodies }
      key = name.key
      records = []
      bodies = []
    }
    if (name.kind === 'record') records.push(name.name)
    else bodies.push(name.id)
  }
  if (key !== '') yield { key, records, bodies }
}

async function nextKey(paths: AsyncGenerator<string, undefined>): Promise<string | undefined> {
  const { value } = await paths.next()
  return value === undefined ? undefined : deletedKeyOf(value)
}

function emptyGroup(key: string): KeyGroup {
  return { key, records: [], bodies: [], isDeleted: true }
}
