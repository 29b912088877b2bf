import { ago, cc, get, ok, PRIVATE, type Row, rule, send, status, to } from './row.ts'

const STORED = ago(1, ok(cc('max-age=60'), 'ETag: "a"', 'Content-Length: 5', 'Last-Modified: then'))
const DONE = { request: 'write-through unsafe-method', response: 'forward unsafe-method' } as const
const REPRESENTATION = ok(cc('max-age=60'), 'Content-Location: /x')

export const post: readonly Row[] = [
  rule('RFC 9110 §9.3.3', 'a POST with a lifetime and its own Content-Location answers later GETs')
    .given({ stored: STORED, request: send('POST'), origin: REPRESENTATION, next: get(), after: 59 })
    .expect({
      request: 'write-through unsafe-method',
      response: 'store content-location',
      deletes: ['/x'],
      entry: { method: 'GET' },
      next: 'hit fresh',
      nextAnswer: { from: '#new', body: 'whole' }
    }),
  rule('RFC 9110 §9.3.3', 'its Content-Location may be absolute')
    .given({ request: send('POST'), origin: ok(cc('max-age=60'), 'Content-Location: http://a.test/x') })
    .expect({ response: 'store content-location', deletes: ['/x'] }),
  rule('RFC 9110 §9.3.3', 'POST itself is never answered from the cache')
    .given({ request: send('POST'), origin: REPRESENTATION, next: send('POST') })
    .expect({ response: 'store content-location', deletes: ['/x'], next: 'write-through unsafe-method' }),
  rule('RFC 9110 §9.3.3', 'a POST without Content-Location is not stored')
    .given({ request: send('POST'), origin: ok(cc('max-age=60')) })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('RFC 9110 §9.3.3', 'no Content-Location names no path, whatever it is called')
    .given({ request: to('/undefined', send('POST')), origin: ok(cc('max-age=60')) })
    .expect({ ...DONE, deletes: ['/undefined'] }),
  rule('RFC 9110 §9.3.3', 'a POST with the Content-Location of another path is not stored')
    .given({ request: send('POST'), origin: ok(cc('max-age=60'), 'Content-Location: /y') })
    .expect({ ...DONE, deletes: ['/x', '/y'] }),
  rule('RFC 9110 §9.3.3', 'a POST with the Content-Location of another origin is not stored')
    .given({ request: send('POST'), origin: ok(cc('max-age=60'), 'Content-Location: http://b.test/x') })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('RFC 9110 §9.3.3', 'a POST without an explicit lifetime is not stored')
    .given({ request: send('POST'), origin: ok('Content-Location: /x', 'Last-Modified: {-1000}', cc('public')) })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('RFC 9110 §9.3.3', 'a default lifetime is not explicit')
    .given({ policy: { defaultFreshnessSeconds: 60 }, request: send('POST'), origin: ok('Content-Location: /x') })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('§3', 'a POST whose response may not be stored is not stored')
    .given({ request: send('POST'), origin: ok(cc('max-age=60, no-store'), 'Content-Location: /x') })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('§3.5', 'a POST with Authorization is not stored in a shared cache')
    .given({ request: send('POST', 'Authorization: Basic eA=='), origin: REPRESENTATION })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('§3.5', 'a POST with Authorization is stored in a private cache')
    .given({ policy: PRIVATE, request: send('POST', 'Authorization: Basic eA=='), origin: REPRESENTATION })
    .expect({ response: 'store content-location', deletes: ['/x'] }),
  ...['PUT', 'PATCH', 'DELETE'].map(method =>
    rule('RFC 9110 §9.3.3', `a ${method} is not stored`)
      .given({ request: send(method), origin: REPRESENTATION })
      .expect({ ...DONE, deletes: ['/x'] })
  ),
  rule('RFC 9110 §9.3.3', 'a POST is not stored where GET is not cached')
    .given({ policy: { methods: ['HEAD'] }, request: send('POST'), origin: REPRESENTATION })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('RFC 9110 §8.7', 'an error is no representation of its Content-Location')
    .given({ request: send('POST'), origin: status(422, cc('max-age=60'), 'Content-Location: /x') })
    .expect(DONE),
  rule('RFC 9110 §8.7', 'a redirection is no representation of its Content-Location')
    .given({ request: send('POST'), origin: status(303, cc('max-age=60'), 'Content-Location: /x') })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('RFC 9110 §8.7', 'a 201 may be the representation of its Content-Location')
    .given({ request: send('POST'), origin: status(201, cc('max-age=60'), 'Content-Location: /x') })
    .expect({ response: 'store content-location', deletes: ['/x'] })
]
