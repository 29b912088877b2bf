import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runScript } from '../support/run-script.ts'

describe('the demo', () => {
  it('shows each thing three times over, and says what it saved', async () => {
    const lines = await runScript('examples/demo.ts')
    assert.ok(!lines.join().includes('\x1b'), 'colours are for terminals')

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
    assert.ok(savedSeconds > 0 && savedSeconds <= 1.4, `${savedSeconds} s, of at most nine times 150 ms`)
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
