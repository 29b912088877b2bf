// The cache leaves room for everything else in the process, and never keeps it alive.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'

const CLIENTS = 64
const TURNS = 150
const LONG_TURN_MS = 25
/** Twice what is answered at once: what waited, and what comes on top of it. */
const MOST_ANSWERS_A_TURN = 256

interface Course {
  readonly answers: number
  readonly mostAnswersATurn: number
  /** Milliseconds of processor time that turns took, the longest first. */
  readonly turnsMs: readonly number[]
  readonly timers: number
}

/** Each of many clients asks again as soon as it has its answer. */
async function closedLoop(ask: (again: () => void) => void): Promise<Course> {
  let answers = 0
  let timers = 0
  let mostAnswersATurn = 0
  let going = true
  const again = () => {
    answers++
    if (going) ask(again)
  }
  for (let i = 0; i < CLIENTS; i++) setImmediate(again)
  const interval = setInterval(() => timers++, 1)
  const turnsMs: number[] = []
  await new Promise<void>(resolve => {
    let turns = 0
    let answersBefore = 0
    let msBefore = 0
    const turn = () => {
      const { user, system } = process.cpuUsage()
      const nowMs = (user + system) / 1000
      // The first turns compile.
      if (++turns > 30) {
        turnsMs.push(nowMs - msBefore)
        mostAnswersATurn = Math.max(mostAnswersATurn, answers - answersBefore)
      }
      msBefore = nowMs
      answersBefore = answers
      if (turns < TURNS) setImmediate(turn)
      else resolve()
    }
    setImmediate(turn)
  })
  going = false
  clearInterval(interval)
  turnsMs.sort((a, b) => b - a)
  return { answers, mostAnswersATurn, turnsMs, timers }
}

function assertFair({ answers, mostAnswersATurn, turnsMs, timers }: Course): void {
  assert.ok(answers >= TURNS, `${answers} answers`)
  assert.ok(mostAnswersATurn <= MOST_ANSWERS_A_TURN, `${mostAnswersATurn} answers in one turn`)
  assert.ok(timers > 5, `${timers} timers`)
  // Garbage is collected on all threads now and then; that is not the cache's.
  const longMs = turnsMs[Math.floor(turnsMs.length / 5)] ?? 0
  assert.ok(longMs < LONG_TURN_MS, `a fifth of the turns took ${longMs} ms`)
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
      assertFair(await closedLoop(dispatchTo(cached, origin.url)))
      assert.equal(origin.requests.length, 1)
    })
  }

  test('through request() do as well', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' }, body: Buffer.alloc(1024) })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    assertFair(await closedLoop(again => void cached.get(origin.url).then(again, again)))
  })

  test('of a store whose promises are settled already do as well', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=3600' }, body: Buffer.alloc(1024) })
    const store = new AsyncStore()
    store.pace = () => Promise.resolve()
    await using cached = new CachedAgent({ store })
    await cached.get(origin.url)
    assertFair(await closedLoop(dispatchTo(cached, origin.url)))
  })

  test('that are answered 504 for only-if-cached do as well', async () => {
    await using cached = new CachedAgent()
    const headers = { 'cache-control': 'only-if-cached' }
    assertFair(await closedLoop(dispatchTo(cached, 'http://127.0.0.1:9', headers)))
  })
})

test('a process ends by itself once its agents are closed, whatever their caches were doing', async () => {
  const script = join(import.meta.dirname, 'exiting-process.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  clearTimeout(timer)
  assert.equal(code, 0)
  const { active, msUntilExit } = JSON.parse(output)
  for (const [scenario, resources] of Object.entries(active)) assert.deepEqual(resources, [], scenario)
  assert.ok(msUntilExit < 5000, `${msUntilExit} ms`)
})
