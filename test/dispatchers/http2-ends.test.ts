// Responses by HTTP/2 that state no length: stored is what ended, not what was reset.
import assert from 'node:assert/strict'
import type { Http2ServerResponse } from 'node:http2'
import { test } from 'node:test'
import { setTimeout } from 'node:timers'
import { Agent } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** Whether Node tells how a stream has ended. */
const isTold = major > 24 || (major === 24 && minor >= 2) || (major === 22 && minor >= 17)

const ENDS: Record<string, { end: (stream: Http2ServerResponse['stream']) => void; isWhole: boolean }> = {
  'by END_STREAM': { end: stream => stream.end(), isWhole: true },
  'by destroy()': { end: stream => stream.destroy(), isWhole: false }
}

for (const [name, { end, isWhole }] of Object.entries(ENDS)) {
  for (const storeUnverifiedHttp2 of [true, false]) {
    test(`a response that ended ${name}, storeUnverifiedHttp2: ${storeUnverifiedHttp2}`, async () => {
      await using origin = await startOrigin((_request, response) => {
        response.writeHead(200, { 'cache-control': 'max-age=60' })
        const { stream } = response as unknown as Http2ServerResponse
        stream.write('some', () => setTimeout(() => end(stream), 20))
        return undefined
      }, 'h2')
      const agent = new Agent({ allowH2: true, connect: { ca: origin.ca } })
      const dispatcher = agent.compose(cacheInterceptor({ storeUnverifiedHttp2 }))
      for (let i = 0; i < 2; i++) assert.equal((await ask(dispatcher, origin.url)).body, 'some')
      const isStored = isTold ? isWhole : storeUnverifiedHttp2
      assert.equal(origin.requests.length, isStored ? 1 : 2)
      await agent.close()
    })
  }
}
