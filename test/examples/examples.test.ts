import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { root, runScript } from '../support/run-script.ts'

/** What the lines of each example's output have to match. */
const EXAMPLES: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'client.ts': ['hello - from the cache: false', 'hello - from the cache: true', 'requests that reached the server: 1'],
  'interceptor.ts': [
    'hello - miss',
    'hello - hit',
    'hello - miss after a purge',
    'requests that reached the server: 2'
  ],
  'whole-process.ts': [
    'hello - the built-in fetch: miss',
    'hello - the built-in fetch again: hit',
    "hello - undici's request: hit",
    'requests that reached the server: 1'
  ],
  'streaming-download.ts': [
    'For the first time:',
    /^█{10}░{30} {2}25 %$/,
    /^█{20}░{20} {2}50 %$/,
    /^█{30}░{10} {2}75 %$/,
    /^█{40} 100 %$/,
    /^67108864 bytes from the server in \d+\.\d\d s$/,
    'For the second time:',
    /^█{10}░{30} {2}25 %$/,
    /^█{20}░{20} {2}50 %$/,
    /^█{30}░{10} {2}75 %$/,
    /^█{40} 100 %$/,
    /^67108864 bytes from the cache in \d+\.\d\d s$/,
    'requests that reached the server: 1'
  ],
  'memory-store.ts': [
    /^\/1: from the cache: false; 1 stored in \d+ bytes$/,
    /^\/2: from the cache: false; 2 stored in \d+ bytes$/,
    /^\/3: from the cache: false; 3 stored in \d+ bytes$/,
    /^\/1: from the cache: true; 3 stored in \d+ bytes$/,
    /^after four more, 6 are stored, in \d{5} of 100000 bytes$/,
    '/7: from the cache: true',
    '/2: from the cache: false'
  ],
  'file-store.ts': [
    'one program: hello - from the cache: false',
    'another: hello - from the cache: true',
    'stored: 200 /greeting',
    'another, after everything was deleted: hello - from the cache: false',
    'requests that reached the server: 2'
  ],
  'lmdb-store.ts': [
    'the first process: the page /1 - from the cache: false',
    'the first process: the page /1 - from the cache: true',
    'the next one: the page /1 - from the cache: true',
    'the next one: the page /2 - from the cache: false',
    'requests that reached the server: 2'
  ],
  'tiered-store.ts': [
    'first run, once: from the server',
    'first run, twice: from memory',
    'second run, once: from files',
    'second run, twice: from memory',
    'requests that reached the server: 1'
  ],
  'redis-store.ts': [
    'one process: the page /1 - from the cache: false',
    'the other: the page /1 - from the cache: true',
    'the other, after a purge: the page /1 - from the cache: false',
    'requests that reached the server: 2'
  ],
  'object-store.ts': [
    'the page /1 - from the cache: false',
    'the page /1 - from the cache: true',
    'the page /2 - from the cache: false',
    'stored: /1',
    'stored: /2',
    'the page /1 - from the cache: false'
  ],
  // With a bucket it is run by the tests of the ObjectStore on S3.
  's3-store.ts': ['S3_BUCKET says which bucket; the first lines of this file say how'],
  'serializers/object.ts': [
    'héllo - from the cache: false',
    'héllo - from the cache: true',
    '200 OK [',
    "  [ 'cache-control', 'max-age=60' ],",
    /^ {2}\[ 'Date', '.*GMT' \],$/,
    "  [ 'Content-Length', '6' ]",
    ']'
  ],
  'serializers/json-string.ts': [
    'héllo - from the cache: false',
    'héllo - from the cache: true',
    /^\{"version":1,"entry":\{.*"statusCode":200,.*\},"body":\{"utf8":"héllo"\}\}$/,
    "{ base64: '//4=' }"
  ],
  'serializers/json-bytes.ts': [
    'héllo - from the cache: false',
    'héllo - from the cache: true',
    /^\d+ bytes that start with \{"version":1,"entry"$/
  ],
  'serializers/message-pack.ts': [
    'héllo - from the cache: false',
    'héllo - from the cache: true',
    /^[1-4]\d\d bytes; as JSON it would be [5-9]\d\d$/
  ],
  'serializers/custom.ts': [
    '60000 characters - from the cache: false',
    '60000 characters - from the cache: true',
    /^stored in \d{4} bytes, bookkeeping included$/
  ]
}

/** Why an example cannot be run here. */
const MISSING: Readonly<Record<string, string | false>> = { 'redis-store.ts': missingRedis }

let redis: RedisServer | undefined

before(async () => {
  if (missingRedis !== false) return
  redis = await RedisServer.start()
  process.env['REDIS_URL'] = redis.url
})

after(() => redis?.[Symbol.asyncDispose]())

describe('the examples', { concurrency: 2 }, () => {
  it('are all tested here', () => {
    const files = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    const scripts = files.map(file => file.replaceAll('\\', '/')).filter(file => file.endsWith('.ts'))
    assert.deepEqual(
      scripts.filter(file => !file.startsWith('support/')).sort(),
      ['demo.ts', ...Object.keys(EXAMPLES)].sort()
    )
  })

  for (const [file, expected] of Object.entries(EXAMPLES)) {
    it(`${file} prints what it shows, and ends by itself`, { skip: MISSING[file] ?? false }, async () => {
      const lines = await runScript(`examples/${file}`)
      assert.equal(lines.length, expected.length, lines.join('\n'))
      expected.forEach((line, i) => {
        if (typeof line === 'string') assert.equal(lines[i], line)
        else assert.match(lines[i] ?? '', line)
      })
    })
  }
})
