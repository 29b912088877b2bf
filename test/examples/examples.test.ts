import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'

const root = dirname(dirname(import.meta.dirname))

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
    /^8388608 bytes from the server in \d+\.\d\d s$/,
    'For the second time:',
    /^█{10}░{30} {2}25 %$/,
    /^█{20}░{20} {2}50 %$/,
    /^█{30}░{10} {2}75 %$/,
    /^█{40} 100 %$/,
    /^8388608 bytes from the cache in \d+\.\d\d s$/,
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
    /^stored in [2-5]\d\d\d bytes, bookkeeping included$/
  ]
}

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
    it(`${file} prints what it shows, and ends by itself`, async () => {
      const lines = await runScript(`examples/${file}`)
      assert.equal(lines.length, expected.length, lines.join('\n'))
      expected.forEach((line, i) => {
        if (typeof line === 'string') assert.equal(lines[i], line)
        else assert.match(lines[i] ?? '', line)
      })
    })
  }

  it('demo.ts shows each thing three times over, and says what it saved', async () => {
    const startedMs = performance.now()
    const lines = await runScript('examples/demo.ts')
    assert.ok(performance.now() - startedMs < 20_000, 'it is a matter of seconds')
    assert.doesNotMatch(lines.join('\n'), /\x1b/, 'colours are for terminals')

    const rows = [
      /^a miss +\d+ ms +1 +24000 B {2}miss: uri-miss$/,
      /^a hit +[\d.]+ ms +0 +0 B {2}hit: fresh$/,
      /^revalidation by 304 +\d+ ms +1 +0 B {2}revalidated: validated$/,
      /^a miss, stale at once +\d+ ms +1 +\d+ B {2}miss: uri-miss$/,
      /^stale-while-revalidate +[\d.]+ ms +1 +\d+ B {2}stale: stale-while-revalidate$/,
      /^Vary: in English +\d+ ms +1 +12 B {2}miss: uri-miss$/,
      /^Vary: in German +\d+ ms +1 +12 B {2}miss: vary-miss$/,
      /^Vary: in English again +[\d.]+ ms +0 +0 B {2}hit: fresh$/,
      /^a stampede of 100 +\d+ ms +1 +20 B {2}1 × miss: uri-miss$/,
      /^ +99 × hit: collapsed$/
    ]
    for (const row of rows) assert.equal(lines.filter(line => row.test(line)).length, 3, `${row}`)
    for (const title of ['agent.compose(cacheInterceptor())', 'the built-in fetch', 'new CachedClient()']) {
      assert.equal(lines.filter(line => line.includes(title)).length, 1, title)
    }
    assert.ok(lines.includes('324 requests, of which 21 reached the server: 303 saved;'), lines.slice(-3).join('\n'))
    const savedSeconds = Number(/^([\d.]+) s of waiting saved/.exec(lines.at(-1) ?? '')?.[1])
    assert.ok(savedSeconds > 0.5 && savedSeconds < 1.4, `${savedSeconds} s, of at most nine times 150 ms`)
  })
})

describe('the colours of the demo', () => {
  const script = "import('./examples/support/table.ts').then(({ green }) => console.log(green('ok')))"
  const onTerminal = 'data:text/javascript,process.stdout.isTTY=true'

  it('are there on a terminal', async () => {
    assert.deepEqual(await runScript('--import', onTerminal, '--eval', script), ['\x1b[32mok\x1b[39m'])
  })

  it('are not there elsewhere', async () => {
    assert.deepEqual(await runScript('--eval', script), ['ok'])
  })

  it('are not there where NO_COLOR says so', async () => {
    const setVariable = 'data:text/javascript,process.env.NO_COLOR="1"'
    assert.deepEqual(await runScript('--import', onTerminal, '--import', setVariable, '--eval', script), ['ok'])
  })
})

/** Runs a script in a process that has to end by itself and well; the lines it prints. */
async function runScript(...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '' },
    timeout: 60_000
  })
  const [stdout, stderr, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close')
  ])
  assert.equal(signal, null, `${args.join(' ')} does not end:\n${stdout}${stderr}`)
  assert.equal(status, 0, stderr)
  return stdout.trimEnd().split('\n')
}
