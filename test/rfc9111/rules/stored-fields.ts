import { cc, ok, PRIVATE, type Row, rule } from './row.ts'

const HOP_BY_HOP = [
  'Connection',
  'Keep-Alive',
  'Proxy-Authenticate',
  'Proxy-Authentication-Info',
  'Proxy-Authorization',
  'Proxy-Connection',
  'TE',
  'Transfer-Encoding',
  'Upgrade'
]

export const storedFields: readonly Row[] = [
  ...HOP_BY_HOP.map(name =>
    rule('§3.1', `${name} is not stored`)
      .given({ origin: ok(cc('max-age=60'), `${name}: close`, 'X-A: 1') })
      .expect({ response: 'store storable', entry: { lacks: [name], has: ['X-A: 1'] } })
  ),
  rule('RFC 9110 §7.6.1', 'the fields that Connection lists are not stored')
    .given({ origin: ok(cc('max-age=60'), 'Connection: X-A, close', 'connection: x-b', 'x-A: 1', 'X-B: 1', 'X-C: 1') })
    .expect({ entry: { lacks: ['connection', 'x-a', 'x-b'], has: ['X-C: 1'] } }),
  ...['Age: 5', 'Cache-Control: max-age=60', 'Date: Thu, 01 Jan 2026 00:00:00 GMT', 'ETag: "a"', 'Vary: X'].map(line =>
    rule('RFC 9110 §7.6.1', `what reuse is judged by is stored though Connection lists it: ${line}`)
      .given({
        origin: ok(
          ...[line, cc('max-age=60')].slice(0, line.startsWith('Cache') ? 1 : 2),
          `Connection: ${line.split(':')[0]}`
        )
      })
      .expect({ entry: { lacks: ['connection'], has: [line] } })
  ),
  rule('§3.1', 'everything else is stored as it came: case, order of lines, doubles')
    .given({
      origin: ok(
        cc('max-age=60, s-maxage=60'),
        'X-a: 1',
        'Set-Cookie: a=1',
        'x-A: 2',
        'SET-COOKIE: b=2',
        'Warning: 199 - x'
      )
    })
    .expect({ entry: { has: ['X-a: 1', 'Set-Cookie: a=1', 'x-A: 2', 'SET-COOKIE: b=2', 'Warning: 199 - x'] } }),
  rule('§3.1', 'Trailer and Proxy-Status are stored')
    .given({ origin: ok(cc('max-age=60'), 'Trailer: x-b', 'Proxy-Status: p; details=x') })
    .expect({ entry: { has: ['Trailer: x-b', 'Proxy-Status: p; details=x'] } }),
  rule('§5.2.2.4', 'the fields that no-cache names are not stored')
    .given({ origin: ok(cc('max-age=60, no-cache="Set-Cookie, X-A"'), 'X-a: 1', 'X-B: 1') })
    .expect({ response: 'store storable', entry: { lacks: ['x-a'], has: ['X-B: 1'] } }),
  rule('§5.2.2.4', 'the fields that no-cache names are not stored in a private cache either')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60, no-cache="x-a"'), 'X-A: 1') })
    .expect({ entry: { lacks: ['x-a'] } }),
  rule('§5.2.2.4', 'no-cache may name one field without quotation marks')
    .given({ origin: ok(cc('max-age=60, no-cache=x-a'), 'X-A: 1') })
    .expect({ response: 'store storable', entry: { lacks: ['x-a'] } }),
  rule('§5.2.2.4', 'the fields of two no-cache are not stored')
    .given({ origin: ok(cc('max-age=60, no-cache="x-a", no-cache="x-b"'), 'X-A: 1', 'X-B: 1') })
    .expect({ entry: { lacks: ['x-a', 'x-b'] } }),
  rule('§5.2.2.7', 'the fields that private names are not stored in a shared cache')
    .given({ origin: ok(cc('max-age=60, private="x-a, X-B"'), 'X-A: 1', 'x-b: 1', 'X-C: 1') })
    .expect({ entry: { lacks: ['x-a', 'x-b'], has: ['X-C: 1'] } }),
  rule('§5.2.2.7', 'the fields that private names are stored in a private cache')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60, private="x-a"'), 'X-A: 1') })
    .expect({ entry: { has: ['X-A: 1'] } }),
  rule('§5.2.2.7', 'the fields of two private are not stored in a shared cache')
    .given({ origin: ok(cc('max-age=60, private="x-a"'), cc('private=x-b'), 'X-A: 1', 'X-B: 1') })
    .expect({ entry: { lacks: ['x-a', 'x-b'] } }),
  rule('§3.1', 'names that are properties of every object are names like others')
    .given({ origin: ok(cc('max-age=60'), '__proto__: 1', 'constructor: 2', 'toString: 3') })
    .expect({ entry: { has: ['__proto__: 1', 'constructor: 2', 'toString: 3'] } })
]
