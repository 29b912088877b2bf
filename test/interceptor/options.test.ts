// Options are checked when they are given.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CacheOptions, cacheInterceptor, httpxCacheDefaults, MemoryStore } from 'undici-http-cache'

interface Row {
  readonly good: readonly unknown[]
  readonly bad: readonly unknown[]
}

const SECONDS: Row = {
  good: [0, 0.5, 60, Infinity],
  bad: [-1, NaN, -Infinity, '60', null, true, 60n, {}, new Date(0)]
}
const FLAG: Row = { good: [true, false], bad: [0, 1, 'true', null, {}] }
const LIMIT: Row = { good: [1, 0.5, 2_147_483_647], bad: [0, -1, NaN, Infinity, 2_147_483_648, '1', null, 1n] }

const ROWS: { readonly [name in keyof CacheOptions]-?: Row } = {
  store: {
    good: [new MemoryStore()],
    bad: [{}, null, 'memory', new Map(), MemoryStore, Object.assign(new MemoryStore(), { put: undefined })]
  },
  type: { good: ['shared', 'private'], bad: ['public', 'Shared', '', null, true, ['shared']] },
  methods: {
    good: [['GET'], ['HEAD'], ['HEAD', 'GET'], httpxCacheDefaults.methods],
    bad: [['POST'], ['get'], ['GET', 'QUERY'], 'GET', new Set(['GET']), null, [null], { 0: 'GET' }]
  },
  statusCodes: {
    good: [[200], [], [200, 599], httpxCacheDefaults.statusCodes],
    bad: [[199], [600], [200.5], ['200'], 200, null, [NaN], new Set([200])]
  },
  origins: {
    good: [
      ...[[], ['https://example.com', 'http://localhost:8080', 'HTTPS://Example.com:443/']],
      ...[[/example/], [/a/g, 'https://a.example']]
    ],
    bad: [
      ['example.com'],
      ['ftp://example.com'],
      ['/path'],
      ['https://example.com/api'],
      ['https://example.com//'],
      ['https://example.com/?q'],
      ['https://example.com?'],
      ['https://example.com#f'],
      ['https://user@example.com'],
      ['https://a.example', 'https://b.example/b'],
      [null],
      'https://example.com',
      /example/,
      null,
      [new URL('https://a')]
    ]
  },
  alwaysCache: FLAG,
  defaultFreshnessSeconds: SECONDS,
  maxHeuristicSeconds: SECONDS,
  retainSeconds: SECONDS,
  staleWhileRevalidateSeconds: SECONDS,
  staleIfErrorSeconds: SECONDS,
  whenDisconnected: { good: ['error', 'stale'], bad: ['504', '', null, false] },
  storeSetCookie: FLAG,
  storeUnverifiedHttp2: FLAG,
  partition: {
    good: ['authorization', 'authorization+cookie', false, () => 'a', () => undefined],
    bad: ['cookie', true, null, 0, '', {}, ['authorization']]
  },
  targetList: {
    good: [[], ['CDN-Cache-Control'], ['Example-Cache-Control', 'cdn-cache-control']],
    bad: ['CDN-Cache-Control', [''], ['with space'], ['a:b'], [1], null, new Set(['a'])]
  },
  origin: {
    good: ['https://example.com', 'http://example.com:8080/', new URL('https://example.com')],
    bad: [
      ...['example.com', '', 'ftp://example.com', 'data:,x', null, 1, {}],
      ...['http://example.com:8080/path', 'https://example.com?q', new URL('https://example.com/path')]
    ]
  },
  storeTimeoutMs: LIMIT,
  coalesceTimeoutMs: { good: [0, 1, 2_147_483_647], bad: [-1, NaN, Infinity, 2_147_483_648, '1', null] },
  coalesce: { good: ['process'], bad: ['fleet', 'processes', '', true, null, ['process']] },
  closeTimeoutMs: { good: [0, 0.5, 5_000, 2_147_483_647], bad: [-1, NaN, Infinity, 2_147_483_648, '1', null, 1n] },
  leaseMs: LIMIT,
  maxBufferedBytes: LIMIT,
  onStoreError: { good: [() => {}, async () => {}], bad: [null, 'log', {}, true] },
  cacheStatus: { good: ['a', 'my cache', 'a"b\\c', false], bad: ['', true, null, 'ü', 'a\nb', 1, {}] },
  now: { good: [() => 0, Date.now], bad: [null, 0, new Date(), '0'] }
}

for (const [name, { good, bad }] of Object.entries(ROWS)) {
  describe(`the option ${name}`, () => {
    for (const value of [undefined, ...good]) {
      test(`may be ${show(value)}`, () => {
        cacheInterceptor({ [name]: value })
      })
    }
    for (const value of bad) {
      test(`may not be ${show(value)}, and the error names it and what it got`, () => {
        assert.throws(
          () => cacheInterceptor({ [name]: value }),
          (error: Error & { code?: string }) => {
            assert.ok(error instanceof TypeError)
            assert.equal(error.code, 'ERR_CACHE_OPTION')
            assert.match(error.message, new RegExp(`^${name} must be .*, got .+`))
            const candidates = [value, ...(Array.isArray(value) ? value : [])]
            assert.ok(
              candidates.some(candidate => error.message.endsWith(`, got ${received(candidate)}`)),
              error.message
            )
            return true
          }
        )
      })
    }
  })
}

describe('the options', () => {
  test('that there are not are named, with those that there are', () => {
    for (const name of ['ttl', 'Store', 'cacheByDefault', '__proto__x', '']) {
      assert.throws(
        () => cacheInterceptor({ [name]: 1 } as CacheOptions),
        (error: Error & { code?: string }) => {
          assert.ok(error instanceof TypeError)
          assert.equal(error.code, 'ERR_CACHE_OPTION')
          assert.ok(error.message.includes(JSON.stringify(name)), error.message)
          for (const option of Object.keys(ROWS)) assert.ok(error.message.includes(option), error.message)
          return true
        }
      )
    }
  })

  test('must be an object', () => {
    for (const value of [null, 'shared', 1, true, [], [{}]]) {
      assert.throws(() => cacheInterceptor(value as never), { name: 'TypeError', code: 'ERR_CACHE_OPTION' })
    }
    cacheInterceptor()
    cacheInterceptor(undefined)
    cacheInterceptor({})
    cacheInterceptor(Object.create(null))
  })

  test('of the store are checked as eagerly', () => {
    for (const name of ['maxSizeBytes', 'maxEntrySizeBytes']) {
      for (const value of [0, -1, 1.5, NaN, '1', null, 2 ** 60]) {
        assert.throws(
          () => new MemoryStore({ [name]: value }),
          (error: Error & { code?: string }) => {
            assert.ok(error instanceof TypeError)
            assert.equal(error.code, 'ERR_CACHE_OPTION')
            assert.ok(error.message.startsWith(`${name} must be`), error.message)
            return true
          }
        )
      }
    }
    for (const serializer of [{}, null, 'json', { name: 'x', encode() {} }]) {
      assert.throws(() => new MemoryStore({ serializer: serializer as never }), {
        code: 'ERR_CACHE_OPTION',
        message: /serializer/
      })
    }
  })
})

/** As it stands in the message. */
function received(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (Array.isArray(value)) return `[${value.map(received).join(', ')}]`
  if (typeof value === 'object' && value !== null) return `an instance of ${value.constructor.name}`
  return String(value)
}

function show(value: unknown): string {
  if (value instanceof RegExp || value instanceof URL || typeof value === 'function') return String(value).slice(0, 30)
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  return typeof value === 'object' && value !== null ? `an instance of ${value.constructor.name}` : received(value)
}
