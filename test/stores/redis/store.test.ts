import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Agent } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import type { Entry } from '../../../lib/rfc9111/types.ts'
import { ask } from '../../support/ask.ts'
import { startOrigin } from '../../support/origin.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { newNamespace, PATIENT } from '../../support/redis/settings.ts'
import { bytesOf, entryOf, find, KEY, store, variantOf } from '../../support/responses.ts'

type Opened = RedisStore & AsyncDisposable & { readonly namespace: string }

const CHUNKED = Buffer.alloc(600_000, 'chunked ')

let server: RedisServer
let redis: Redis

before(async () => {
  if (missingRedis !== false) return
  server = await RedisServer.start({ args: ['--rdbcompression', 'no'] })
  redis = new Redis(server.url)
})

after(async () => {
  redis?.disconnect()
  await server?.[Symbol.asyncDispose]()
})

function opened(options: RedisStoreOptions = {}): Opened {
  const namespace = options.namespace ?? newNamespace()
  const target = new RedisStore({ url: server.url, options: PATIENT, ...options, namespace })
  return Object.assign(target, { namespace, [Symbol.asyncDispose]: () => target.close() })
}

/** The names in Redis of one kind, most of them with what comes after `}`. */
async function namesOf({ namespace }: Opened, kind: 'hash' | 'body' | 'tag'): Promise<string[]> {
  const names = await redis.keys(`${namespace}:*`)
  const patterns = { hash: /:\{[^}]+\}$/, body: /\}:/, tag: /:tag:\{/ }
  return names.filter(name => patterns[kind].test(name) && (kind === 'tag' || !name.includes(':tag:')))
}

async function nameOf(target: Opened, kind: 'hash' | 'body' | 'tag'): Promise<string> {
  const [name, ...others] = await namesOf(target, kind)
  assert.ok(name !== undefined && others.length === 0, `one ${kind}`)
  return name
}

describe('RedisStore', { skip: missingRedis }, () => {
  it('keeps large bodies however long they are to be kept', async () => {
    await using target = opened()
    for (const expiresAtMs of [1e15, 8e18, 1e22, Infinity]) {
      const key = `${KEY}${expiresAtMs}`
      await store(target, entryOf(key, { expiresAtMs }), [CHUNKED])
      assert.ok((await bytesOf(await (await find(target, key))?.open())).equals(CHUNKED), `${expiresAtMs}`)
    }
  })

  it('hits with one command, with and without Vary', async () => {
    await using target = opened()
    const vary = ['accept', 'accept-language']
    await store(target, entryOf('https://store.test/plain'))
    await store(target, entryOf('https://store.test/vary', { vary, variantKey: variantOf(vary) }))
    await using other = opened({ namespace: target.namespace })
    await find(other, 'https://store.test/other')
    assert.deepEqual(await commandsOf(() => find(other, 'https://store.test/plain')), ['hmget'])
    assert.deepEqual(
      await commandsOf(() => find(other, 'https://store.test/vary')),
      ['hmget', 'hmget'],
      'a wrong guess'
    )
    for (const asker of [target, other]) {
      for (const path of ['plain', 'vary']) {
        const hit = async () => bytesOf(await (await find(asker, `https://store.test/${path}`))?.open())
        assert.deepEqual(await commandsOf(hit), ['hmget'], path)
        assert.equal((await hit()).toString(), 'x')
      }
    }
  })

  it('hits with one command through the interceptor, and stores with two', async () => {
    await using target = opened()
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', vary: 'accept' }, body: 'x' })
    const cache = cacheInterceptor({ store: target })
    const dispatcher = new Agent().compose(cache)
    await ask(dispatcher, `${origin.url}/warm`)
    const stored = await commandsOf(async () => {
      await ask(dispatcher, origin.url)
      await delay(50)
    })
    assert.deepEqual(stored, ['hmget', 'evalsha', 'evalsha'])
    const hit = await commandsOf(async () => assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit'))
    assert.deepEqual(hit, ['hmget'])
    await cache.close()
    await dispatcher.close()
  })

  it('stores with two commands more where one process fetches for a fleet, and one to say that it is done', async () => {
    await using target = opened()
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
    const cache = cacheInterceptor({ store: target, coalesce: 'fleet' })
    const dispatcher = new Agent().compose(cache)
    await ask(dispatcher, `${origin.url}/warm`)
    await delay(50)
    const stored = await commandsOf(async () => {
      await ask(dispatcher, origin.url)
      await delay(50)
    })
    assert.deepEqual(stored, ['hmget', 'evalsha', 'evalsha', 'hmget', 'evalsha', 'evalsha'])
    const hit = await commandsOf(async () => assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit'))
    assert.deepEqual(hit, ['hmget'])
    await cache.close()
    await dispatcher.close()
  })

  it('keeps leases, and what is left of them, no longer than they last', async () => {
    await using target = opened()
    const lease = await target.lease('name', 20_000)
    const [name = '', ...others] = await redis.keys(`${target.namespace}:*`)
    assert.deepEqual([/:lease:\{[\w-]{22}\}$/.test(name), others], [true, []])
    assertNear(await redis.pttl(name), 20_000)
    assert.ok(typeof lease === 'object')
    assert.equal(await lease.renew(40_000), true)
    assertNear(await redis.pttl(name), 40_000)
    await lease.release('unshared', 30_000)
    assertNear(await redis.pttl(name), 30_000)
    await redis.hset(name, 'mark', 'damaged')
    await assert.rejects(target.lease('name', 1000), { code: 'ERR_CACHE_STORE' })
    await redis.del(name)
    const plain = await target.lease('name', 0.5)
    assert.ok(typeof plain === 'object')
    await plain.release()
    assert.equal(await redis.exists(name), 0)
  })

  it('keeps nothing of Authorization and Cookie in Redis', async () => {
    await using target = opened()
    const secrets = ['Bearer correct-horse-battery', 'session=staple-and-clip']
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', vary: 'authorization, cookie' },
      body: 'x'.repeat(100_000)
    })
    const options = { type: 'private', partition: 'authorization+cookie', coalesce: 'fleet' } as const
    const cache = cacheInterceptor({ store: target, ...options })
    const dispatcher = new Agent().compose(cache)
    const headers = { authorization: secrets[0] ?? '', cookie: secrets[1] ?? '' }
    for (const outcome of ['miss', 'hit']) {
      assert.equal((await ask(dispatcher, origin.url, { headers })).outcome, outcome)
    }
    await cache.close()
    await dispatcher.close()
    await target.lease(secrets.join(), 60_000)
    const names = await redis.keys('*')
    const dumps = await Promise.all(names.map(name => redis.dumpBuffer(name)))
    const dump = Buffer.concat([Buffer.from(names.join()), ...dumps.map(bytes => bytes ?? Buffer.alloc(0))])
    assert.ok(dump.includes('cache-control'), 'the dump shows what is stored')
    for (const secret of secrets) {
      for (const form of [secret, secret.split(/[ =]/)[1] ?? '']) assert.equal(dump.includes(form), false)
      assert.equal(dump.includes(Buffer.from(secret, 'utf16le')), false)
    }
  })

  it('uses a client of its user, and never closes it', async () => {
    const client = new Redis(server.url)
    const target = new RedisStore({ client, namespace: newNamespace() })
    await store(target, entryOf(), [CHUNKED])
    assert.deepEqual(await bytesOf(await (await find(target))?.open()), CHUNKED)
    await target.close()
    await assert.rejects(find(target), { code: 'ERR_CACHE_CLOSED' })
    assert.equal(await client.ping(), 'PONG')
    assert.equal(client.listenerCount('error'), 0, 'whose faults are its user’s')
    client.disconnect()
  })

  it('says why where it may not come in, and comes in once it may', async () => {
    await using locked = await RedisServer.start()
    const target = new RedisStore({ url: locked.url, options: { ...PATIENT, password: 'secret' } })
    await locked.with(client => client.config('SET', 'requirepass', 'other'))
    await assert.rejects(find(target), /WRONGPASS/)
    const admin = new Redis(locked.url, { password: 'other' })
    await admin.config('SET', 'requirepass', 'secret')
    admin.disconnect()
    await delay(60)
    assert.equal(await find(target), undefined)
    await target.close()
  })

  it('needs no more of an ACL than its documentation says', async () => {
    await using guarded = await RedisServer.start()
    const page = readFileSync(join(import.meta.dirname, '../../../docs/stores/redis.md'), 'utf8')
    const [, rules = ''] = /`(~undici-http-cache:\* [^`]+)`/.exec(page) ?? assert.fail('there is no ACL')
    await guarded.with(client => client.call('ACL', 'SETUSER', 'cache', 'on', '>secret', ...rules.split(' ')))
    const target = new RedisStore({ url: guarded.url, options: { ...PATIENT, username: 'cache', password: 'secret' } })
    const stored = await store(target, entryOf(), [CHUNKED])
    assert.ok(stored)
    assert.deepEqual(await bytesOf(await (await find(target))?.open()), CHUNKED)
    assert.equal(await target.update({ ...stored, statusText: 'New' }), true)
    for await (const { key } of target.entries()) assert.equal(key, KEY)
    const lease = await target.lease('name', 60_000)
    assert.ok(typeof lease === 'object')
    assert.equal(await lease.renew(60_000), true)
    await lease.release('done', 60_000)
    await target.deleteByTag('origin:https://store.test')
    await target.delete(KEY)
    await target.clear()
    await target.close()
  })

  it('leaves expiry to Redis, and bounds it', async () => {
    await using target = opened({ defaultTtlSeconds: 60 })
    const soon = Date.now() + 20_000
    await store(target, entryOf(KEY, { expiresAtMs: soon }), [CHUNKED])
    const hash = await nameOf(target, 'hash')
    const body = await nameOf(target, 'body')
    const tag = await nameOf(target, 'tag')
    assertNear(await redis.pttl(hash), 20_000)
    assertNear(await redis.pttl(body), 80_000)
    assertNear(await redis.pttl(tag), 20_000)
    const found = await find(target)
    assert.ok(found)
    assert.equal(await target.update({ ...found.entry, expiresAtMs: Infinity }), true)
    assertNear(await redis.pttl(hash), 60_000)
    assertNear(await redis.pttl(body), 120_000)
    assertNear(await redis.pttl(tag), 60_000)

    await using boundless = opened()
    await store(boundless, entryOf(KEY, { expiresAtMs: Infinity }), [CHUNKED])
    for (const kind of ['hash', 'body', 'tag'] as const)
      assert.equal(await redis.pttl(await nameOf(boundless, kind)), -1)
  })

  it('serves nothing for longer than the bound, though the key lives on', async () => {
    await using target = opened({ defaultTtlSeconds: 0.2 })
    await store(target, entryOf())
    await redis.persist(await nameOf(target, 'hash'))
    assert.notEqual(await find(target), undefined)
    await delay(250)
    assert.equal(await find(target), undefined)
  })

  it('drops what has expired, and what is too much, with each write', async () => {
    await using target = opened({ maxVariants: 3 })
    const put = (name: string, changes: Partial<Entry> = {}) =>
      store(target, entryOf(KEY, { vary: ['x'], variantKey: name, ...changes }), [CHUNKED])
    await put('brief', { expiresAtMs: Date.now() + 60 })
    await put('0')
    const hash = await nameOf(target, 'hash')
    await delay(80)
    for (const name of ['1', '2', '3', '4']) {
      await delay(2)
      await put(name)
    }
    const fields = await redis.hkeys(hash)
    assert.equal(fields.length, 2 + 3)
    const kept = async (name: string) => (await target.get(KEY, () => name)).stored.length === 1
    assert.deepEqual(await Promise.all(['0', '1', '2', '3', '4'].map(kept)), [false, false, true, true, true])
    const ttls = await Promise.all((await namesOf(target, 'body')).map(name => redis.pttl(name)))
    assert.equal(ttls.filter(ttl => ttl > 60_000).length, 3, 'the bodies of the others are on their way')
  })

  it('keeps few lists of selecting fields', async () => {
    await using target = opened()
    for (let i = 0; i < 40; i++) {
      await store(target, entryOf(KEY, { vary: [`x-${i}`], variantKey: `x-${i}` }))
      await delay(1)
    }
    let calls = 0
    const { stored } = await target.get(KEY, names => {
      calls++
      return names.join()
    })
    assert.equal(stored.length, 16)
    assert.ok(stored.some(({ entry }) => entry.variantKey === 'x-39'))
    assert.ok(calls <= 40)
  })

  it('lets a replaced body live on for a minute, for those who read it', async () => {
    await using target = opened()
    await store(target, entryOf(), [CHUNKED])
    const old = await nameOf(target, 'body')
    const reading = await (await find(target))?.open()
    await store(target, entryOf(), [Buffer.from('new')])
    assertNear(await redis.pttl(old), 60_000)
    assert.deepEqual(await bytesOf(reading), CHUNKED)
    await target.delete(KEY)
    assert.deepEqual(await namesOf(target, 'hash'), [])
  })

  it('lets the chunks of what is never committed expire', async () => {
    await using target = opened()
    const writer = await target.put(entryOf())
    await writer?.write(CHUNKED)
    await delay(50)
    assertNear(await redis.pttl(await nameOf(target, 'body')), 600_000)
    assert.deepEqual(await namesOf(target, 'hash'), [])
    await writer?.abort()
    assert.deepEqual(await namesOf(target, 'body'), [])
  })

  it('prunes tags by itself, and forgets what a purge has removed', async () => {
    await using target = opened()
    const tags = ['group']
    await store(target, entryOf('https://store.test/brief', { tags, expiresAtMs: Date.now() + 50 }))
    await delay(60)
    for (const path of ['b', 'c']) await store(target, entryOf(`https://store.test/${path}`, { tags }))
    const tag = await nameOf(target, 'tag')
    assert.equal(await redis.zcard(tag), 2)
    await target.deleteByTag('group')
    assert.equal(await redis.exists(tag), 0)
    const paths = Array.from({ length: 700 }, (_, i) => `https://store.test/${i}`)
    await Promise.all(paths.map(path => store(target, entryOf(path, { tags }))))
    await target.deleteByTag('group')
    assert.deepEqual(await namesOf(target, 'hash'), [])
    assert.equal(await redis.exists(tag), 0)
  })

  it('clears its own and nothing else', async () => {
    await using target = opened()
    await using other = opened({ namespace: `${target.namespace}:message-pack.1` })
    await redis.set(`${target.namespace}:message-pack.1:mine`, 'x')
    await store(other, entryOf())
    const paths = Array.from({ length: 300 }, (_, i) => `https://store.test/${i}`)
    await Promise.all(paths.map(path => store(target, entryOf(path))))
    await target.clear()
    assert.notEqual(await find(other), undefined)
    assert.equal(await redis.get(`${target.namespace}:message-pack.1:mine`), 'x')
    for await (const entry of target.entries()) assert.fail(entry.key)
  })

  it('takes what was asked for before a deletion that it has forgotten for overtaken', async () => {
    await using target = opened()
    const position = await (await target.get(KEY, variantOf)).asOf()
    await target.delete('https://store.test/other')
    await redis.del((await redis.keys(`${target.namespace}:*deletions`))[0] ?? '')
    assert.equal(await store(target, entryOf(), [], position), undefined, 'the order of deletions is lost')
    await target.delete('https://store.test/other')
    assert.equal(await store(target, entryOf(), [], position), undefined, 'and another has begun')
    assert.notEqual(await store(target, entryOf()), undefined)
  })

  it('forgets deletions where there are too many, and refuses what began before those', async () => {
    await using target = opened()
    const position = await (await target.get(KEY, variantOf)).asOf()
    const [ledger = ''] = await redis.keys(`${target.namespace}:*deletions`)
    const many = Array.from({ length: 50_000 }, (_, i) => [Number(position) + 1 + i, `k${i}`]).flat()
    await redis.zadd(ledger, ...many, Number(position) + 50_001, 'n')
    const later = await (await target.get(KEY, variantOf)).asOf()
    await target.delete('https://store.test/other')
    assert.ok((await redis.zcard(ledger)) < 46_000)
    assert.equal(await store(target, entryOf(), [], position), undefined)
    assert.notEqual(await store(target, entryOf(), [], later), undefined)
  })
})

describe('what is damaged in Redis', { skip: missingRedis }, () => {
  const DAMAGE: Readonly<Record<string, (hash: string, field: string) => Promise<unknown>>> = {
    'a record with another byte': async (hash, field) => {
      const bytes = await redis.hgetBuffer(hash, field)
      assert.ok(bytes)
      bytes[bytes.length - 3]! ^= 1
      await redis.hset(hash, field, bytes)
    },
    'an empty record': (hash, field) => redis.hset(hash, field, ''),
    'lists that are none': hash => redis.hset(hash, 'lists', '1\n{"__proto__":[]}'),
    'far too many lists': hash => redis.hset(hash, 'lists', `1${'\n[]'.repeat(100_000)}`),
    'an index that is none': async (hash, field) => {
      await redis.hset(hash, 'index', '\xc1 no index')
      await redis.hset(hash, field, 'nor a record')
    },
    'an index of other things': async (hash, field) => {
      await redis.hset(hash, 'index', Buffer.from([0x81, 0xa1, 0x78, 0x93, 1, 2, 3]))
      await redis.hset(hash, field, 'nor a record')
    }
  }

  for (const [what, damage] of Object.entries(DAMAGE)) {
    it(`${what}: a miss, and replaced by the next response`, async () => {
      await using target = opened()
      await store(target, entryOf())
      const hash = await nameOf(target, 'hash')
      const field = (await redis.hkeys(hash)).find(name => name.length === 22) ?? ''
      await damage(hash, field)
      await using other = opened({ namespace: target.namespace })
      assert.equal(await find(other), undefined)
      assert.equal(await find(target), undefined)
      await store(target, entryOf(), [Buffer.from('new')])
      assert.equal((await bytesOf(await (await find(other))?.open())).toString(), 'new')
    })
  }

  it('a record of another key in its place: a miss', async () => {
    await using target = opened()
    await store(target, entryOf('https://store.test/b'))
    const from = await nameOf(target, 'hash')
    await store(target, entryOf())
    const to = (await namesOf(target, 'hash')).find(name => name !== from) ?? ''
    await redis.copy(from, to, 'REPLACE')
    assert.equal(await find(target), undefined)
    assert.notEqual(await find(target, 'https://store.test/b'), undefined)
  })

  it('the first chunk gone: nothing to open; another one damaged: an error, and the response is gone', async () => {
    await using target = opened()
    await store(target, entryOf(), [CHUNKED])
    await redis.del(await nameOf(target, 'body'))
    assert.equal(await (await find(target))?.open(), undefined)
    await delay(30)
    assert.equal(await find(target), undefined)

    await store(target, entryOf(), [CHUNKED])
    const body = await nameOf(target, 'body')
    const chunk = (await redis.hgetBuffer(body, '1')) ?? assert.fail()
    chunk[1000]! ^= 1
    await redis.hset(body, '1', chunk)
    const opening = await (await find(target))?.open()
    await assert.rejects(bytesOf(opening), { code: 'ERR_CACHE_BODY' })
    await delay(30)
    assert.equal(await find(target), undefined)
    assert.deepEqual(await namesOf(target, 'hash'), [])
  })
})

/** What the server is asked meanwhile, in order, but for what scripts do. */
async function commandsOf(run: () => Promise<unknown>): Promise<string[]> {
  const monitor = await redis.monitor()
  const commands: string[] = []
  monitor.on('monitor', (_time, [name = '', text]: string[], source) => {
    if (source === 'lua' || name === 'info' || name === 'client') return
    commands.push(name === 'echo' ? `echo ${text}` : name.toLowerCase())
  })
  await run()
  await redis.echo('over')
  while (!commands.includes('echo over')) await delay(1)
  monitor.disconnect()
  return commands.slice(0, commands.indexOf('echo over'))
}

function assertNear(actual: number, expected: number): void {
  assert.ok(actual > expected - 10_000 && actual <= expected, `${actual} is not about ${expected}`)
}
