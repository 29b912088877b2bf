import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { RedisCluster, SentinelPair } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { isStress, newNamespace, PATIENT } from '../../support/redis/settings.ts'
import { bytesOf, entryOf, find, store } from '../../support/responses.ts'

const LARGE_MEBIBYTES = isStress ? 256 : 96
const MAX_GROWN_MEBIBYTES = isStress ? 64 : 32

let server: RedisServer

before(async () => {
  if (missingRedis === false) server = await RedisServer.start()
})

after(() => server?.[Symbol.asyncDispose]())

function start(role: string, options: RedisStoreOptions, env: Record<string, string> = {}): ChildProcess {
  return fork(
    join(import.meta.dirname, 'process.ts'),
    [role, JSON.stringify({ ...options, options: { ...PATIENT, ...options.options } })],
    {
      execArgv: ['--import', 'tsx', ...(isStress ? [] : ['--expose-gc'])],
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc']
    }
  )
}

async function ask(child: ChildProcess, message: Record<string, unknown>): Promise<unknown> {
  const answer = once(child, 'message')
  child.send(message)
  const [{ result, error }] = await answer
  assert.equal(error, undefined)
  return result
}

describe('two processes', { skip: missingRedis }, () => {
  for (const ioredis of isStress ? ['ioredis', 'ioredis6'] : ['ioredis6']) {
    it(`share what they store, and what they purge is gone at once, with ${ioredis}`, async () => {
      const options = { url: server.url, namespace: newNamespace() }
      const child = start('obey', options, { IOREDIS: ioredis })
      const ours = new RedisStore({ ...options, options: PATIENT })
      const key = 'https://store.test/shared'
      const read = async () => {
        const found = await find(ours, key)
        return found && (await bytesOf(await found.open())).toString()
      }
      try {
        await once(child, 'message')
        for (const deletion of [
          { do: 'delete', key },
          { do: 'tag', key: 'group' },
          { do: 'clear', key: '' }
        ]) {
          await ask(child, { do: 'store', key, text: 'theirs' })
          assert.equal(await read(), 'theirs')
          await store(ours, entryOf(key, { tags: ['group'] }), [Buffer.from('ours')])
          assert.equal(await ask(child, { do: 'find', key }), 'ours')
          const begun = await ours.put(entryOf(key, { tags: ['group'] }))
          await ask(child, deletion)
          assert.equal(await read(), undefined)
          const late = { ...entryOf(key, { tags: ['group'] }), completeLength: 0 }
          assert.equal(await begun?.commit(late), false, `${deletion.do} wins over what another process is storing`)
        }
        await store(ours, entryOf(key), [Buffer.from('ours')])
        await ours.delete(key)
        assert.equal(await ask(child, { do: 'find', key }), undefined)
      } finally {
        child.kill()
        await ours.close()
      }
    })
  }
})

describe('a process with an open store', { skip: missingRedis, concurrency: 3 }, () => {
  const idle = async (options: RedisStoreOptions, env?: Record<string, string>) => {
    const child = start('idle', { namespace: newNamespace(), ...options }, env)
    const [printed, [code]] = await Promise.all([text(child.stdout ?? assert.fail()), once(child, 'exit')])
    assert.equal(code, 0)
    const [, waitedMs = ''] = /^idle since (\d+) ms$/.exec(printed) ?? assert.fail(printed)
    assert.ok(Number(waitedMs) < 5000, printed)
  }

  it('ends by itself', () => idle({ url: server.url }))

  it('ends by itself, in a cluster', async () => {
    await using cluster = await RedisCluster.start()
    if (isStress) await idle({ cluster: cluster.nodes })
    await idle({ cluster: cluster.nodes }, { IOREDIS: 'ioredis6' })
  })

  it('ends by itself, behind a Sentinel', async () => {
    await using pair = await SentinelPair.start()
    await idle({ options: pair.options })
  })

  it('ends by itself where there is no server', async () => {
    const child = start('fail', { url: 'redis://127.0.0.1:1' })
    const [printed, [code]] = await Promise.all([text(child.stdout ?? assert.fail()), once(child, 'exit')])
    assert.equal(code, 0)
    const [, waitedMs = ''] = /^failed: ECONNREFUSED, idle since (\d+) ms$/.exec(printed) ?? assert.fail(printed)
    assert.ok(Number(waitedMs) < 5000, printed)
  })
})

it(`a body of ${LARGE_MEBIBYTES} MiB takes little memory`, { skip: missingRedis }, async context => {
  const options = { url: server.url, namespace: newNamespace(), maxEntrySizeBytes: 1_000_000_000 }
  const child = start('large', options, { LARGE_MIB: `${LARGE_MEBIBYTES}` })
  const [{ isSame, grownBy }] = await once(child, 'message')
  await once(child, 'exit')
  assert.equal(isSame, true)
  context.diagnostic(`it took ${Math.round(grownBy)} MiB`)
  assert.ok(grownBy < MAX_GROWN_MEBIBYTES, `it took ${grownBy} MiB`)
})
