// The cache leaves room for everything else in the process, and never keeps it alive.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { AsyncStore } from '../stores/async-store.ts'
import { startOrigin } from '../support/origin.ts'
import { CachedAgent } from './cached-agent.ts'

const CLIENTS = 64
const TURNS = 150
const LONGEST_TURN_MS = 25

/** Milliseconds of processor time: a busy machine does not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Each of many clients asks again as soon as it has its answer; the longest that a turn of the event loop took meanwhile. */
async function closedLoop(
  ask: (again: () => void) => void
): Promise<{ longestTurnMs: number; answers: number; timers: number }> {
  let answers = 0
  let timers = 0
  let going = true
  for (let i = 0; i < CLIENTS; i++) {
    const again = () => {
      answers++
      if (going) ask(again)
    }
    setImmediate(again)
  }
  const interval = setInterval(() => timers++, 1)
  const longest: number[] = []
  await new Promise<void>(resolve => {
    let turns = 0
    let before = cpuMs()
    const turn = () => {
      const now = cpuMs()
      // The first turns compile.
      if (turns > 30) longest.push(now - before)
      before = now
      if (++turns < TURNS) setImmediate(turn)
      else resolve()
    }
    setImmediate(turn)
  })
  going = false
  clearInterval(interval)
  longest.sort((a, b) => b - a)
  // One collection of garbage, on all threads, is not the cache's.
  return { longestTurnMs: longest[1] ?? 0, answers, timers }
}

describe('64 clients in a closed loop of hits', () => {
  /** Asks once, reading to the end, and calls back. */
  function dispatchTo({ agent }: CachedAgent, origin: string, headers: Record<string, string> = {}) {
    return (again: () => void) =>
      void agent.dispatch(
        { origin, path: '/', method: 'GET', headers },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: again,
          onResponseError: again
        }
      )
  }

  const sizes = { 'a kilobyte': 1024, 'a hundred kilobytes': 102_400, 'two megabytes': 2_097_152 }
  for (const [what, size] of Object.entries(sizes)) {
    test(`of ${what} let timers and sockets have their turn`, async () => {
      await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' }, body: Buffer.alloc(size) })
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      const { longestTurnMs, answers, timers } = await closedLoop(dispatchTo(cached, origin.url))
      assert.ok(longestTurnMs < LONGEST_TURN_MS, `a turn took ${longestTurnMs} ms`)
      assert.ok(answers >= TURNS && timers > 5, `${answers} answers, ${timers} timers`)
      assert.equal(origin.requests.length, 1)
    })
  }

  test('through request() do as well', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' }, body: Buffer.alloc(1024) })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const { longestTurnMs, answers } = await closedLoop(again => void cached.get(origin.url).then(again, again))
    assert.ok(longestTurnMs < LONGEST_TURN_MS, `a turn took ${longestTurnMs} ms`)
    assert.ok(answers >= TURNS, `${answers} answers`)
  })

  test('of a store whose promises are settled already do as well', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' }, body: Buffer.alloc(1024) })
    const store = new AsyncStore()
    store.pace = () => Promise.resolve()
    await using cached = new CachedAgent({ store })
    await cached.get(origin.url)
    const { longestTurnMs, answers } = await closedLoop(dispatchTo(cached, origin.url))
    assert.ok(longestTurnMs < LONGEST_TURN_MS, `a turn took ${longestTurnMs} ms`)
    assert.ok(answers >= TURNS, `${answers} answers`)
  })

  test('that are answered 504 for only-if-cached do as well', async () => {
    await using cached = new CachedAgent()
    const headers = { 'cache-control': 'only-if-cached' }
    const { longestTurnMs, answers } = await closedLoop(dispatchTo(cached, 'http://127.0.0.1:9', headers))
    assert.ok(longestTurnMs < LONGEST_TURN_MS, `a turn took ${longestTurnMs} ms`)
    assert.ok(answers >= TURNS, `${answers} answers`)
  })
})

describe('a process', () => {
  for (const scenario of ['memory', 'slow-store', 'hung-store', 'background', 'followers', 'unread']) {
    test(`ends by itself after its agent is closed: ${scenario}`, async () => {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', join(import.meta.dirname, 'exiting-process.ts'), scenario],
        {
          stdio: ['ignore', 'pipe', 'inherit']
        }
      )
      const timeout = setTimeout(() => child.kill('SIGKILL'), 30_000)
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
      clearTimeout(timeout)
      assert.equal(code, 0)
      const { activeAfterClose, msUntilExit } = JSON.parse(output)
      assert.deepEqual(activeAfterClose, [])
      assert.ok(msUntilExit < 300, `${msUntilExit} ms`)
    })
  }
})
