// An ObjectStore in a file system in memory, with a driver whose calls a test watches, holds up or has fail.
import { memfs } from 'memfs'
import {
  type DriverFileSystem,
  fsDriver,
  type ObjectBody,
  type ObjectDriver,
  ObjectStore,
  type ObjectStoreOptions
} from 'undici-http-cache/stores/object'

export const PREFIX = 'test/'
export const ROOT = 'test/message-pack/'

/** 'get e/00/...' and so on, names without the root. A promise: the call waits for it. What it throws, the call rejects
 * with; bytes take the place of those that are there. */
export type Watcher = (call: 'get' | 'put' | 'delete' | 'list', name: string, signal: AbortSignal) => unknown

export class WatchedDriver implements ObjectDriver {
  readonly capabilities
  readonly calls: string[] = []
  watcher: Watcher = () => undefined
  readonly #driver: ObjectDriver

  constructor(driver: ObjectDriver, capabilities: Partial<ObjectDriver['capabilities']> = {}) {
    this.#driver = driver
    this.capabilities = { ...driver.capabilities, shared: true, ...capabilities }
  }

  async get(name: string, options: Parameters<ObjectDriver['get']>[1]): Promise<ObjectBody | undefined> {
    const watched = await this.#watch('get', name, options.signal)
    const { ranges } = this.capabilities
    if (watched !== undefined) return watched as ObjectBody
    return this.#driver.get(name, ranges ? options : { signal: options.signal })
  }

  async put(name: string, body: ObjectBody, options: Parameters<ObjectDriver['put']>[2]): Promise<boolean> {
    const watched = await this.#watch('put', name, options.signal)
    return watched === undefined ? this.#driver.put(name, body, options) : (watched as boolean)
  }

  async delete(name: string, options: Parameters<ObjectDriver['delete']>[1]): Promise<void> {
    await this.#watch('delete', name, options.signal)
    await this.#driver.delete(name, options)
  }

  async *list(prefix: string, options: Parameters<ObjectDriver['list']>[1]): AsyncGenerator<string> {
    const watched = await this.#watch('list', prefix, options.signal)
    yield* (watched as string[] | undefined) ?? this.#driver.list(prefix, options)
  }

  /** The calls since the last time, by their kind and the first letter of the name. */
  taken(): string[] {
    return this.calls.splice(0).map(call => call.replace(/ ([edm])\/.*/, ' $1'))
  }

  async #watch(call: Parameters<Watcher>[0], name: string, signal: AbortSignal): Promise<unknown> {
    const short = name.slice(ROOT.length)
    this.calls.push(`${call} ${short}`)
    return this.watcher(call, short, signal)
  }
}

export interface WatchedStore {
  readonly store: ObjectStore
  readonly driver: WatchedDriver
  /** The driver below, which nobody watches. */
  readonly plain: ObjectDriver
  /** Another store on the same objects, as another process has it. */
  another(options?: Partial<ObjectStoreOptions>): { readonly store: ObjectStore; readonly driver: WatchedDriver }
}

export function watchedStore(
  options: Partial<ObjectStoreOptions> = {},
  capabilities: Partial<ObjectDriver['capabilities']> = {}
): WatchedStore {
  const fs = memfs().fs as unknown as { promises: DriverFileSystem }
  const plain = fsDriver({ directory: '/objects', fs })
  const another = (changes: Partial<ObjectStoreOptions> = {}) => {
    const driver = new WatchedDriver(plain, capabilities)
    return { driver, store: new ObjectStore({ driver, prefix: PREFIX, ...options, ...changes }) }
  }
  return { ...another(), plain, another }
}

const { signal } = new AbortController()

/** The names of all objects, without the root. */
export async function objectsOf(driver: ObjectDriver, prefix = ''): Promise<string[]> {
  const names: string[] = []
  for await (const name of driver.list(ROOT + prefix, { signal })) names.push(name.slice(ROOT.length))
  return names
}

export async function bytesOfObject(driver: ObjectDriver, name: string): Promise<Buffer> {
  const body = await driver.get(ROOT + name, { signal })
  if (body === undefined) throw new Error(`no object ${name}`)
  if (body instanceof Uint8Array) return Buffer.from(body)
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

export async function writeObject(driver: ObjectDriver, name: string, bytes: Uint8Array): Promise<void> {
  await driver.put(ROOT + name, bytes, { size: bytes.byteLength, signal })
}

export async function removeObject(driver: ObjectDriver, name: string): Promise<void> {
  await driver.delete(ROOT + name, { signal })
}

/** A promise, and what settles it. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {}
  const passed = new Promise<void>(resolve => {
    open = resolve
  })
  return { passed, open }
}
