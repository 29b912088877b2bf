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
    .expect({ response: 'store storable', next: 'hit fresh', nextAnswer: { from: '#new', age: 0 } }),
  rule('§4.3.3', 'a 404 takes the place of what was stale')
    .given({ stored: stale('ETag: "a"'), origin: status(404, cc('max-age=60')), next: get() })
    .expect({ response: 'store storable', next: 'hit fresh', nextAnswer: { status: 404 } }),

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

export const freshening: readonly Row[] = [
  rule('§3.2', 'the fields of a 304 take the place of the stored ones')
    .given({
      stored: stale('ETag: "a"', 'X-A: old', 'X-B: old'),
      origin: notModified('ETag: "a"', 'x-a: new', 'X-C: new')
    })
    .expect({
      updates: ['#1'],
      answer: { has: ['x-a: new', 'X-B: old', 'X-C: new', 'ETag: "a"', 'Cache-Control: max-age=60'] },
      entry: { has: ['x-a: new', 'X-B: old', 'X-C: new'] }
    }),
  rule('§3.2', 'all the stored lines of a field go where a 304 brings one')
    .given({ stored: stale('ETag: "a"', 'X-A: 1', 'X-A: 2'), origin: notModified('X-A: 3') })
    .expect({ updates: ['#1'], entry: { has: ['X-A: 3'] }, answer: { has: ['X-A: 3'] } }),
  ...['Content-Length: 9', 'Content-Encoding: br', 'Content-Range: bytes 0-1/2', 'Content-Type: text/html'].map(
    line => {
      const name = line.slice(0, line.indexOf(':'))
      return rule('§3.2', `a 304 does not change ${name}`)
        .given({ stored: stale('ETag: "a"', `${name}: old`), origin: notModified(line) })
        .expect({ updates: ['#1'], entry: { has: [`${name}: old`] } })
    }
  ),
  rule('§3.2', 'a 304 does not bring a Content-Length')
    .given({ stored: stale('ETag: "a"'), origin: notModified('content-length: 0') })
    .expect({ updates: ['#1'], entry: { lacks: ['content-length'] } }),
  rule('§3.1', 'the hop-by-hop fields of a 304 are not stored')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Connection: x-hop', 'X-Hop: 1', 'Keep-Alive: 5') })
    .expect({ updates: ['#1'], entry: { lacks: ['connection', 'x-hop', 'keep-alive'] } }),
  rule('§4.3.4', 'a 304 with Cache-Control gives a new lifetime')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('max-age=100')) })
    .expect({ updates: ['#1'], freshFor: 100 }),
  rule('§4.3.4', 'a 304 without Cache-Control starts the lifetime again')
    .given({ stored: stale('ETag: "a"'), origin: notModified() })
    .expect({ updates: ['#1'], freshFor: 60 }),
  rule('§4.3.4', 'a 304 with Expires and Date gives a new lifetime')
    .given({ stored: ago(70, ok('Expires: {+60}', 'ETag: "a"')), origin: notModified('Expires: {+100}', 'Date: {0}') })
    .expect({ updates: ['#1'], freshFor: 100 }),
  rule('§4.2.3', 'without a Date in the 304 its arrival is the Date: the stored one would make the response old')
    .given({ stored: stale('ETag: "a"', 'Date: {-5}'), origin: notModified() })
    .expect({ updates: ['#1'], entry: { has: ['Date: Thu, 15 Jan 2026 12:00:00 GMT'] }, freshFor: 60 }),
  rule('§4.2.3', 'the Date of a 304 is its age')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Date: {-10}') })
    .expect({ updates: ['#1'], answer: { age: 10 }, freshFor: 50 }),
  rule('§3.2', 'the stored Age is gone after a 304')
    .given({ stored: stale('ETag: "a"', 'Age: 30'), origin: notModified() })
    .expect({ updates: ['#1'], answer: { age: 0, sendsAge: false, lacks: ['age'] }, freshFor: 60 }),
  rule('§3.2', 'the Age of a 304 counts, and is sent')
    .given({ stored: stale('ETag: "a"', 'Age: 30'), origin: notModified('Age: 5') })
    .expect({ updates: ['#1'], answer: { age: 5, sendsAge: true, lacks: ['age'] }, freshFor: 55 }),
  rule('§4.3.4', 'a 304 with a new ETag of the same weak value is what is sent from then on')
    .given({
      stored: stale('ETag: W/"a"'),
      origin: notModified('ETag: "a"', cc('max-age=1')),
      next: get(),
      after: 2
    })
    .expect({ updates: ['#1'], entry: { has: ['ETag: "a"'] }, next: 'revalidate stale' }),
  rule('§5.2.2.5', 'a 304 with no-store removes what it confirms, and answers')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('no-store')), next: get() })
    .expect({ response: 'freshen validated', deletes: ['/x'], answer: { status: 200 }, next: 'miss uri-miss' }),
  rule('§5.2.2.5', 'alwaysCache keeps what a 304 with no-store confirms')
    .given({
      policy: { alwaysCache: true },
      stored: stale('ETag: "a"'),
      origin: notModified(cc('max-age=60, no-store'))
    })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§5.2.2.7', 'a 304 with private removes what it confirms from a shared cache')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('private, max-age=60')) })
    .expect({ response: 'freshen validated', deletes: ['/x'] }),
  rule('§5.2.2.7', 'a 304 with private keeps what it confirms in a private cache')
    .given({ policy: PRIVATE, stored: stale('ETag: "a"'), origin: notModified(cc('private, max-age=60')) })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§7.3', 'a 304 with Set-Cookie removes what it confirms from a shared cache')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Set-Cookie: a=1') })
    .expect({ response: 'freshen validated', deletes: ['/x'], answer: { has: ['Set-Cookie: a=1'] } }),
  rule('§4.1', 'a 304 with the same Vary changes nothing')
    .given({
      stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: Accept, X-A')),
      origin: notModified('Vary: x-a,accept')
    })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.1', 'a 304 with another Vary removes what it confirms: other requests select it now')
    .given({
      stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: Accept')),
      origin: notModified('Vary: Accept, X-A'),
      next: get()
    })
    .expect({ response: 'freshen validated', deletes: ['/x'], answer: { status: 200 }, next: 'miss uri-miss' }),
  rule('§4.1', 'a 304 with Vary: * removes what it confirms')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Vary: *') })
    .expect({ response: 'freshen validated', deletes: ['/x'] }),
  rule('§4.1', 'one of several that can not be kept removes all')
    .given({
      stored: ['a', 'b'].map(name => ago(70, ok(cc('max-age=1'), `Vary: X-${name}`, 'ETag: "a"'))),
      origin: notModified('ETag: "a"', 'Vary: X-a')
    })
    .expect({ response: 'freshen validated', deletes: ['/x'] }),
  rule('§5.2.2.4', 'a field that a 304 names in no-cache is stored no longer')
    .given({
      stored: stale('ETag: "a"', 'X-User: alice'),
      origin: notModified(cc('max-age=60, no-cache="x-user"'))
    })
    .expect({ response: 'freshen validated', updates: ['#1'], entry: { lacks: ['x-user'] } }),
  rule('§5.2.2.7', 'a field that a 304 names in private is stored no longer in a shared cache')
    .given({
      stored: stale('ETag: "a"', 'X-User: alice'),
      origin: notModified(cc('max-age=60, private="x-user"'))
    })
    .expect({ response: 'freshen validated', updates: ['#1'], entry: { lacks: ['x-user'] } }),
  rule('§3.2', 'a 304 does not change a status')
    .given({ stored: ago(70, status(301, cc('max-age=60'), 'ETag: "a"')), origin: notModified('ETag: "a"') })
    .expect({ response: 'freshen validated', updates: ['#1'], answer: { status: 301 } }),
  rule('§4.3.4', 'what a 304 confirms is kept anew')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('max-age=100')) })
    .expect({ updates: ['#1'], entry: { keptFor: 604_900 } })
]

/** Fresh for a minute, and one second old. */
function fresh(...lines: string[]) {
  return ago(1, ok(cc('max-age=60'), ...lines))
}

const NOT_MODIFIED = { request: 'hit fresh', answer: { status: 304, body: 'none' } } as const
const WHOLE = { request: 'hit fresh', answer: { status: 200, body: 'whole' } } as const

export const preconditions: readonly Row[] = [
  rule('§4.3.2', "the client's ETag is answered with 304 where it is the stored one")
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: "a"') })
    .expect({
      request: 'hit fresh',
      answer: { status: 304, statusText: 'Not Modified', body: 'none', age: 1, sendsAge: true }
    }),
  rule('§4.3.2', "the client's ETag is answered with 200 where it is another")
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: "b"') })
    .expect(WHOLE),
  rule('§4.3.2', "one of the client's ETags is enough")
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: "b", "a"') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', "the client's ETags on two lines count")
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: "b"', 'If-None-Match: "a"') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §13.1.2', 'If-None-Match compares weakly: weak with strong')
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: W/"a"') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §13.1.2', 'If-None-Match compares weakly: strong with weak')
    .given({ stored: fresh('ETag: W/"a"'), request: get('If-None-Match: "a"') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §8.8.3', 'W/ is upper case')
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: w/"a"') })
    .expect(WHOLE),
  rule('RFC 9110 §8.8.3', 'ETags without quotation marks are compared as they are')
    .given({ stored: fresh('ETag: a'), request: get('If-None-Match: b, a') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §8.8.3', 'an ETag with and one without quotation marks differ')
    .given({ stored: fresh('ETag: a'), request: get('If-None-Match: "a"') })
    .expect(WHOLE),
  rule('RFC 9110 §8.8.3', 'a comma in an ETag is part of it')
    .given({ stored: fresh('ETag: "a"'), request: get('If-None-Match: "x,"a","') })
    .expect(WHOLE),
  rule('RFC 9110 §8.8.3', 'a backslash in an ETag escapes nothing')
    .given({ stored: fresh('ETag: "b"'), request: get('If-None-Match: "a\\", "b"') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §13.1.2', 'an asterisk is answered with 304 whatever is stored')
    .given({ stored: fresh(), request: get('If-None-Match: *') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §13.1.2', 'an ETag is answered with 200 where none is stored')
    .given({ stored: fresh(), request: get('If-None-Match: "a"') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.3', 'If-Modified-Since is silent beside If-None-Match')
    .given({
      stored: fresh('ETag: "a"', 'Last-Modified: {-100}'),
      request: get('If-None-Match: "b"', 'If-Modified-Since: {0}')
    })
    .expect(WHOLE),
  rule('§4.3.2', 'If-Modified-Since is answered with 304 where the date is the stored one')
    .given({ stored: fresh('Last-Modified: {-99}'), request: get('If-Modified-Since: {-100}') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', 'If-Modified-Since is answered with 304 where the date is later')
    .given({ stored: fresh('Last-Modified: {-99}'), request: get('If-Modified-Since: {-50}') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', 'If-Modified-Since is answered with 200 where the date is earlier')
    .given({ stored: fresh('Last-Modified: {-99}'), request: get('If-Modified-Since: {-101}') })
    .expect(WHOLE),
  rule('§4.3.2', 'without Last-Modified If-Modified-Since is compared with Date')
    .given({ stored: fresh('Date: {-9}'), request: get('If-Modified-Since: {-10}') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', 'without Last-Modified an If-Modified-Since before Date is answered with 200')
    .given({ stored: fresh('Date: {-9}'), request: get('If-Modified-Since: {-11}') })
    .expect(WHOLE),
  rule('§4.3.2', 'without either If-Modified-Since is compared with the arrival')
    .given({ stored: fresh('Date: never'), request: get('If-Modified-Since: {-1}') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', 'a Last-Modified that is no date leaves If-Modified-Since to Date')
    .given({ stored: fresh('Last-Modified: then', 'Date: {-9}'), request: get('If-Modified-Since: {-10}') })
    .expect(NOT_MODIFIED),
  rule('RFC 9110 §13.1.3', 'an If-Modified-Since that is no date is passed over')
    .given({ stored: fresh('Last-Modified: then'), request: get('If-Modified-Since: then') })
    .expect(WHOLE),
  rule('§4.3.2', 'a condition is answered for HEAD')
    .given({ stored: fresh('ETag: "a"'), request: head('If-None-Match: "a"') })
    .expect(NOT_MODIFIED),
  rule('§4.3.2', 'a condition is answered only by a 200')
    .given({ stored: ago(1, status(404, cc('max-age=60'), 'ETag: "a"')), request: get('If-None-Match: "a"') })
    .expect({ request: 'hit fresh', answer: { status: 404, body: 'whole' } }),
  rule('§4.3.2', 'a condition is answered by a stale response where that may be served')
    .given({ stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"')), request: get('If-None-Match: "a"', cc('max-stale')) })
    .expect({ request: 'hit max-stale', answer: { status: 304 } }),
  rule('RFC 9110 §15.4.5', 'a 304 carries what the 200 says about caching, and nothing else')
    .given({
      stored: ago(
        1,
        ok(
          cc('max-age=60'),
          'Cache-Status: up; hit',
          'CDN-Cache-Control: max-age=9',
          'Content-Location: /y',
          'Content-Type: text/plain',
          'Date: {0}',
          'etag: "a"',
          'Expires: then',
          'Last-Modified: then',
          'Content-Length: 5',
          'Vary: X-A',
          'Age: 7',
          'X-B: 1'
        )
      ),
      request: get('If-None-Match: "a"')
    })
    .expect({
      answer: {
        status: 304,
        age: 8,
        has: [
          'Cache-Control: max-age=60',
          'Cache-Status: up; hit',
          'CDN-Cache-Control: max-age=9',
          'Content-Location: /y',
          'Date: Thu, 15 Jan 2026 11:59:59 GMT',
          'etag: "a"',
          'Expires: then',
          'Last-Modified: then',
          'Vary: X-A'
        ],
        lacks: ['content-type', 'content-length', 'x-b', 'age']
      }
    })
]
