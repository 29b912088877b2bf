import { ago, cc, get, head, notModified, ok, PRIVATE, type Row, rule, status } from './row.ts'

/** Stale since 10 seconds. */
function stale(...lines: string[]) {
  return ago(70, ok(cc('max-age=60'), ...lines))
}

export const validation: readonly Row[] = [
  rule('§4.3.1', 'a stored ETag is sent in If-None-Match')
    .given({ stored: stale('ETag: "a"') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "a"'], candidates: ['#1'] }),
  rule('§4.3.1', 'a weak ETag is sent as it is')
    .given({ stored: stale('ETag: W/"a"') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: W/"a"'] }),
  rule('§4.3.1', 'an ETag without quotation marks is sent as it is')
    .given({ stored: stale('ETag: a') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: a'] }),
  rule('§4.3.1', 'a stored Last-Modified is sent in If-Modified-Since as it came')
    .given({ stored: stale('Last-Modified: Thu Jan 15 10:00:00 2026') })
    .expect({ request: 'revalidate stale', sends: ['If-Modified-Since: Thu Jan 15 10:00:00 2026'] }),
  rule('§4.3.1', 'both validators are sent')
    .given({ stored: stale('ETag: "a"', 'Last-Modified: yesterday') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "a"', 'If-Modified-Since: yesterday'] }),
  rule('§4.3.1', 'without a validator no condition is sent')
    .given({ stored: stale() })
    .expect({ request: 'revalidate stale', sends: [], candidates: ['#1'] }),
  rule('§4.3.1', 'HEAD validates what GET stored')
    .given({ stored: stale('ETag: "a"'), request: head() })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "a"'] }),
  rule('§4.3.1', 'the ETags of all that could answer are sent, once each, the most recent first')
    .given({
      stored: [
        ago(90, ok(cc('max-age=1'), 'Vary: X-A', 'ETag: "a"', 'Last-Modified: first')),
        ago(80, ok(cc('max-age=1'), 'Vary: X-B', 'ETag: "b"', 'Last-Modified: second')),
        ago(70, ok(cc('max-age=1'), 'Vary: X-C', 'ETag: "a"')),
        ago(60, ok(cc('max-age=1'), 'Vary: X-D', 'Last-Modified: fourth'), get('X-D: 1'))
      ]
    })
    .expect({
      request: 'revalidate stale',
      candidates: ['#3', '#2', '#1'],
      sends: ['If-None-Match: "a", "b"', 'If-Modified-Since: second']
    }),
  rule('§4.3.1', "the client's own ETags are sent first, then those it does not have")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x", "y"') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "x", "y", "a"'] }),
  rule('§4.3.1', 'an ETag that the client has too is sent once')
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x", "a"') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "x", "a"'] }),
  rule('RFC 9110 §13.1.2', "nothing is added to a client's asterisk")
    .given({ stored: stale('ETag: "a"', 'Last-Modified: then'), request: get('If-None-Match: *') })
    .expect({ request: 'revalidate stale', sends: [] }),
  rule('RFC 9110 §13.1.3', "beside the client's ETags no date of ours is sent")
    .given({ stored: stale('ETag: "a"', 'Last-Modified: then'), request: get('If-None-Match: "x"') })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "x", "a"'] }),
  rule('RFC 9110 §13.1.3', "the client's ETags are left alone where only a date is stored")
    .given({ stored: stale('Last-Modified: then'), request: get('If-None-Match: "x"') })
    .expect({ request: 'revalidate stale', sends: [] }),
  rule('§4.3.1', "the stored date takes the place of the client's")
    .given({ stored: stale('Last-Modified: then'), request: get('If-Modified-Since: {-5000}') })
    .expect({ request: 'revalidate stale', sends: ['If-Modified-Since: then'] }),
  rule('RFC 9110 §13.1', 'If-Match is for the origin to judge')
    .given({ stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')), request: get('If-Match: "a"') })
    .expect({ request: 'bypass precondition' }),
  rule('RFC 9110 §13.1', 'If-Unmodified-Since is for the origin to judge')
    .given({ stored: ago(1, ok(cc('max-age=60'))), request: get('If-Unmodified-Since: {0}') })
    .expect({ request: 'bypass precondition' }),

  rule('§4.3.3', 'a full response takes the place of what was stale')
    .given({ stored: stale('ETag: "a"'), origin: ok(cc('max-age=60'), 'ETag: "b"'), next: get() })
    .expect({ removes: ['#1'], response: 'store storable', next: 'hit fresh', nextAnswer: { from: '#new', age: 0 } }),
  rule('§4.3.3', 'a 404 takes the place of what was stale')
    .given({ stored: stale('ETag: "a"'), origin: status(404, cc('max-age=60')), next: get() })
    .expect({ removes: ['#1'], response: 'store storable', next: 'hit fresh', nextAnswer: { status: 404 } }),

  ...[
    ok(cc('no-store')),
    ok(cc('private, max-age=60')),
    ok(cc('max-age=60'), 'Vary: *'),
    ok(cc('max-age=60'), 'Set-Cookie: a=1'),
    ...[201, 203, 204, 301, 302, 400, 401, 403, 404, 405, 410, 418, 451].map(code => status(code))
  ].map(origin =>
    rule('§4.3.3', `what is fresh is gone after a reload has brought ${origin.statusCode} ${origin.lines.join(', ')}`)
      .given({ stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')), request: get(cc('no-cache')), origin, next: get() })
      .expect({ request: 'revalidate request-no-cache', removes: ['#1'], next: 'miss uri-miss' })
  ),
  ...[407, 408, 412, 416, 425, 429, 500, 501, 502, 503, 504, 511].map(code =>
    rule('§4.3.3', `what is fresh stays after a reload has brought ${code}`)
      .given({
        stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')),
        request: get(cc('no-cache')),
        origin: status(code),
        next: get()
      })
      .expect({ next: 'hit fresh' })
  ),
  rule('§4.3.3', 'of the version that is about to be stored what is there stays until it is')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')),
      request: get(cc('no-cache')),
      origin: ok(cc('max-age=60'), 'ETag: "a"')
    })
    .expect({ response: 'store storable' }),
  rule('§4.3.3', 'a 200 in answer to a range removes what is stored of another version')
    .given({
      stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"')),
      request: get('Range: bytes=0-1'),
      origin: ok(cc('no-store')),
      next: get()
    })
    .expect({ removes: ['#1'], next: 'miss uri-miss' }),
  rule('§4.3.4', 'a 304 with the stored strong ETag confirms it')
    .given({ stored: stale('ETag: "a"'), origin: notModified('ETag: "a"', cc('max-age=60')), next: get(), after: 59 })
    .expect({
      response: 'freshen validated',
      updates: ['#1'],
      answer: { from: '#1', status: 200, age: 0, sendsAge: false, body: 'whole' },
      next: 'hit fresh',
      nextAnswer: { from: '#1', age: 59, sendsAge: true }
    }),
  rule('§4.3.4', 'a 304 with the stored weak ETag confirms it')
    .given({ stored: stale('ETag: W/"a"'), origin: notModified('ETag: W/"a"') })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 with a weak ETag confirms a strong one')
    .given({ stored: stale('ETag: "a"'), origin: notModified('ETag: W/"a"') })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 with a strong ETag confirms a weak one')
    .given({ stored: stale('ETag: W/"a"'), origin: notModified('ETag: "a"') })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 with another strong ETag confirms nothing')
    .given({ stored: stale('ETag: "a"'), origin: notModified('ETag: "b"') })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'a 304 with another weak ETag confirms nothing')
    .given({ stored: stale('ETag: W/"a"'), origin: notModified('ETag: W/"b"') })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'a 304 with another ETag confirms nothing, whatever its Last-Modified')
    .given({
      stored: stale('ETag: "a"', 'Last-Modified: then'),
      origin: notModified('ETag: "b"', 'Last-Modified: then')
    })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'a 304 with an ETag confirms nothing that has none')
    .given({ stored: stale('Last-Modified: then'), origin: notModified('ETag: "a"') })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'a 304 with the stored Last-Modified confirms it')
    .given({ stored: stale('Last-Modified: then'), origin: notModified('Last-Modified: then') })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 with another Last-Modified confirms nothing')
    .given({ stored: stale('Last-Modified: then'), origin: notModified('Last-Modified: now') })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'a 304 without a validator confirms the one response that was asked about')
    .given({ stored: stale('ETag: "a"'), origin: notModified() })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 with an empty ETag is one without a validator')
    .given({ stored: stale('ETag: "a"'), origin: notModified('ETag:') })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.3.4', 'a 304 although nothing was asked confirms nothing')
    .given({ stored: stale(), origin: notModified() })
    .expect({ response: 'forward not-modified' }),

  ...(
    [
      ['of several ETags a strong one confirms those that have it', ['"a"', '"b"', '"a"'], 'ETag: "a"', ['#3', '#1']],
      [
        'of several ETags a weak one confirms the most recent that matches',
        ['"a"', '"b"', 'W/"a"'],
        'ETag: W/"a"',
        ['#3']
      ],
      ['of several ETags a weak one passes over a more recent other', ['W/"a"', 'W/"a"', '"b"'], 'ETag: W/"a"', ['#2']]
    ] as const
  ).map(([what, tags, line, updates]) =>
    rule('§4.3.4', what)
      .given({
        stored: tags.map((tag, i) => ago(90 - i, ok(cc('max-age=1'), `Vary: X-${i}`, `ETag: ${tag}`))),
        origin: notModified(line)
      })
      .expect({ response: 'freshen validated', updates, answer: { from: updates[0] } })
  ),
  rule('§4.3.4', 'of several responses a 304 without a validator confirms none')
    .given({
      stored: ['a', 'b'].map(name => ago(70, ok(cc('max-age=1'), `Vary: X-${name}`, `ETag: "${name}"`))),
      origin: notModified()
    })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', 'of several responses a Last-Modified confirms the most recent that has it')
    .given({
      stored: ['then', 'then', 'now'].map((date, i) =>
        ago(90 - i, ok(cc('max-age=1'), `Vary: X-${i}`, `Last-Modified: ${date}`))
      ),
      origin: notModified('Last-Modified: then')
    })
    .expect({ response: 'freshen validated', updates: ['#2'], answer: { from: '#2' } }),

  rule('§4.3.4', "a 304 that names the client's ETag is for the client")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x"'), origin: notModified('ETag: "x"') })
    .expect({ response: 'forward not-modified' }),
  rule('RFC 9110 §8.8.3.2', "a 304 that names the client's ETag is for the client, weak or strong")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "y", "x"'), origin: notModified('ETag: W/"x"') })
    .expect({ response: 'forward not-modified' }),
  rule('§4.3.4', "a 304 that names the stored ETag beside the client's gives the client the stored response")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x"'), origin: notModified('ETag: "a"') })
    .expect({ response: 'freshen validated', updates: ['#1'], answer: { status: 200, body: 'whole' } }),
  rule('§4.3.2', 'a 304 that names an ETag both have gives the client a 304')
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "a"'), origin: notModified('ETag: "a"') })
    .expect({ response: 'freshen validated', updates: ['#1'], answer: { status: 304, body: 'none', sendsAge: false } }),
  rule('§4.3.4', "a 304 that does not say whether the client's ETag or the stored one is meant confirms neither")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x"'), origin: notModified() })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.4', "a 304 that names neither the client's ETag nor the stored one confirms neither")
    .given({ stored: stale('ETag: "a"'), request: get('If-None-Match: "x"'), origin: notModified('ETag: "z"') })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.3', "a 304 to the client's own ETags alone is for the client")
    .given({ stored: stale('Last-Modified: then'), request: get('If-None-Match: "x"'), origin: notModified() })
    .expect({ response: 'forward not-modified' }),
  rule('§4.3.3', "a 304 to the client's own date is for the client where nothing is stored")
    .given({ request: get('If-Modified-Since: {-5}'), origin: notModified() })
    .expect({ request: 'miss uri-miss', response: 'forward not-modified' }),
  rule('§4.3.4', "a 304 to the stored date confirms the stored response, and the client's date is answered from it")
    .given({
      stored: stale('Last-Modified: {-100}'),
      request: get('If-Modified-Since: {-5000}'),
      origin: notModified()
    })
    .expect({ response: 'freshen validated', updates: ['#1'], answer: { status: 200, body: 'whole' } }),
  rule('§4.3.4', "a 304 with another ETag, asked with the stored date, is not for the client's date")
    .given({
      stored: stale('Last-Modified: {-100}'),
      request: get('If-Modified-Since: {-5000}'),
      origin: notModified('ETag: "z"')
    })
    .expect({ response: 'refetch unidentified-304' }),
  rule('§4.3.3', 'a 304 to a request that went past the cache is for the client')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')),
      request: get(cc('no-store'), 'If-None-Match: "a"'),
      origin: notModified('ETag: "a"')
    })
    .expect({ request: 'bypass request-no-store', response: 'forward not-modified' }),

  rule('§4.3.4', 'a 304 confirms for HEAD too')
    .given({ stored: stale('ETag: "a"'), request: head(), origin: notModified('ETag: "a"') })
    .expect({ response: 'freshen validated', updates: ['#1'], answer: { status: 200, body: 'none' } }),
  rule('§5.2.2.4', 'what must be validated each time is fresh again only for the one who asked')
    .given({
      policy: PRIVATE,
      stored: ago(10, ok(cc('no-cache, max-age=60'), 'ETag: "a"')),
      origin: notModified('ETag: "a"'),
      next: get()
    })
    .expect({ response: 'freshen validated', updates: ['#1'], next: 'revalidate no-cache' })
]
