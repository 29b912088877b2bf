import { ago, cc, get, head, ok, PRIVATE, type Row, rule, send, status } from './row.ts'

const HEURISTIC = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]
const NOT_HEURISTIC = [201, 202, 205, 302, 303, 307, 400, 401, 403, 429, 500, 502, 503, 504, 599]
const UNDERSTOOD = [
  200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504
]

export const storability: readonly Row[] = [
  rule('§3', 'a response with max-age is stored')
    .given({ origin: ok(cc('max-age=60')) })
    .expect({ response: 'store storable', entry: { has: ['Cache-Control: max-age=60'] } }),
  rule('§3', 'a response with Expires is stored')
    .given({ origin: status(302, 'Expires: {+60}') })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('§3', 'a response to HEAD is stored')
    .given({ request: head(), origin: ok(cc('max-age=60')) })
    .expect({ response: 'store storable', entry: { method: 'HEAD' } }),

  ...HEURISTIC.map(code =>
    rule('RFC 9110 §15.1', `a ${code} that says nothing is stored for the sake of its validator`)
      .given({ origin: status(code, 'ETag: "a"') })
      .expect({ response: 'store storable', freshFor: 0 })
  ),
  ...NOT_HEURISTIC.map(code =>
    rule('RFC 9110 §15.1', `a ${code} that says nothing is not stored`)
      .given({ origin: status(code, 'ETag: "a"', 'Last-Modified: {-1000}') })
      .expect({ response: 'forward no-freshness' })
  ),
  ...NOT_HEURISTIC.map(code =>
    rule('§3', `a ${code} with an explicit lifetime is stored`)
      .given({ origin: status(code, cc('max-age=60')) })
      .expect({ response: 'store storable', freshFor: 60 })
  ),
  ...[100, 103, 199].map(code =>
    rule('§3', `a ${code} is not final and is not stored`)
      .given({ origin: status(code, cc('max-age=60')) })
      .expect({ response: 'forward status' })
  ),
  rule('§3.3', 'a 206 that nobody asked for is not stored')
    .given({ origin: status(206, cc('max-age=60'), 'Content-Range: bytes 0-4/10') })
    .expect({ response: 'forward unusable-part' }),
  rule('§4.3.3', 'a 304 that nobody asked for is passed on and not stored')
    .given({ origin: status(304, cc('max-age=60')) })
    .expect({ response: 'forward not-modified' }),

  ...[600, 799, 999].map(code =>
    rule('RFC 9110 §15', `a ${code} is no status and is not stored`)
      .given({ origin: status(code, cc('max-age=60')) })
      .expect({ response: 'forward status' })
  ),
  ...['X-A: a\0b', 'X-A: a\rb', 'X-A: a\nb', 'X-A: \u0100', 'X-A: \uffff', 'X A: 1', 'X-É: 1', '\0: 1', ': 1'].map(
    line =>
      rule('RFC 9110 §5.5', `a response with the line ${JSON.stringify(line)} is not stored`)
        .given({ origin: ok(cc('max-age=60'), line) })
        .expect({ response: 'forward malformed-field' })
  ),
  ...['X-A: \u00ff', 'X-A: a\x7fb', "!#$%&'*+.^_`|~0-9A-Za-z: 1", 'X-A:'].map(line =>
    rule('RFC 9110 §5.5', `a response with the line ${JSON.stringify(line)} is stored`)
      .given({ origin: ok(cc('max-age=60'), line) })
      .expect({ response: 'store storable' })
  ),
  rule('§3', 'a 200 that says nothing at all is not worth storing')
    .given({ origin: ok('Content-Type: text/plain') })
    .expect({ response: 'forward no-freshness' }),
  rule('§3', 'a Last-Modified alone makes a 200 worth storing')
    .given({ origin: ok('Last-Modified: {0}') })
    .expect({ response: 'store storable', freshFor: 0 }),
  rule('RFC 9110 §8.8.3', 'an empty ETag is no validator')
    .given({ origin: ok('ETag:') })
    .expect({ response: 'forward no-freshness' }),
  rule('§3', 'a response that is stale at once and cannot be validated is not stored')
    .given({ origin: ok(cc('max-age=0')) })
    .expect({ response: 'forward no-freshness' }),
  rule('§3', 'a response that is stale at once and can be validated is stored')
    .given({ origin: ok(cc('max-age=0'), 'ETag: "a"') })
    .expect({ response: 'store storable', freshFor: 0 }),
  rule('RFC 5861 §3', 'a response that is stale at once is stored for its stale-while-revalidate window')
    .given({ origin: ok(cc('max-age=0, stale-while-revalidate=60')) })
    .expect({ response: 'store storable' }),
  rule('RFC 5861 §4', 'a response that is stale at once is stored for its stale-if-error window')
    .given({ origin: ok(cc('max-age=0, stale-if-error=60')) })
    .expect({ response: 'store storable' }),
  rule('RFC 5861 §3', "a response that is stale at once is stored for the policy's stale-while-revalidate window")
    .given({ policy: { staleWhileRevalidateSeconds: 60 }, origin: ok(cc('max-age=0')) })
    .expect({ response: 'store storable' }),
  rule('RFC 5861 §4', "a response that is stale at once is stored for the policy's stale-if-error window")
    .given({ policy: { staleIfErrorSeconds: 60 }, origin: ok(cc('max-age=0')) })
    .expect({ response: 'store storable' }),
  rule('RFC 5861 §3', 'a stale-while-revalidate window of a second is a window')
    .given({ origin: ok(cc('max-age=0, stale-while-revalidate=1')) })
    .expect({ response: 'store storable' }),
  rule('RFC 5861 §4', 'a stale-if-error window of a second is a window')
    .given({ origin: ok(cc('max-age=0, stale-if-error=1')) })
    .expect({ response: 'store storable' }),
  rule('§3', 'a lifetime of a millisecond is a lifetime')
    .given({ policy: { defaultFreshnessSeconds: 0.001 }, origin: ok() })
    .expect({ response: 'store storable', freshFor: 0.001 }),
  rule('§5.2.2.2', 'must-revalidate leaves no stale window to store a response for')
    .given({ origin: ok(cc('max-age=0, stale-while-revalidate=60, stale-if-error=60, must-revalidate')) })
    .expect({ response: 'forward no-freshness' }),

  rule('§5.2.2.9', 'public makes a status storable that is not by itself')
    .given({ origin: status(302, cc('public'), 'ETag: "a"') })
    .expect({ response: 'store storable' }),
  rule('§5.2.2.9', 'public is no lifetime')
    .given({ origin: ok(cc('public')) })
    .expect({ response: 'forward no-freshness' }),
  rule('§5.2.2.7', 'private makes a status storable in a private cache')
    .given({ policy: PRIVATE, origin: status(302, cc('private'), 'ETag: "a"') })
    .expect({ response: 'store storable' }),
  rule('§3', 'a private cache needs a reason to store a status too')
    .given({ policy: PRIVATE, origin: status(302, 'ETag: "a"') })
    .expect({ response: 'forward no-freshness' }),
  rule('§5.2.2.7', 'private makes no status storable in a shared cache')
    .given({ origin: status(302, cc('private'), 'ETag: "a"') })
    .expect({ response: 'forward no-freshness' }),
  rule('§5.2.2.10', 's-maxage makes a status storable in a shared cache')
    .given({ origin: status(302, cc('s-maxage=60')) })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('§5.2.2.10', 's-maxage means nothing to a private cache')
    .given({ policy: PRIVATE, origin: status(302, cc('s-maxage=60')) })
    .expect({ response: 'forward no-freshness' }),

  rule('§5.2.2.5', 'no-store in a response forbids storing')
    .given({ origin: ok(cc('max-age=60, no-store'), 'ETag: "a"') })
    .expect({ response: 'forward no-store' }),
  rule('§5.2.2.5', 'no-store forbids storing in a private cache too')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60, no-store')) })
    .expect({ response: 'forward no-store' }),
  rule('§5.2', 'No-Store is no-store')
    .given({ origin: ok('cache-control: MAX-AGE=60, No-Store') })
    .expect({ response: 'forward no-store' }),
  rule('§5.2', 'no-store is found on a second Cache-Control line')
    .given({ origin: ok(cc('max-age=60'), cc('no-store')) })
    .expect({ response: 'forward no-store' }),
  rule('§5.2', 'no-store with an argument is still no-store')
    .given({ origin: ok(cc('max-age=60, no-store=1')) })
    .expect({ response: 'forward no-store' }),
  rule('RFC 9110 §5.6.4', 'no-store within a quoted string is no directive')
    .given({ origin: ok(cc('ext="a, no-store, b", max-age=60')) })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('RFC 9110 §5.6.4', 'an unfinished quoted string hides no no-store')
    .given({ origin: ok(cc('ext="a, no-store, max-age=60'), 'ETag: "a"') })
    .expect({ response: 'forward no-store' }),
  rule('RFC 9110 §5.6.4', 'an unfinished quoted string hides no private')
    .given({ origin: ok(cc('no-cache="set-cookie, private, max-age=60'), 'ETag: "a"') })
    .expect({ response: 'forward private' }),
  rule('§5.2.1.5', 'no-store in a request forbids storing the response')
    .given({ request: get(cc('no-store')), origin: ok(cc('max-age=60')) })
    .expect({ request: 'bypass request-no-store', response: 'forward request-no-store' }),
  rule('§5.2.1.5', 'no-store in a request forbids storing in a private cache too')
    .given({ policy: PRIVATE, request: get(cc('no-store')), origin: ok(cc('max-age=60')) })
    .expect({ request: 'bypass request-no-store', response: 'forward request-no-store' }),

  rule('§5.2.2.5', 'alwaysCache stores in spite of no-store in the response')
    .given({ policy: { alwaysCache: true }, origin: ok(cc('max-age=60, no-store')), next: get() })
    .expect({ response: 'store storable', next: 'hit fresh' }),
  rule('§5.2.1.5', 'alwaysCache stores and reuses in spite of no-store in the request')
    .given({
      policy: { alwaysCache: true },
      request: get(cc('no-store')),
      origin: ok(cc('max-age=60')),
      next: get(cc('no-store'))
    })
    .expect({ request: 'miss uri-miss', response: 'store storable', next: 'hit fresh' }),
  rule('§5.2.2.7', 'alwaysCache does not store what is private in a shared cache')
    .given({ policy: { alwaysCache: true }, origin: ok(cc('max-age=60, private, no-store')) })
    .expect({ response: 'forward private' }),
  rule('§3.5', 'alwaysCache does not share what answered Authorization')
    .given({
      policy: { alwaysCache: true },
      request: get('Authorization: Basic eA=='),
      origin: ok(cc('max-age=60, no-store'))
    })
    .expect({ response: 'forward authorization' }),
  rule('§5.2.2.3', 'alwaysCache does not store a status that must be understood and is not')
    .given({ policy: { alwaysCache: true }, origin: status(418, cc('max-age=60, must-understand')) })
    .expect({ response: 'forward must-understand' }),
  rule('§3', 'alwaysCache is no lifetime')
    .given({ policy: { alwaysCache: true }, origin: ok(cc('no-store')) })
    .expect({ response: 'forward no-freshness' }),
  rule('§5.2.2.5', 'alwaysCache with defaultFreshnessSeconds stores what says no-store and nothing else')
    .given({ policy: { alwaysCache: true, defaultFreshnessSeconds: 60 }, origin: ok(cc('no-store')) })
    .expect({ response: 'store storable', freshFor: 60 }),

  ...UNDERSTOOD.map(code =>
    rule('§5.2.2.3', `a ${code} is understood: must-understand lifts no-store`)
      .given({ origin: status(code, cc('max-age=60, must-understand, no-store')) })
      .expect({ response: 'store storable', freshFor: 60 })
  ),
  ...[201, 202, 205, 299, 402, 418, 429, 505, 511, 599].map(code =>
    rule('§5.2.2.3', `a ${code} is not known well enough for must-understand`)
      .given({ origin: status(code, cc('max-age=60, must-understand')) })
      .expect({ response: 'forward must-understand' })
  ),

  rule('§4.1', 'a response that varies by everything is not stored')
    .given({ origin: ok(cc('max-age=60'), 'Vary: *') })
    .expect({ response: 'forward vary-star' }),
  rule('§4.1', 'an asterisk among names varies by everything')
    .given({ origin: ok(cc('max-age=60'), 'Vary: Accept, *') })
    .expect({ response: 'forward vary-star' }),
  rule('§4.1', 'an asterisk on a second line varies by everything')
    .given({ origin: ok(cc('max-age=60'), 'Vary: Accept', 'Vary: *') })
    .expect({ response: 'forward vary-star' }),
  rule('§4.1', 'a private cache does not store what varies by everything')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60'), 'Vary: *') })
    .expect({ response: 'forward vary-star' }),

  rule('§5.2.2.7', 'private forbids storing in a shared cache')
    .given({ origin: ok(cc('private, max-age=60')) })
    .expect({ response: 'forward private' }),
  rule('§5.2.2.7', 'private is stored in a private cache')
    .given({ policy: PRIVATE, origin: ok(cc('private, max-age=60')) })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('§5.2.2.7', 'private beats public')
    .given({ origin: ok(cc('private, public, s-maxage=60')) })
    .expect({ response: 'forward private' }),
  rule('§5.2.2.7', 'private with fields is stored in a shared cache')
    .given({ origin: ok(cc('private="x-user", max-age=60')) })
    .expect({ response: 'store storable' }),
  rule('§5.2.2.7', 'private with an empty list of fields is private')
    .given({ origin: ok(cc('private="", max-age=60')) })
    .expect({ response: 'forward private' }),
  rule('§5.2.2.7', 'private with an empty argument is private')
    .given({ origin: ok(cc('max-age=60, private=')) })
    .expect({ response: 'forward private' }),
  rule('§5.2.2.7', 'private once with fields and once without is private')
    .given({ origin: ok(cc('private="x-user", max-age=60, private')) })
    .expect({ response: 'forward private' }),
  rule('§5.2.2.7', 'private once without fields and once with is private')
    .given({ origin: ok(cc('private, max-age=60, private="x-user"')) })
    .expect({ response: 'forward private' }),
  ...(
    [
      ['no-store\u00a0', 'no-store'],
      ['no-store\u00c2\u00a0', 'no-store'],
      ['\u00a0no-store', 'no-store'],
      ['foo bar, no-store', 'no-store'],
      ['a="b, no-store', 'no-store'],
      ['a="no-store', 'no-store'],
      ['No-Store foo', 'no-store'],
      ['private\u00a0', 'private'],
      ['foo bar private', 'private'],
      ['a b, private="x"', 'private']
    ] as const
  ).map(([damage, reason]) =>
    rule('§4.2.1', `what can be read in damage is obeyed: ${damage}`)
      .given({ origin: ok(cc(`public, max-age=60, ${damage}`)) })
      .expect({ response: `forward ${reason}` })
  ),
  rule('§4.2.1', 'a longer word in damage is another')
    .given({ origin: ok(cc('max-age=60, x-no-store foo, private-ish bar')) })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('§4.2.1', 'no-cache in damage is obeyed')
    .given({ stored: ago(1, ok(cc('max-age=60, foo bar, no-cache="a"'), 'ETag: "a"')) })
    .expect({ request: 'revalidate no-cache' }),
  ...['public', 's-maxage=60', 'must-revalidate'].flatMap(grant =>
    [`a="x, ${grant}`, `foo bar, ${grant}`, `${grant}\u00a0`].map(damage =>
      rule('§3.5', `damage does not allow to store what answered Authorization: ${damage}`)
        .given({ request: get('Authorization: Basic eA=='), origin: ok(cc(`max-age=60, ${damage}`)) })
        .expect({ response: 'forward authorization' })
    )
  ),
  rule('§5.2', 'a quote that is open in one line reaches into the next')
    .given({ request: get('Authorization: Basic eA=='), origin: ok(cc('max-age=60, a="x'), cc('public')) })
    .expect({ response: 'forward authorization' }),
  rule('§5.2.1.5', 'no-store in a damaged request is obeyed')
    .given({ request: get(cc('foo bar no-store')), origin: ok(cc('max-age=60')) })
    .expect({ request: 'bypass request-no-store' }),
  rule('§5.2.2.7', 'private with a damaged list of fields is private')
    .given({ origin: ok(cc('max-age=60, private="x-user')) })
    .expect({ response: 'forward private' }),

  rule('§3.5', 'a shared cache does not store what answered Authorization')
    .given({ request: get('Authorization: Basic eA=='), origin: ok(cc('max-age=60')) })
    .expect({ response: 'forward authorization' }),
  rule('§3.5', 'a private cache stores what answered Authorization')
    .given({ policy: PRIVATE, request: get('Authorization: Basic eA=='), origin: ok(cc('max-age=60')) })
    .expect({ response: 'store storable' }),
  ...['public', 's-maxage=60', 'must-revalidate'].map(directive =>
    rule('§3.5', `${directive} lets a shared cache store what answered Authorization`)
      .given({ request: get('Authorization: Basic eA=='), origin: ok(cc(`max-age=60, ${directive}`)) })
      .expect({ response: 'store storable' })
  ),
  rule('§3.5', 'proxy-revalidate does not let a shared cache store what answered Authorization')
    .given({ request: get('Authorization: Basic eA=='), origin: ok(cc('max-age=60, proxy-revalidate')) })
    .expect({ response: 'forward authorization' }),
  rule('§3.5', 'an empty Authorization is Authorization')
    .given({ request: get('Authorization:'), origin: ok(cc('max-age=60')) })
    .expect({ response: 'forward authorization' }),
  rule('§3.5', 'a validator does not let a shared cache store what answered Authorization')
    .given({ request: get('Authorization: Basic eA=='), origin: ok('ETag: "a"') })
    .expect({ response: 'forward authorization' }),

  rule('§7.3', 'a shared cache does not store Set-Cookie unless told to')
    .given({ origin: ok(cc('max-age=60'), 'Set-Cookie: a=1') })
    .expect({ response: 'forward set-cookie' }),
  ...['public', 's-maxage=60'].map(directive =>
    rule('§7.3', `${directive} lets a shared cache store Set-Cookie`)
      .given({ origin: ok(cc(`max-age=60, ${directive}`), 'Set-Cookie: a=1') })
      .expect({ response: 'store storable', entry: { has: ['Set-Cookie: a=1'] } })
  ),
  rule('§7.3', 'must-revalidate does not let a shared cache store Set-Cookie')
    .given({ origin: ok(cc('max-age=60, must-revalidate'), 'Set-Cookie: a=1') })
    .expect({ response: 'forward set-cookie' }),
  rule('§7.3', 'storeSetCookie lets a shared cache store Set-Cookie, each line as it came')
    .given({ policy: { storeSetCookie: true }, origin: ok(cc('max-age=60'), 'Set-Cookie: a=1', 'Set-Cookie: b=2') })
    .expect({ response: 'store storable', entry: { has: ['Set-Cookie: a=1', 'Set-Cookie: b=2'] } }),
  rule('§7.3', 'a private cache stores Set-Cookie')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60'), 'Set-Cookie: a=1') })
    .expect({ response: 'store storable', entry: { has: ['Set-Cookie: a=1'] } }),

  rule('§7.3', 'a shared cache does not store what answered a Cookie without a stated lifetime')
    .given({ request: get('Cookie: a=1'), origin: ok('Last-Modified: {-1000}') })
    .expect({ response: 'forward cookie' }),
  rule('§7.3', 'a shared cache does not store by default what answered a Cookie')
    .given({ policy: { defaultFreshnessSeconds: 60 }, request: get('Cookie: a=1'), origin: ok() })
    .expect({ response: 'forward cookie' }),
  rule('§7.3', 'a shared cache stores what answered a Cookie with a stated lifetime')
    .given({ request: get('Cookie: a=1'), origin: ok(cc('max-age=60')) })
    .expect({ response: 'store storable' }),
  rule('§7.3', 'a shared cache stores what answered a Cookie and is public')
    .given({ request: get('Cookie: a=1'), origin: ok(cc('public'), 'Last-Modified: {-1000}') })
    .expect({ response: 'store storable', freshFor: 100 }),
  rule('§7.3', 'a private cache stores what answered a Cookie without a stated lifetime')
    .given({ policy: PRIVATE, request: get('Cookie: a=1'), origin: ok('Last-Modified: {-1000}') })
    .expect({ response: 'store storable', freshFor: 100 }),

  rule('§3', 'a status that the policy does not list is not stored')
    .given({ policy: { statusCodes: [200] }, origin: status(404, cc('max-age=60')) })
    .expect({ response: 'forward status-not-listed' }),
  rule('§3', 'a status that the policy lists is stored')
    .given({ policy: { statusCodes: [200, 404] }, origin: status(404, cc('max-age=60')) })
    .expect({ response: 'store storable' }),
  rule('§3', 'a listed status that says nothing is not storable without a default')
    .given({ policy: { statusCodes: [302] }, origin: status(302, 'Last-Modified: {-1000}') })
    .expect({ response: 'forward no-freshness' }),
  rule('§3', 'a listed 206 is not stored')
    .given({ policy: { statusCodes: [206] }, origin: status(206, cc('max-age=60')) })
    .expect({ response: 'forward unusable-part' }),

  rule('§3', 'a method that the policy does not list is passed by and its response is not stored')
    .given({ policy: { methods: ['GET'] }, request: head(), origin: ok(cc('max-age=60')) })
    .expect({ request: 'bypass method', response: 'forward method' }),
  ...['OPTIONS', 'TRACE', 'PRI', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'].map(method =>
    rule('§3', `${method} is safe but not cached: passed by, nothing stored, nothing invalidated`)
      .given({ request: send(method), origin: ok(cc('max-age=60'), 'Location: /y') })
      .expect({ request: 'bypass method', response: 'forward method' })
  ),
  rule('§3', 'a policy without methods stores nothing')
    .given({ policy: { methods: [] }, origin: ok(cc('max-age=60')) })
    .expect({ request: 'bypass method', response: 'forward method' })
]
