// What s3Driver makes of services that are busy, refuse, cut off, hang and answer nonsense.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { Agent } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { ObjectStore } from 'undici-http-cache/stores/object'
import { type S3Driver, type S3DriverOptions, s3Driver } from 'undici-http-cache/stores/object/s3'
import { find, put, until } from '../../support/file-store.ts'
import { bytesOf, noise } from '../../support/responses.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Service extends AsyncDisposable {
  readonly driver: S3Driver
  readonly endpoint: string
  /** Method and path of each request. */
  readonly requests: string[]
  open(): number
}

const credentials = { accessKeyId: 'AK', secretAccessKey: 'SK' }
const signal = new AbortController().signal

async function serve(answer: Answer, options: Partial<S3DriverOptions> = {}): Promise<Service> {
  const requests: string[] = []
  let open = 0
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    open++
    response.once('close', () => open--)
    request.resume()
    request.once('end', () => answer(request, response))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const driver = s3Driver({ endpoint, bucket: 'cache', credentials, ...options })
  return {
    driver,
    endpoint,
    requests,
    open: () => open,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await driver.close()
    }
  }
}

function fail(statusCode: number, code: string): Answer {
  return (_request, response) => {
    response.writeHead(statusCode, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)
  }
}

/** Another answer for each request; the last one for all that follow. */
function inTurn(...answers: Answer[]): Answer {
  let count = 0
  return (request, response) => answers[Math.min(count++, answers.length - 1)]?.(request, response)
}

function text(body: string, statusCode = 200, headers = {}): Answer {
  return (_request, response) => void response.writeHead(statusCode, headers).end(body)
}

async function readAll(driver: S3Driver): Promise<string | undefined> {
  const body = await driver.get('x', { signal })
  return body === undefined ? undefined : (await bytesOf(body)).toString()
}

async function listAll(driver: S3Driver): Promise<string[]> {
  const names: string[] = []
  for await (const name of driver.list('', { signal })) names.push(name)
  return names
}

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield noise(1_000_000, i + 1)
}

describe('a service that is busy', () => {
  it('is asked again, and answers', async () => {
    const busy = fail(503, 'SlowDown')
    await using service = await serve(inTurn(busy, busy, text('here')))
    assert.equal(await readAll(service.driver), 'here')
    assert.equal(service.requests.length, 3)
  })

  it('is not asked without end', async () => {
    await using service = await serve(fail(503, 'SlowDown'))
    await assert.rejects(readAll(service.driver), {
      code: 'ERR_CACHE_STORE',
      message: 'the object storage has answered GET x with 503 SlowDown'
    })
    assert.equal(service.requests.length, 3)
    await using other = await serve(fail(500, 'InternalError'), { retries: 0 })
    await assert.rejects(listAll(other.driver), { code: 'ERR_CACHE_STORE' })
    assert.equal(other.requests.length, 1)
  })

  it('is not sent again what came once', async () => {
    await using service = await serve(fail(503, 'SlowDown'))
    await assert.rejects(service.driver.put('x', pieces(2), { size: 2_000_000, signal }), { code: 'ERR_CACHE_STORE' })
    assert.equal(service.requests.length, 1)
  })

  it('is no longer asked once nobody waits', async () => {
    await using service = await serve(fail(503, 'SlowDown'), { retries: 50 })
    await assert.rejects(service.driver.get('x', { signal: AbortSignal.timeout(300) }))
    const { length } = service.requests
    await new Promise(resolve => setTimeout(resolve, 500))
    assert.equal(service.requests.length, length)
  })
})

describe('a service that refuses', () => {
  it('is not asked again, and quoted', async () => {
    await using service = await serve(fail(403, 'AccessDenied'))
    const message = /403 AccessDenied$/
    await assert.rejects(readAll(service.driver), { code: 'ERR_CACHE_STORE', message })
    await assert.rejects(service.driver.put('x', noise(10), { size: 10, signal }), { message })
    await assert.rejects(service.driver.put('x', pieces(1), { size: undefined, signal }), { message })
    await assert.rejects(service.driver.delete('x', { signal }), { message })
    await assert.rejects(listAll(service.driver), { message })
    assert.equal(service.requests.length, 5)
  })

  it('has no such object, which is no fault, or no such bucket, which is', async () => {
    await using service = await serve(inTurn(fail(404, 'NoSuchKey'), fail(404, 'NoSuchBucket')))
    assert.equal(await readAll(service.driver), undefined)
    await assert.rejects(readAll(service.driver), { message: /404 NoSuchBucket/ })
    await assert.rejects(service.driver.delete('x', { signal }), { message: /404 NoSuchBucket/ })
  })

  it('has put it already, or somebody else is putting it', async () => {
    await using service = await serve(inTurn(fail(412, 'PreconditionFailed'), fail(409, 'Conflict')))
    const options = { size: 1, ifAbsent: true, signal }
    assert.equal(await service.driver.put('x', noise(1), options), false)
    assert.equal(await service.driver.put('x', noise(1), options), false)
    await assert.rejects(service.driver.put('x', noise(1), { size: 1, signal }), { message: /409 Conflict/ })
  })
})

describe('a service that cuts off, or hangs', () => {
  it('a body that is cut off is an error', async () => {
    const cut: Answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('x'.repeat(500), () => response.destroy())
    }
    await using service = await serve(cut)
    await assert.rejects(readAll(service.driver))
  })

  it('a connection that is lost is tried again', async () => {
    const lose: Answer = (_request, response) => void response.destroy()
    await using service = await serve(inTurn(lose, text('here')))
    assert.equal(await readAll(service.driver), 'here')
  })

  it('every connection is let go of when a store gives up', async () => {
    await using service = await serve(() => {})
    const store = new ObjectStore({ driver: service.driver, timeoutMs: 200 })
    const work = [find(store), put(store, {}, noise(1_000_000)), store.delete('x'), store.sweep(), store.clear()]
    const wait = setTimeout(() => {}, 5000)
    for (const each of work) await assert.rejects(each, { code: 'ERR_CACHE_TIMEOUT' })
    await until(() => service.open() === 0)
    clearTimeout(wait)
    await store.close()
  })

  it('every connection is let go of when a reader leaves', async () => {
    const endless: Answer = (_request, response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(100_000)));
      }
      response.on('drain', more)
      more()
    }
    await using service = await serve(endless)
    for (const steps of [0, 1]) {
      const body = await service.driver.get('x', { signal })
      assert.ok(body !== undefined && !(body instanceof Uint8Array))
      const iterator = body[Symbol.asyncIterator]()
      for (let i = 0; i < steps; i++) await iterator.next()
      await iterator.return?.()
      await until(() => service.open() === 0)
    }
  })
})

const PAGE = '<IsTruncated>true</IsTruncated>'
const NONSENSE: Readonly<Record<string, Answer>> = {
  'a page for humans': text('<html>Welcome</html>'),
  'half a list': text('<ListBucketResult><Contents><Key>a</Key>'),
  'an element without an end': text('<ListBucketResult><Contents><Key>a</Key></ListBucketResult>'),
  'a list that goes on nowhere': text(`<ListBucketResult>${PAGE}</ListBucketResult>`),
  'a list that goes on as it began': text(
    `<ListBucketResult>${PAGE}<NextContinuationToken>t</NextContinuationToken></ListBucketResult>`
  ),
  'a name that is none': text('<ListBucketResult><Contents><Key>%zz</Key></Contents></ListBucketResult>'),
  nothing: text('')
}

describe('a service that answers with nonsense', () => {
  for (const [what, answer] of Object.entries(NONSENSE)) {
    it(`${what}, in the place of a list`, async () => {
      await using service = await serve(answer)
      await assert.rejects(listAll(service.driver), { code: 'ERR_CACHE_STORE' })
    })
  }

  it('the whole, in the place of a range', async () => {
    await using service = await serve(text('whole'))
    await assert.rejects(service.driver.get('x', { start: 1, end: 3, signal }), { code: 'ERR_CACHE_STORE' })
  })

  it('names with whatever they are escaped by', async () => {
    const key = '<Contents><Key>a%20b+c%2Bd&amp;&#233;</Key></Contents>'
    await using service = await serve(text(`<ListBucketResult>${key}</ListBucketResult>`))
    assert.deepEqual(await listAll(service.driver), ['a b c+d&é'])
  })
})

describe('a multipart upload', () => {
  const begin = text('<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>')
  const part = text('', 200, { etag: '"e"' })
  const cases: Readonly<Record<string, { readonly answer: Answer; readonly aborts: boolean }>> = {
    'cannot begin': { answer: fail(400, 'No'), aborts: false },
    'has no id': { answer: text('<UploadId></UploadId>'), aborts: false },
    'has a part that fails': { answer: inTurn(begin, part, fail(400, 'No'), part), aborts: true },
    'has a part without a tag': { answer: inTurn(begin, text('')), aborts: true },
    'cannot be completed': { answer: inTurn(begin, part, part, part, fail(400, 'No')), aborts: true },
    'fails when it seems complete': {
      answer: inTurn(begin, part, part, part, text(' \n<Error><Code>InternalError</Code></Error>')),
      aborts: true
    }
  }
  for (const [what, { answer, aborts }] of Object.entries(cases)) {
    it(`that ${what} rejects${aborts ? ', and is aborted' : ''}`, async () => {
      await using service = await serve(answer)
      await assert.rejects(service.driver.put('x', pieces(12), { size: undefined, signal }), {
        code: 'ERR_CACHE_STORE'
      })
      const last = service.requests.at(-1)
      assert.equal(last === 'DELETE /cache/x?uploadId=u%261', aborts, last)
    })
  }

  it('whose body fails, or that nobody waits for any more, is aborted', async () => {
    for (const isAborted of [true, false]) {
      await using service = await serve(inTurn(begin, part))
      const abort = new AbortController()
      const body = (async function* () {
        yield* pieces(7)
        if (isAborted) abort.abort()
        else throw new Error('no more')
        yield* pieces(7)
      })()
      await assert.rejects(service.driver.put('x', body, { size: undefined, signal: abort.signal }))
      assert.equal(service.requests.at(-1), 'DELETE /cache/x?uploadId=u%261')
    }
  })
})

it('uploads that were left are aborted after a day, page by page', async () => {
  const upload = (key: string, hours: number) => {
    const initiated = new Date(Date.now() - hours * 3_600_000).toISOString()
    return `<Upload><Key>p/${key}</Key><UploadId>u</UploadId><Initiated>${initiated}</Initiated></Upload>`
  }
  const list = (content: string) => text(`<ListMultipartUploadsResult>${content}</ListMultipartUploadsResult>`)
  const more = `${PAGE}<NextKeyMarker>p/b</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>`
  const gone = text('', 204)
  await using service = await serve(
    inTurn(list(upload('a', 25) + upload('b', 23) + more), gone, list(upload('c', 1) + upload('d', 49)), gone)
  )
  await service.driver.tidy?.('p/', { signal })
  assert.deepEqual(
    service.requests.map(request => request.replace(/\?.*key-marker=p%2Fb&.*/, ' from b').replace(/\?.*/, '')),
    ['GET /cache/', 'DELETE /cache/p/a', 'GET /cache/ from b', 'DELETE /cache/p/d']
  )
})

it('credentials are asked for before each request, and what fails there is not sent', async () => {
  let count = 0
  const given = [credentials, { ...credentials, sessionToken: 'T' }, {}, undefined]
  const answer: Answer = (request, response) => {
    assert.match(String(request.headers['authorization']), /^AWS4-HMAC-SHA256 Credential=AK\//)
    assert.equal(request.headers['x-amz-security-token'], count === 2 ? 'T' : undefined)
    response.end('here')
  }
  await using service = await serve(answer, {
    credentials: async () => {
      if (count === 4) throw new Error('no credentials')
      return given[count++] as typeof credentials
    }
  })
  for (let i = 0; i < 2; i++) assert.equal(await readAll(service.driver), 'here')
  for (let i = 0; i < 2; i++) await assert.rejects(readAll(service.driver), { code: 'ERR_CACHE_OPTION' })
  await assert.rejects(readAll(service.driver), { message: 'no credentials' })
  assert.equal(service.requests.length, 2)
})

it('a cache that is composed into the dispatcher does not ask itself', async () => {
  await using service = await serve(fail(404, 'NoSuchKey'))
  const stores: ObjectStore[] = []
  const cache = cacheInterceptor({
    store: {
      capabilities: { tags: true, ranges: true, shared: true },
      get: (...args) => stores[0]?.get(...args) ?? assert.fail(),
      put: () => undefined,
      update: () => false,
      remove() {},
      delete() {},
      deleteByTag() {},
      clear() {},
      close() {}
    }
  })
  const dispatcher = new Agent().compose(cache)
  const { endpoint } = service
  stores.push(new ObjectStore({ driver: s3Driver({ endpoint, bucket: 'cache', credentials, dispatcher }) }))
  assert.equal(await find(stores[0] ?? assert.fail()), undefined)
  assert.equal(service.requests.length, 1)
  await dispatcher.close()
})

const BAD: Readonly<Record<string, unknown>> = {
  bucket: 'a/b',
  region: 'a b',
  endpoint: 'ftp://x',
  pathStyle: 1,
  credentials: { accessKeyId: 'x' },
  dispatcher: {},
  retries: -1,
  partSizeBytes: 1000
}

for (const [name, value] of Object.entries(BAD)) {
  it(`a bad ${name} is a TypeError that names it`, () => {
    const options = { bucket: 'cache', credentials, [name]: value } as S3DriverOptions
    assert.throws(() => s3Driver(options), {
      name: 'TypeError',
      code: 'ERR_CACHE_OPTION',
      message: new RegExp(`^${name} `)
    })
  })
}
