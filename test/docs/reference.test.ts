// The tables of the documentation against the sources: nothing missing, nothing made up.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, it } from 'node:test'
import { httpxCacheDefaults, MemoryStore } from 'undici-http-cache'
import { readOptions } from '../../interceptors/options.ts'
import manifest from '../../package.json' with { type: 'json' }
import { staleDocuments } from '../../scripts/docs.ts'
import { documents, root, sourceText } from './documents.ts'
import { codeSpans, sectionOf, tableRows } from './markdown.ts'
import { interfaceMembers } from './sources.ts'

const OPTIONS = 'docs/options.md'
const OUTCOMES = new Set(['hit', 'stale', 'revalidated', 'miss', 'bypass', 'unsatisfiable'])

describe('the tables of the documentation', () => {
  const options = section(OPTIONS, 'cacheInterceptor(options)', 1)

  it('have every option of cacheInterceptor, in the order of the sources', () => {
    assert.deepEqual(names(options), interfaceMembers('interceptors/cache-options.ts', 'CacheOptions'))
  })

  it('state the defaults that options have', () => {
    const { policy, ...rest } = readOptions({})
    const { shared, ...judged } = policy
    const settings: Record<string, unknown> = { ...rest, ...judged, type: shared ? 'shared' : 'private' }
    const defaults = options.map(([name, , cell]) => [codeSpans(name ?? '')[0] ?? '', literal(cell ?? '')] as const)
    const literals = defaults.filter(([, value]) => value !== undefined)
    assert.equal(literals.length, 15, 'defaults that are stated as code')
    for (const [name, value] of literals) {
      const actual = settings[name]
      assert.deepEqual(actual instanceof Set ? [...actual] : actual, value, name)
    }
  })

  it('have the members of the interceptor', () => {
    const rows = section(OPTIONS, 'cacheInterceptor(options)', 0)
    const members = rows.map(([name]) => codeSpans(name ?? '')[0]?.replace(/\(.*/, ''))
    assert.deepEqual(members, ['store', 'info', 'purge', 'settled', 'close'])
    const declared = interfaceMembers('interceptors/cache-interceptor.ts', 'CacheInterceptor')
    assert.deepEqual(new Set(members), new Set(declared))
  })

  it('have the options of MemoryStore, and their defaults', () => {
    const rows = section('docs/stores/memory.md', 'Memory', 0)
    assert.deepEqual(names(rows), interfaceMembers('stores/memory.ts', 'MemoryStoreOptions'))
    assert.equal(literal(rows[1]?.[2] ?? ''), new MemoryStore().maxEntrySizeBytes)
    assert.match(sourceText('stores/memory.ts'), /maxSizeBytes = 64 \* MEBIBYTE/)
    assert.equal(literal(rows[0]?.[2] ?? ''), 64 * 1024 * 1024)
  })

  for (const [page, heading, table, file, name] of [
    ['file', 'Files', 0, 'stores/file.ts', 'FileStoreOptions'],
    ['lmdb', 'LMDB', 0, 'stores/lmdb.ts', 'LmdbStoreOptions'],
    ['redis', 'Redis', 0, 'stores/redis.ts', 'RedisStoreOptions'],
    ['object', 'Object storage and other file systems', 1, 'stores/object.ts', 'ObjectStoreOptions'],
    ['object', 'Object storage and other file systems', 2, 'stores/object/s3.ts', 'S3DriverOptions'],
    ['tiered', 'Tiers', 0, 'stores/tiered.ts', 'TieredStoreOptions']
  ] as const) {
    it(`have the members of ${name}`, () => {
      assert.deepEqual(
        [...names(section(`docs/stores/${page}.md`, heading, table))].sort(),
        [...interfaceMembers(file, name)].sort()
      )
    })
  }

  it('have every store that the package exports', () => {
    const exported = Object.keys(manifest.exports).filter(subpath => /^\.\/stores\/[\w-]+$/.test(subpath))
    const stores = exported.filter(subpath => !subpath.endsWith('/testing') && !subpath.endsWith('/memory'))
    const expected = stores.map(subpath => subpath.replace('.', 'undici-http-cache')).sort()
    for (const document of ['README.md', 'docs/stores/index.md']) {
      const paths = section(document, 'Choosing a store', 0).map(([, path]) => codeSpans(path ?? '')[0])
      assert.deepEqual(paths.slice(1).sort(), expected)
    }
  })

  it('have the serializers that the package exports', () => {
    const paths = section('docs/serializers.md', 'Serializers', 0).map(([, path]) => codeSpans(path ?? '')[0])
    const exported = Object.keys(manifest.exports).filter(subpath => subpath.startsWith('./serializers/'))
    assert.deepEqual(
      paths,
      exported.map(subpath => subpath.replace('.', 'undici-http-cache'))
    )
  })

  it('have the option that CachedClient adds', () => {
    const rows = section(OPTIONS, 'CachedClient(origin, options)', 0)
    assert.deepEqual(names(rows), interfaceMembers('lib/cached-client.ts', 'CachedClientOptions'))
  })

  it('have the options of createFetch, and what its fetch has', () => {
    assert.deepEqual(
      names(section(OPTIONS, 'createFetch(options)', 0)),
      interfaceMembers('lib/create-fetch.ts', 'CreateFetchOptions')
    )
    const members = section(OPTIONS, 'createFetch(options)', 1).map(([name]) =>
      codeSpans(name ?? '')[0]?.replace(/\(.*/, '')
    )
    assert.deepEqual(members, ['cache', 'close'])
  })

  it('have every field of what cacheInfo gives', () => {
    const rows = section(OPTIONS, 'cacheInfo(response)', 0)
    assert.deepEqual(names(rows), interfaceMembers('interceptors/outcome/outcome.ts', 'CacheInfo'))
    assert.deepEqual(
      new Set(codeSpans(rows[1]?.[2] ?? '').map(word => word.replaceAll("'", ''))),
      OUTCOMES,
      'and every outcome'
    )
  })

  it('are up to date where they are made from the sources', () => assert.deepEqual([...staleDocuments().keys()], []))
})

describe('the documentation', () => {
  it('quotes the preset as it is', () => {
    const quoted = codeSpans(sectionOf(sourceText(OPTIONS), 'cacheInterceptor(options)')).find(span =>
      span.includes('methods: [')
    )
    const { methods, statusCodes, defaultFreshnessSeconds } = httpxCacheDefaults
    const expected = `{ methods: ['${methods.join()}'], statusCodes: [${statusCodes.join(', ')}], defaultFreshnessSeconds: ${defaultFreshnessSeconds} }`
    assert.equal(quoted, expected)
  })

  it('names only what package.json exports, and every serializer', () => {
    const exported = Object.keys(manifest.exports).map(subpath => subpath.replace('.', 'undici-http-cache'))
    const matches = documents()
      .map(sourceText)
      .join('\n')
      .matchAll(/undici-http-cache(?:\/(?:stores|serializers)\/[\w-]+)?(?=['`])/g)
    const named = new Set([...matches].map(([path]) => path))
    assert.deepEqual(
      [...named].filter(path => !exported.includes(path)),
      []
    )
    assert.deepEqual(
      exported.filter(path => path.includes('/serializers/') && !named.has(path)),
      []
    )
  })

  it('names the versions that package.json names', () => {
    const versions = sectionOf(sourceText('README.md'), 'Versions')
    assert.match(versions, new RegExp(`^Node ${manifest.engines.node.replace('>=', '>= ')}, `, 'm'))
    for (const range of Object.values(manifest.peerDependencies)) {
      assert.ok(codeSpans(versions).includes(range), `${range} is named`)
    }
  })
})

for (const document of [...documents(), 'CHANGELOG.md', 'CONTRIBUTING.md']) {
  it(`the links of ${document} lead somewhere`, () => {
    for (const [, target = ''] of sourceText(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? document : posix.join(posix.dirname(document), path)
      assert.ok(existsSync(join(root, file)), `${document} links to ${target}`)
      if (anchor === undefined) continue
      assert.ok(anchorsOf(sourceText(file)).has(anchor), `${document} links to ${target}`)
    }
  })
}

it('the links of what is packed lead to what is packed', () => {
  for (const document of [...documents(), 'CHANGELOG.md']) {
    for (const [, target = ''] of sourceText(document).matchAll(/\]\(([^)#\s]+)[^)\s]*\)/g)) {
      if (/^https?:/.test(target)) continue
      const [first = ''] = posix.join(posix.dirname(document), target).split('/')
      assert.ok(first === 'README.md' || manifest.files.includes(first), `${document} links to ${target}`)
    }
  }
})

it('README.md has at most 230 lines, and ARCHITECTURE.md 200', () => {
  assert.ok(sourceText('README.md').trimEnd().split('\n').length <= 230)
  assert.ok(sourceText('ARCHITECTURE.md').trimEnd().split('\n').length <= 200)
})

/** A section's table: the first is 0. */
function section(document: string, heading: string, table: number): readonly (readonly string[])[] {
  let text = sectionOf(sourceText(document), heading)
  for (let i = 0; i < table; i++) text = text.slice(text.indexOf('\n|')).replace(/^\n(?:\|.*\n)+/, '')
  return tableRows(text)
}

function names(rows: readonly (readonly string[])[]): readonly string[] {
  return rows.map(([name = '']) => codeSpans(name)[0] ?? name)
}

/** The value that a cell states in code; undefined where it is in words, or no value of JSON. */
function literal(cell: string): unknown {
  const code = /^`([^`]+)`(?: \(.*\))?$/.exec(cell)?.[1]
  try {
    return code === undefined ? undefined : JSON.parse(code.replaceAll("'", '"'))
  } catch {
    return undefined
  }
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map(heading =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-')
    )
  )
}
