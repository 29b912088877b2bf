// Test runners replace timers and clocks for a while. What the replaced ones were given never comes, and the cache must work
// all the same once the real ones are back.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { missingRedis, RedisServer } from './support/redis/server.ts'

const FAKERS = ['globals', 'sinon', 'sinon, with microtasks', 'sinon, in modules of Node', 'the mocks of node:test']
const MOMENTS = ['before loading', 'after loading, before construction and after it']
const script = join(import.meta.dirname, 'fake-timers.ts')
const WELL = { outcomes: ['miss', 'hit', 'miss', 'hit', 'miss'], missingHits: 0, closed: 'closed' }

describe('caches over every store work once replaced timers are back', { concurrency: 2 }, () => {
  let redis: RedisServer | undefined
  before(async () => {
    if (missingRedis === false) redis = await RedisServer.start()
  })
  after(() => redis?.[Symbol.asyncDispose]())

  for (const faker of FAKERS) {
    for (const moment of MOMENTS) {
      test(`${faker}, ${moment}`, async () => {
        const args = ['--import', 'tsx', script, faker, moment, redis?.url ?? '']
        const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 })
        const made = moment === 'before loading' ? [''] : [', made before', '']
        const stores = ['memory', 'file', 'lmdb', ...(redis === undefined ? [] : ['redis'])]
        const names = made.flatMap(when => stores.map(store => store + when))
        const expected = Object.fromEntries(names.map(name => [name, WELL]))
        assert.deepEqual(JSON.parse(stdout), expected)
      })
    }
  }
})
