import { ago, cc, get, notModified, ok, PRIVATE, type Row, rule, status } from './row.ts'

/** Stale since 10 seconds. */
function stale(...lines: string[]) {
  return ago(70, ok(cc('max-age=60'), ...lines))
}

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
  rule('§4.3.4', 'a weak ETag does not become a strong one by a 304: nobody has compared the bytes')
    .given({
      stored: stale('ETag: W/"a"'),
      origin: notModified('ETag: "a"', cc('max-age=1')),
      next: get(),
      after: 2
    })
    .expect({ updates: ['#1'], entry: { has: ['ETag: W/"a"'] }, next: 'revalidate stale' }),
  rule('§5.2.2.5', 'a 304 with no-store removes what it confirms, and answers')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('no-store')), next: get() })
    .expect({ response: 'freshen validated', removes: ['#1'], answer: { status: 200 }, next: 'miss uri-miss' }),
  rule('§5.2.2.5', 'alwaysCache keeps what a 304 with no-store confirms')
    .given({
      policy: { alwaysCache: true },
      stored: stale('ETag: "a"'),
      origin: notModified(cc('max-age=60, no-store'))
    })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§5.2.2.7', 'a 304 with private removes what it confirms from a shared cache')
    .given({ stored: stale('ETag: "a"'), origin: notModified(cc('private, max-age=60')) })
    .expect({ response: 'freshen validated', removes: ['#1'] }),
  rule('§5.2.2.7', 'a 304 with private keeps what it confirms in a private cache')
    .given({ policy: PRIVATE, stored: stale('ETag: "a"'), origin: notModified(cc('private, max-age=60')) })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§7.3', 'a 304 with Set-Cookie removes what it confirms from a shared cache')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Set-Cookie: a=1') })
    .expect({ response: 'freshen validated', removes: ['#1'], answer: { has: ['Set-Cookie: a=1'] } }),
  rule('§4.1', 'a 304 with the same Vary changes nothing')
    .given({
      stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: Accept, X-A')),
      origin: notModified('Vary: x-a,accept')
    })
    .expect({ response: 'freshen validated', updates: ['#1'] }),
  rule('§4.1', 'a 304 with fewer Vary members changes nothing of what selects the response')
    .given({
      stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: Accept, X-A')),
      origin: notModified('Vary: X-A'),
      next: get('Accept: json')
    })
    .expect({
      updates: ['#1'],
      entry: { has: ['Vary: Accept, X-A'], vary: ['accept', 'x-a'] },
      next: 'miss vary-miss'
    }),
  ...(
    [
      ['X-A: 1', 'hit fresh'],
      ['X-A: 2', 'miss vary-miss']
    ] as const
  ).map(([line, next]) =>
    rule('§4.1', `what a 304 with more Vary members confirms is selected by all of them: ${line}`)
      .given({
        stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: Accept')),
        request: get('X-A: 1'),
        origin: notModified('Vary: x-a'),
        next: get(line)
      })
      .expect({
        response: 'freshen validated',
        updates: ['#1'],
        entry: { has: ['Vary: Accept, x-a'], vary: ['accept', 'x-a'] },
        answer: { status: 200 },
        next
      })
  ),
  rule('§4.1', 'a 304 with Vary: * removes what it confirms')
    .given({ stored: stale('ETag: "a"'), origin: notModified('Vary: *') })
    .expect({ response: 'freshen validated', removes: ['#1'] }),
  rule('§4.1', 'of several that a 304 confirms each is selected by its own fields and those of the 304')
    .given({
      stored: ['a', 'b'].map(name => ago(70, ok(cc('max-age=1'), `Vary: X-${name}`, 'ETag: "a"'))),
      origin: notModified('ETag: "a"', 'Vary: X-a')
    })
    .expect({ response: 'freshen validated', updates: ['#1', '#2'], entry: { vary: ['x-a'] } }),
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
