// A FileStore as the interceptor uses it, with a real server.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Agent } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { ask } from '../../support/ask.ts'
import { bodiesOf, find, openStore, until } from '../../support/file-store.ts'
import { startOrigin } from '../../support/origin.ts'
import { noise } from '../../support/responses.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

describe('behind the interceptor', () => {
  it('a large response that a 304 freshens keeps its file', async () => {
    await using opened = await openStore()
    const { store } = opened
    const text = noise(400_000).toString('base64')
    await using origin = await startOrigin(({ headers }) => {
      if (headers['if-none-match'] === '"1"')
        return { status: 304, headers: { etag: '"1"', 'cache-control': 'max-age=60' } }
      return { headers: { etag: '"1"', 'cache-control': 'max-age=0' }, body: text }
    })
    const agent = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 5000 }))
    assert.equal((await ask(agent, origin.url)).outcome, 'miss')
    await until(async () => (await find(store, `${origin.url}/`)) !== undefined)
    const [path = ''] = bodiesOf(store)
    const before = statSync(path, { bigint: true })
    const revalidated = await ask(agent, origin.url)
    assert.deepEqual([revalidated.outcome, revalidated.body], ['revalidated', text])
    const hit = await ask(agent, origin.url)
    assert.deepEqual([hit.outcome, hit.body], ['hit', text])
    const after = statSync(path, { bigint: true })
    assert.deepEqual([after.ino, after.mtimeNs, after.size], [before.ino, before.mtimeNs, before.size])
    await agent.close()
  })

  it('a response outlives the process, and does not keep it', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'kept' })
    const script = `
      import { Agent, request } from 'undici'
      import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
      import { FileStore } from 'undici-http-cache/stores/file'
      const store = new FileStore({ directory: ${JSON.stringify(directory)} })
      const dispatcher = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 5000 }))
      const response = await request('${origin.url}', { dispatcher })
      console.log(cacheInfo(response).outcome, await response.body.text())
      await dispatcher.close()`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
    const { stdout } = await run(process.execPath, args, { cwd: root, timeout: 30_000 })
    assert.equal(stdout, 'miss kept\n')
    const agent = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 5000 }))
    const { outcome, body } = await ask(agent, origin.url)
    assert.deepEqual([outcome, body], ['hit', 'kept'])
    await agent.close()
    assert.equal(origin.requests.length, 1)
  })
})
