// A FileStore in a directory of its own, and short ways to store and find.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileStore, type FileStoreOptions } from 'undici-http-cache/stores/file'
import type { CacheStore, Entry, Lookup, Stored } from '../../stores/store.ts'
import { bytesOf, entryOf as entryOfKey, finished, VARIANT } from './responses.ts'

/** What takes minutes is done where STRESS=1 is set; else a short form of it. */
export const isStress = process.env['STRESS'] === '1'

export const keyOf = (i: number) => `https://store.test/${i}`
export const KEY = 'https://store.test/a?b=1'
export interface OpenStore extends AsyncDisposable {
  readonly store: FileStore
  readonly directory: string
  /** Another store on the same directory, closed with the first. */
  reopen(options?: FileStoreOptions): FileStore
}

/** `await using` closes the stores and removes the directory. */
export async function openStore(options: FileStoreOptions = {}): Promise<OpenStore> {
  const parent = await mkdtemp(join(tmpdir(), 'file-store-'))
  const directory = join(parent, 'cache')
  const opened: FileStore[] = []
  const reopen = (changed: FileStoreOptions = {}) => {
    const store = new FileStore({ directory, ...options, ...changed })
    opened.push(store)
    return store
  }
  return {
    store: reopen(),
    directory,
    reopen,
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store.close()
      await rm(parent, { recursive: true })
    }
  }
}

export function entryOf(changes: Partial<Entry> = {}): Entry {
  return entryOfKey(KEY, changes)
}

/** Stores a response; undefined where the store would not. */
export async function put(
  store: CacheStore,
  changes: Partial<Entry> = {},
  body: Uint8Array = Buffer.from('body'),
  asOf?: unknown
): Promise<Entry | undefined> {
  const entry = entryOf(changes)
  const writer = await store.put(entry, asOf === undefined ? {} : { asOf })
  if (writer === undefined) return undefined
  for (let at = 0; at < body.byteLength; at += 65_536) await writer.write(body.subarray(at, at + 65_536))
  const whole = finished(entry, body.byteLength)
  return (await writer.commit(whole)) ? whole : undefined
}

/** `accept` is what the request says in that field. */
export async function get(store: CacheStore, key = KEY, accept?: string): Promise<Lookup> {
  return store.get(key, names => variantKey(names, accept))
}

export async function find(store: CacheStore, key = KEY, accept?: string): Promise<Stored | undefined> {
  return (await get(store, key, accept)).stored[0]
}

export function variantKey(names: readonly string[], accept: string | undefined): string {
  return names.includes('accept') ? `${VARIANT}\naccept:${accept}` : VARIANT
}

/** The body of what is found, read to its end. */
export async function read(store: CacheStore, key = KEY): Promise<Buffer | undefined> {
  const body = await (await find(store, key))?.open()
  return body === undefined ? undefined : bytesOf(body)
}

/** All files below a directory, by path relative to it; folders end in a slash. */
export function filesIn(directory: string): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  // What a store is removing may be gone since.
  const isFolder = (path: string) => lstatSync(join(directory, path), { throwIfNoEntry: false })?.isDirectory()
  return paths.map(path => (isFolder(path) ? `${path}/` : path)).sort()
}

/** The record files of a store. */
export function recordsOf(store: FileStore): string[] {
  return entriesOf(store).filter(path => !path.includes('~'))
}

/** The files of large bodies. */
export function bodiesOf(store: FileStore): string[] {
  return entriesOf(store).filter(path => path.includes('~'))
}

export function temporariesOf(store: FileStore): string[] {
  return filesIn(store.path)
    .filter(path => path.endsWith('.tmp'))
    .map(path => join(store.path, path))
}

function entriesOf(store: FileStore): string[] {
  return filesIn(store.path)
    .filter(path => path.startsWith('entries/') && !path.endsWith('/'))
    .map(path => join(store.path, path))
}

/** What the name of a key's record begins with. */
function digestOf(key: string): string {
  return createHash('sha256').update(Buffer.from(key, 'utf16le')).digest('hex')
}

/** Keys whose records share one of 256 folders, which is then as full as each is with 256 times as many entries. */
export function keysOfOneFolder(count: number): readonly string[] {
  const keys: string[] = []
  for (let i = 0; keys.length < count; i++) if (digestOf(keyOf(i)).startsWith('00')) keys.push(keyOf(i))
  return keys
}

export const BLOCK_BYTES = 4096

/** What the files occupy, in blocks; without those that a sweep is just removing. */
export function occupiedBytes(store: FileStore): number {
  const paths = [...recordsOf(store), ...bodiesOf(store)]
  const sizes = paths.map(path => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
  return sizes.reduce((sum, size) => sum + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES, 0)
}

export async function until(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  for (let delayMs = 5; !(await condition()); delayMs = Math.min(delayMs * 2, 200)) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, delayMs))
  }
}
