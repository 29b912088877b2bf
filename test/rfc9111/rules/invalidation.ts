import { ago, cc, get, host, ok, type Row, rule, send, status, to } from './row.ts'

const STORED = ago(1, ok(cc('max-age=60'), 'ETag: "a"', 'Content-Length: 5', 'Last-Modified: then'))
const DONE = { request: 'write-through unsafe-method', response: 'forward unsafe-method' } as const

export const invalidation: readonly Row[] = [
  ...['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL', 'FROBNICATE'].map(method =>
    rule('§4.4', `${method} invalidates its target`)
      .given({ stored: STORED, request: send(method), origin: ok(), next: get() })
      .expect({ ...DONE, deletes: ['/x'], next: 'miss uri-miss' })
  ),
  ...[200, 201, 204, 299, 300, 302, 304, 399].map(code =>
    rule('§4.4', `a ${code} to an unsafe method invalidates`)
      .given({ stored: STORED, request: send('POST'), origin: status(code) })
      .expect({ ...DONE, deletes: ['/x'] })
  ),
  ...[199, 400, 404, 409, 500, 503].map(code =>
    rule('§4.4', `a ${code} to an unsafe method invalidates nothing`)
      .given({ stored: STORED, request: send('POST'), origin: status(code, 'Location: /y'), next: get() })
      .expect({ ...DONE, next: 'hit fresh' })
  ),
  rule('§4.4', 'no-store in the response to an unsafe method keeps nothing from being invalidated')
    .given({ stored: STORED, request: send('POST'), origin: ok(cc('no-store')), next: get() })
    .expect({ ...DONE, deletes: ['/x'], next: 'miss uri-miss' }),
  rule('§4.4', 'no-store in the unsafe request keeps nothing from being invalidated')
    .given({ stored: STORED, request: send('POST', cc('no-store')), origin: ok() })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('§4.4', 'a Range in the unsafe request keeps nothing from being invalidated')
    .given({ stored: STORED, request: send('PUT', 'Range: bytes=0-1', 'If-Match: "a"'), origin: ok() })
    .expect({ ...DONE, deletes: ['/x'] }),
  rule('§4.4', 'every variant of the target is invalidated')
    .given({
      stored: ['1', '2'].map(value => ago(1, ok(cc('max-age=60'), 'Vary: X-A'), get(`X-A: ${value}`))),
      request: send('POST'),
      origin: ok(),
      next: get('X-A: 2')
    })
    .expect({ deletes: ['/x'], next: 'miss uri-miss' }),
  rule('§4.4', 'another path of the origin is not invalidated')
    .given({
      stored: ago(1, ok(cc('max-age=60')), to('/y', get())),
      request: send('POST'),
      origin: ok(),
      next: to('/y', get())
    })
    .expect({ deletes: ['/x'], next: 'hit fresh' }),
  rule('§4.4', 'GET invalidates nothing')
    .given({ request: get(), origin: ok('Location: /y', cc('max-age=60')) })
    .expect({ response: 'store storable', deletes: [] }),

  ...['Location', 'Content-Location'].flatMap(name => [
    ...(
      [
        ['/y', '/y'],
        ['y?b=1', '/y?b=1'],
        ['http://a.test/y', '/y'],
        ['HTTP://A.test:80/y', '/y'],
        ['//a.test/y', '/y'],
        ['/y#part', '/y'],
        ['http://user:pass@a.test/y', '/y'],
        ['/z/../y', '/y'],
        ['?q', '/x?q']
      ] as const
    ).map(([reference, path]) =>
      rule('§4.4', `${name}: ${reference} invalidates ${path}`)
        .given({ request: send('POST'), origin: status(201, `${name}: ${reference}`) })
        .expect({ ...DONE, deletes: ['/x', path] })
    ),
    ...['http://b.test/y', 'https://a.test/y', 'http://a.test:8080/y', 'data:,y', 'http://', 'http://a b/', '//'].map(
      reference =>
        rule('§4.4', `${name}: ${reference} invalidates nothing of another origin`)
          .given({ request: send('POST'), origin: status(201, `${name}: ${reference}`) })
          .expect({ ...DONE, deletes: ['/x'] })
    )
  ]),
  rule('§4.4', 'Location and Content-Location invalidate both')
    .given({ request: send('POST'), origin: ok('Location: /y', 'Content-Location: /z') })
    .expect({ deletes: ['/x', '/y', '/z'] }),
  rule('§4.4', 'what is named twice is invalidated once')
    .given({ request: send('POST'), origin: ok('Location: /x', 'Content-Location: /x') })
    .expect({ deletes: ['/x'] }),
  rule('§4.4', 'a Location without a value names the target')
    .given({ request: to('/x?a', send('POST')), origin: ok('Location:') })
    .expect({ deletes: ['/x?a'] }),
  rule('§4.4', 'invalidation stays with the Host of the request')
    .given({
      stored: [
        ago(1, ok(cc('max-age=60')), host('one.test', get())),
        ago(1, ok(cc('max-age=60')), host('two.test', get()))
      ],
      request: host('two.test', send('POST')),
      origin: ok('Location: /y'),
      next: host('one.test', get())
    })
    .expect({ deletes: ['http://a.test|two.test/x', 'http://a.test|two.test/y'], next: 'hit fresh' })
]
