// Several processes on one directory, and such as come to a sudden end.
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { utimesSync } from 'node:fs'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bodiesOf, find, isStress, KEY, openStore, recordsOf, temporariesOf } from '../../support/file-store.ts'
import { TAG } from '../../support/responses.ts'
import { CROWD_KEYS, findFault, type Order, putSeed } from './process.ts'

const KILLS = isStress ? 25 : 2

function start(task: string, directory: string): ChildProcess {
  return fork(new URL('process.ts', import.meta.url), [task, directory], { execArgv: ['--import', 'tsx'] })
}

describe('two processes', () => {
  it('share what they store, and what they delete', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    const other = start('obey', directory)
    await once(other, 'message')
    const tell = async (order: Order): Promise<unknown> => {
      const answered = once(other, 'message')
      other.send(order)
      return (await answered)[0].answer
    }
    const seedFound = async () => (await find(store))?.entry.lines[0]?.[1]

    await putSeed(store, KEY, 1)
    assert.equal(await tell({ call: 'find', key: KEY }), '1', 'what one stores the other finds')
    await tell({ call: 'put', key: KEY, seed: 2 })
    assert.equal(await seedFound(), '2')

    for (const call of ['delete', 'deleteByTag', 'clear'] as const) {
      const what = { call, key: call === 'deleteByTag' ? TAG : KEY }
      await putSeed(store, KEY, 3)
      await tell(what)
      assert.equal(await seedFound(), undefined, `${call} by the other`)

      await putSeed(store, KEY, 4)
      await (call === 'delete' ? store.delete(KEY) : call === 'clear' ? store.clear() : store.deleteByTag(TAG))
      assert.equal(await tell({ call: 'find', key: KEY }), undefined, `${call} for the other`)

      await tell({ call: 'lookUp', key: KEY })
      await (call === 'delete' ? store.delete(KEY) : call === 'clear' ? store.clear() : store.deleteByTag(TAG))
      assert.equal(await tell({ call: 'putAsOf', key: KEY }), false, `${call} overtakes what the other is storing`)
      assert.equal(await seedFound(), undefined)
      await tell({ call: 'lookUp', key: KEY })
      assert.equal(await tell({ call: 'putAsOf', key: KEY }), true, 'what is asked for after it is stored')
    }
    const exited = once(other, 'exit')
    other.send({ call: 'close' } satisfies Order)
    assert.deepEqual(await exited, [0, null])
  })
})

describe('processes that are killed', () => {
  it(`leave whole responses only, and a directory that works (${KILLS} of them)`, async t => {
    await using opened = await openStore()
    const { store, directory } = opened
    const faults: string[] = []
    let writes = 0
    let reads = 0
    let isOver = false
    let writing = 0
    const reading = (async () => {
      while (!isOver) {
        // While they start there is nothing new to be read.
        if (writing === 0) await sleep(5)
        for (const key of CROWD_KEYS) {
          const fault = await findFault(store, key)
          if (fault !== undefined) faults.push(fault)
          reads++
        }
      }
    })()
    let kills = 0
    const keepWriting = async () => {
      while (kills < KILLS) {
        const child = start('crowd', directory)
        child.on('message', ({ fault }: { fault?: string }) => {
          if (fault === undefined) writes++
          else faults.push(fault)
        })
        await once(child, 'message')
        writing++
        await sleep(50 + Math.random() * 200)
        kills++
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
        writing--
      }
    }
    await Promise.all([keepWriting(), keepWriting()])
    isOver = true
    await reading
    t.diagnostic(`${kills} killed, ${writes} writes, ${reads} reads, ${faults.length} torn or mixed`)
    assert.deepEqual(faults, [])
    assert.ok(writes > KILLS && reads > 100, `${writes} writes, ${reads} reads`)

    for (const key of CROWD_KEYS) {
      assert.equal(await putSeed(store, key, 7), true)
      assert.equal((await find(store, key))?.entry.lines[0]?.[1], '7')
      assert.equal(await findFault(store, key), undefined)
    }
    for (const path of [...temporariesOf(store), ...bodiesOf(store)]) utimesSync(path, 1, 1)
    await store.sweep()
    assert.deepEqual(temporariesOf(store), [], 'what they were writing is swept')
    assert.deepEqual([recordsOf(store).length, bodiesOf(store).length], [CROWD_KEYS.length, 0])
  })
})
