import { ago, cc, get, head, ok, type Row, rule, status } from './row.ts'

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
    .expect({ removes: ['#1'], response: 'store storable', next: 'hit fresh', nextAnswer: { body: 'whole' } }),
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
      .expect({ removes: ['#1'], response: 'store storable', entry: { method: 'HEAD' }, next: 'miss head-only' })
  ),
  ...['ETag: "a"', 'Last-Modified: then', 'Content-Length: 5'].map(line =>
    rule('§4.3.5', `a 200 to HEAD with ${line} disagrees with a stored GET that has none`)
      .given({ stored: ago(1, ok(cc('max-age=60'))), request: head(cc('no-cache')), origin: ok(cc('max-age=9'), line) })
      .expect({ removes: ['#1'], response: 'store storable', entry: { method: 'HEAD' } })
  ),
  rule('§4.3.5', 'a 200 to HEAD that disagrees and is not stored removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok(cc('no-store'), 'ETag: "b"'), next: get() })
    .expect({ response: 'forward no-store', removes: ['#1'], next: 'miss uri-miss' }),
  rule('§4.3.5', 'a 200 to HEAD that agrees and says no-store removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok(cc('no-store'), 'ETag: "a"'), next: get() })
    .expect({ response: 'forward head', removes: ['#1'], next: 'miss uri-miss' }),
  rule('§4.3.5', 'a 200 to HEAD that agrees and varies by more moves the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: ok('Vary: X-A', 'ETag: "a"'), next: get('X-A: 1') })
    .expect({ response: 'forward head', updates: ['#1'], entry: { vary: ['x-a'] }, next: 'miss vary-miss' }),
  rule('§4.3.5', 'a 404 to HEAD that is not stored removes the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: status(404), next: get() })
    .expect({ response: 'forward no-freshness', removes: ['#1'], next: 'miss uri-miss' }),
  rule('RFC 9110 §15.5.6', 'a 405 to HEAD says nothing of the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: status(405), next: get() })
    .expect({ next: 'hit fresh' }),
  rule('§4.3.5', 'only a 200 to HEAD freshens the stored GET')
    .given({ stored: STORED, request: head(cc('no-cache')), origin: status(404, cc('max-age=60'), 'ETag: "a"') })
    .expect({ removes: ['#1'], response: 'store storable', entry: { method: 'HEAD' } }),
  rule('§4.3.5', 'a 200 to HEAD does not freshen a stored HEAD: it takes its place')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"'), head()),
      request: head(cc('no-cache')),
      origin: ok(cc('max-age=60'), 'ETag: "a"')
    })
    .expect({ removes: ['#1'], response: 'store storable', entry: { method: 'HEAD' } }),
  rule('§4.3.5', 'a 200 to GET does not freshen: it takes the place of what is stored')
    .given({ stored: STORED, request: get(cc('no-cache')), origin: ok(cc('max-age=60'), 'ETag: "a"') })
    .expect({ response: 'store storable', entry: { method: 'GET' } })
]
