import { ago, cc, get, head, host, ok, PRIVATE, type Row, rule, send, status, to } from './row.ts'

const STORED = ago(1, ok(cc('max-age=60'), 'ETag: "a"', 'Content-Length: 5', 'Last-Modified: then'))

export const headMethod: readonly Row[] = [
  rule('§4', 'HEAD is answered from a stored GET, without its body')
    .given({ stored: STORED, request: head() })
    .expect({ request: 'hit fresh', answer: { status: 200, body: 'none', has: ['Content-Length: 5'] } }),
  rule('§4', 'GET is not answered from a stored HEAD')
    .given({ stored: ago(1, ok(cc('max-age=60')), head()) })
    .expect({ request: 'miss head-only' }),
  rule('§5.2.1.7', 'a stored HEAD does not meet a GET that is only-if-cached')
    .given({ stored: ago(1, ok(cc('max-age=60')), head()), request: get(cc('only-if-cached')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§4', 'HEAD is answered from a stored HEAD')
    .given({ stored: ago(1, ok(cc('max-age=60')), head()), request: head() })
    .expect({ request: 'hit fresh', answer: { body: 'none' } }),
  rule('§4', 'a GET takes the place of a stored HEAD')
    .given({ stored: ago(9, ok(cc('max-age=60')), head()), origin: ok(cc('max-age=60')), next: get() })
    .expect({ response: 'store storable', next: 'hit fresh', nextAnswer: { body: 'whole' } }),
  rule('§4.1', 'HEAD selects among the variants that GET stored')
    .given({ stored: ago(1, ok(cc('max-age=60'), 'Vary: X-A'), get('X-A: 1')), request: head('X-A: 1') })
    .expect({ request: 'hit fresh' }),
  rule('§4.1', 'a more recent HEAD with another Vary is passed over for GET')
    .given({
      stored: [ago(9, ok(cc('max-age=60'), 'Vary: X-A')), ago(1, ok(cc('max-age=60'), 'Vary: X-B'), head())]
    })
    .expect({ request: 'hit fresh', answer: { from: '#1' } }),

  ...(
    [
      ['nothing', []],
      ['the stored ETag', ['ETag: "a"']],
      ['the stored Last-Modified', ['Last-Modified: then']],
      ['the stored Content-Length', ['Content-Length: 5']],
      ['all the stored validators', ['ETag: "a"', 'Last-Modified: then', 'Content-Length: 5']]
    ] as const
  ).map(([what, lines]) =>
    rule('§4.3.5', `a 200 to HEAD with ${what} freshens the stored GET`)
      .given({
        stored: STORED,
        request: head(cc('no-cache')),
        origin: ok(cc('max-age=100'), 'X-A: new', ...lines),
        next: get(),
        after: 99
      })
      .expect({
        response: 'forward head',
        updates: ['#1'],
        entry: { method: 'GET', has: ['X-A: new', 'ETag: "a"'] },
        next: 'hit fresh',
        nextAnswer: { age: 99, body: 'whole' }
      })
  ),
  ...['ETag: "b"', 'ETag: W/"a"', 'Last-Modified: now', 'Content-Length: 6'].map(line =>
    rule('§4.3.5', `a 200 to HEAD with ${line} takes the place of the stored GET`)
      .given({
        stored: STORED,
        request: head(cc('no-cache')),
        origin: ok(cc('max-age=60'), line),
        next: get()
      })
      .expect({ response: 'store storable', entry: { method: 'HEAD' }, next: 'miss head-only' })
  ),
  ...['ETag: "a"', 'Last-Modified: then', 'Content-Length: 5'].map(line =>
    rule('§4.3.5', `a 200 to HEAD with ${line} disagrees with a stored GET that has none`)
      .given({ stored: ago(1, ok(cc('max-age=60'))), request: head(cc('no-cache')), origin: ok(cc('max-age=9'), line) })
      .expect({ response: 'store storable', entry: { method: 'HEAD' } })
  ),
  rule('§4.3.5', 'a 200 to HEAD that disagrees and is not stored removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok(cc('no-store'), 'ETag: "b"'), next: get() })
    .expect({ response: 'forward no-store', deletes: ['/x'], next: 'miss uri-miss' }),
  rule('§4.3.5', 'a 200 to HEAD that agrees and says no-store removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok(cc('no-store'), 'ETag: "a"'), next: get() })
    .expect({ response: 'forward head', deletes: ['/x'], next: 'miss uri-miss' }),
  rule('§4.3.5', 'a 200 to HEAD that agrees and varies otherwise removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok('Vary: X-A', 'ETag: "a"'), next: get() })
    .expect({ response: 'forward head', deletes: ['/x'], next: 'miss uri-miss' }),
  rule('§4.3.5', 'only a 200 to HEAD freshens the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: status(404, cc('max-age=60'), 'ETag: "a"') })
    .expect({ response: 'store storable', entry: { method: 'HEAD' } }),
  rule('§4.3.5', 'a 200 to HEAD does not freshen a stored HEAD: it takes its place')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"'), head()),
      request: head(cc('no-cache')),
      origin: ok(cc('max-age=60'), 'ETag: "a"')
    })
    .expect({ response: 'store storable', entry: { method: 'HEAD' } }),
  rule('§4.3.5', 'a 200 to GET does not freshen: it takes the place of what is stored')
    .given({ stored: STORED, request: get(cc('no-cache')), origin: ok(cc('max-age=60'), 'ETag: "a"') })
    .expect({ response: 'store storable', entry: { method: 'GET' } })
]

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

export const keys: readonly Row[] = [
  rule('§2', 'one address under two Hosts is two resources')
    .given({ stored: ago(1, ok(cc('max-age=60')), host('one.test', get())), request: host('two.test', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§2', 'one address under one Host is one resource')
    .given({ stored: ago(1, ok(cc('max-age=60')), host('one.test', get())), request: host('One.Test', get()) })
    .expect({ request: 'hit fresh' }),
  rule('§2', 'a Host that is that of the origin makes no difference')
    .given({ stored: ago(1, ok(cc('max-age=60')), get()), request: host('A.test', get()) })
    .expect({ request: 'hit fresh' }),
  rule('§2', 'a Host that ends like that of the origin is another')
    .given({ stored: ago(1, ok(cc('max-age=60')), get()), request: host('test', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§2', 'a response is stored under the key of its request')
    .given({ request: host('two.test', to('/y?b', get())), origin: ok(cc('max-age=60')) })
    .expect({ entry: { key: 'http://a.test|two.test/y?b' } }),
  rule('§2', 'the case of a path counts')
    .given({ stored: ago(1, ok(cc('max-age=60')), to('/y', get())), request: to('/Y', get()) })
    .expect({ request: 'miss uri-miss' })
]
