// Jest, Vitest's pools of vm contexts and sandboxes evaluate a package in a context of its own, whose Error, Promise and
// Uint8Array are not those of Node's modules, of undici, or of what its caller makes.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import vm from 'node:vm'
import ts from 'typescript'
import { Agent } from 'undici'
import type { CacheOptions, CacheStore } from 'undici-http-cache'
import { ask, cacheStatus } from './support/ask.ts'
import { startOrigin } from './support/origin.ts'
import { missingRedis, RedisServer } from './support/redis/server.ts'

const ROOT = dirname(import.meta.dirname)

/** What test runners give a context beyond the globals of the language. */
const GIVEN = [
  ...['process', 'Buffer', 'URL', 'URLSearchParams', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  ...['setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'AbortController', 'AbortSignal'],
  ...['TextEncoder', 'TextDecoder', 'structuredClone', 'Event', 'EventTarget', 'console']
]
const BYTES = ['ArrayBuffer', 'Uint8Array']

type Load = (path: string) => Record<string, unknown>

const transpiled = new Map<string, string>()

function asCommonJs(path: string): string {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true }
  const text = transpiled.get(path) ?? withoutMeta(ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions }))
  transpiled.set(path, text)
  return text
}

/** As the build has it: CommonJS knows no import.meta. */
function withoutMeta({ outputText }: ts.TranspileOutput): string {
  return outputText.replaceAll('import.meta.url', 'undefined')
}

/** Evaluates sources as CommonJS in a new context; packages and modules of Node are those of this one. */
function loaderInContext(given: readonly string[]): Load {
  const globals: Record<string, unknown> = globalThis
  const context = vm.createContext(Object.fromEntries(given.map(name => [name, globals[name]])))
  const loaded = new Map<string, { exports: Record<string, unknown> }>()
  const load: Load = path => {
    const known = loaded.get(path)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    loaded.set(path, module)
    const outer = createRequire(path)
    const require = (name: string) => (name.startsWith('.') ? load(resolve(dirname(path), name)) : outer(name))
    const parameters = ['module', 'exports', 'require', '__filename', '__dirname']
    const run = vm.compileFunction(asCommonJs(path), parameters, { parsingContext: context, filename: path })
    run(module, module.exports, require, path, dirname(path))
    return module.exports
  }
  return path => load(join(ROOT, path))
}

const CONTEXTS = [
  { name: 'whose Uint8Array is the same', given: [...GIVEN, ...BYTES] },
  { name: 'of its own Uint8Array', given: GIVEN }
]
const KINDS = ['memory', 'file', 'lmdb', 'redis', 'object', 'tiered'] as const

describe('in a context of its own', () => {
  const directory = mkdtempSync(join(tmpdir(), 'realms-'))
  let redis: RedisServer | undefined
  before(async () => {
    if (missingRedis === false) redis = await RedisServer.start()
  })
  after(async () => {
    await redis?.[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  function storeOf(load: Load, kind: (typeof KINDS)[number], name: string): CacheStore {
    const make = (path: string, className: string, ...args: readonly unknown[]): CacheStore => {
      const Store = load(path)[className] as new (...args: readonly unknown[]) => CacheStore
      return new Store(...args)
    }
    const folder = join(directory, `${name}-${kind}`)
    switch (kind) {
      case 'memory':
        return make('stores/memory.ts', 'MemoryStore')
      case 'file':
        return make('stores/file.ts', 'FileStore', { directory: folder })
      case 'lmdb':
        return make('stores/lmdb.ts', 'LmdbStore', { directory: folder })
      case 'redis':
        return make('stores/redis.ts', 'RedisStore', { url: redis?.url, prefix: name })
      case 'object': {
        const { fsDriver } = load('stores/object.ts') as { fsDriver(options: unknown): unknown }
        return make('stores/object.ts', 'ObjectStore', { driver: fsDriver({ directory: folder }) })
      }
      case 'tiered': {
        const tiers = [storeOf(load, 'memory', name), storeOf(load, 'file', `${name}-tiered`)]
        return make('stores/tiered.ts', 'TieredStore', tiers)
      }
    }
  }

  CONTEXTS.forEach(({ name, given }, i) => {
    for (const kind of KINDS) {
      test(`${name}, a ${kind} store stores, hits, validates and deletes without a fault`, {
        skip: kind === 'redis' && missingRedis
      }, async () => {
        const load = loaderInContext(given)
        const { cacheInterceptor } = load('interceptors/cache-interceptor.ts') as {
          cacheInterceptor(options: CacheOptions): ReturnType<typeof import('undici-http-cache').cacheInterceptor>
        }
        await using origin = await startOrigin(({ path, headers }) => {
          const fields = { 'cache-control': path === '/stale' ? 'max-age=0' : 'max-age=60', etag: '"1"' }
          if (headers['if-none-match'] !== undefined) return { status: 304, headers: fields }
          return { headers: fields, body: path === '/large' ? 'x'.repeat(200_000) : 'x' }
        })
        const store = storeOf(load, kind, `context-${i}`)
        const faults: unknown[] = []
        const onStoreError = (error: unknown, operation: string) => void faults.push(`${operation}: ${error}`)
        const cache = cacheInterceptor({ store, storeTimeoutMs: 10_000, onStoreError, origins: [/./] })
        const agent = new Agent().compose(cache)
        const get = async (path: string, headers = {}) => {
          const asked = await ask(agent, origin.url + path, { headers })
          await sleep(150)
          return cacheStatus(asked.headers)?.replaceAll(/^[^;]*; |; (?:ttl|stored|fwd-status).*$/g, '')
        }
        const seen: unknown[] = []
        for (const path of ['/small', '/large', '/stale']) seen.push(await get(path), await get(path))
        assert.deepEqual(seen, ['fwd=uri-miss', 'hit', 'fwd=uri-miss', 'hit', 'fwd=uri-miss', 'fwd=stale'])
        assert.equal(await get('/large', { range: 'bytes=100-199' }), 'hit')
        await cache.purge({ url: `${origin.url}/small` })
        assert.equal(await get('/small'), 'fwd=uri-miss')
        await store.deleteByTag?.(`origin:${origin.url}`)
        assert.equal(await get('/large'), 'fwd=uri-miss')
        await store.close()
        await agent.close()
        assert.deepEqual(faults, [])
      })
    }
  })
})

/** Where a file asks whether something is an instance of a global class: neither imported nor of its own. */
function foreignInstances(text: string): string[] {
  const file = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true)
  const own = new Set<string>()
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isClassDeclaration(node) && node.name !== undefined) own.add(node.name.text)
    if (ts.isImportSpecifier(node)) own.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  const look = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InstanceOfKeyword) {
      if (!own.has(node.right.getText())) found.push(node.getText())
    }
    ts.forEachChild(node, look)
  }
  visit(file)
  look(file)
  return found
}

for (const folder of ['lib', 'interceptors', 'stores', 'serializers']) {
  test(`${folder}/ takes nothing for what it is because of a global class`, () => {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    const paths = names.filter(name => name.endsWith('.ts')).map(name => join(ROOT, folder, name))
    assert(paths.length > 0)
    const found = paths.flatMap(path =>
      foreignInstances(readFileSync(path, 'utf8')).map(text => `${relative(ROOT, path).replaceAll(sep, '/')}: ${text}`)
    )
    assert.deepEqual(found, [])
  })
}

test('a global class is found, and one that is imported or declared is not found fault with', () => {
  assert.notDeepEqual(foreignInstances('error instanceof Error'), [])
  assert.notDeepEqual(foreignInstances("import { Headers } from 'undici'; value instanceof FormData"), [])
  assert.deepEqual(foreignInstances("import { Own } from './own.ts'; value instanceof Own"), [])
  assert.deepEqual(foreignInstances('value instanceof Own; class Own {}'), [])
})
