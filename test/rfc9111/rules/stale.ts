import { ago, cc, get, notModified, ok, PRIVATE, type Row, rule, status, took, UNREACHABLE } from './row.ts'

/** What was fresh for a minute, 10 seconds after that. */
function stale(directives: string, ...lines: string[]) {
  return ago(70, ok(cc(directives), 'ETag: "a"', ...lines))
}

const WHILE = { request: 'stale-while-revalidate stale-while-revalidate' } as const
const STALE = { request: 'revalidate stale' } as const

export const staleWhileRevalidate: readonly Row[] = [
  rule('RFC 5861 §3', 'a stale response is served within its window, and revalidated')
    .given({ stored: stale('max-age=60, stale-while-revalidate=11') })
    .expect({ ...WHILE, answer: { age: 70, freshFor: -10, sendsAge: true }, sends: ['If-None-Match: "a"'] }),
  rule('RFC 5861 §3', 'the window is open to its last millisecond')
    .given({ stored: ago(69.999, ok(cc('max-age=60, stale-while-revalidate=10'))) })
    .expect({ ...WHILE, sends: [] }),
  rule('RFC 5861 §3', 'the window closes')
    .given({ stored: stale('max-age=60, stale-while-revalidate=10') })
    .expect(STALE),
  rule('RFC 5861 §3', 'the window opens with the end of the lifetime')
    .given({ stored: ago(60, ok(cc('max-age=60, stale-while-revalidate=10'))) })
    .expect(WHILE),
  rule('RFC 5861 §3', 'before the window a response is simply fresh')
    .given({ stored: ago(59, ok(cc('max-age=60, stale-while-revalidate=10'))) })
    .expect({ request: 'hit fresh' }),
  rule('RFC 5861 §3', 'a malformed window is none')
    .given({ policy: { staleWhileRevalidateSeconds: 60 }, stored: stale('max-age=60, stale-while-revalidate') })
    .expect(STALE),
  rule('RFC 5861 §3', 'the policy can open a window while revalidating')
    .given({ policy: { staleWhileRevalidateSeconds: 11 }, stored: stale('max-age=60') })
    .expect(WHILE),
  rule('RFC 5861 §3', "the response's window beats the policy's while revalidating")
    .given({ policy: { staleWhileRevalidateSeconds: 60 }, stored: stale('max-age=60, stale-while-revalidate=0') })
    .expect(STALE),
  ...['must-revalidate', 'no-cache', 'proxy-revalidate'].map(directive =>
    rule('§4.2.4', `${directive} closes the window in a shared cache`)
      .given({ stored: stale(`max-age=60, stale-while-revalidate=60, ${directive}`) })
      .expect(STALE)
  ),
  ...['must-revalidate', 'no-cache'].map(directive =>
    rule('§4.2.4', `${directive} closes the window of the policy, in a private cache too`)
      .given({ policy: { ...PRIVATE, staleWhileRevalidateSeconds: 60 }, stored: stale(`max-age=60, ${directive}`) })
      .expect(STALE)
  ),
  rule('§5.2.2.8', 'proxy-revalidate does not close the window in a private cache while revalidating')
    .given({ policy: PRIVATE, stored: stale('max-age=60, stale-while-revalidate=60, proxy-revalidate') })
    .expect(WHILE),
  rule('§5.2.2.10', 's-maxage gives way to a stale-while-revalidate beside it')
    .given({ stored: stale('s-maxage=60, stale-while-revalidate=60') })
    .expect(WHILE),
  rule('§5.2.2.10', "s-maxage gives way to the policy's window while revalidating")
    .given({ policy: { staleWhileRevalidateSeconds: 60 }, stored: stale('s-maxage=60') })
    .expect(WHILE),
  rule('RFC 5861 §3', 'no-cache in the request closes the window')
    .given({ stored: stale('max-age=60, stale-while-revalidate=60'), request: get(cc('no-cache')) })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('RFC 5861 §3', 'only the served response is revalidated behind it')
    .given({
      stored: [
        ago(80, ok(cc('max-age=60, stale-while-revalidate=60'), 'Vary: X-A', 'ETag: "a"')),
        ago(70, ok(cc('max-age=60, stale-while-revalidate=60'), 'Vary: X-B', 'ETag: "b"'))
      ]
    })
    .expect({ ...WHILE, answer: { from: '#2' }, candidates: ['#2'], sends: ['If-None-Match: "b"'] }),
  rule('RFC 5861 §3', "the client's condition is answered from the stale response while revalidating")
    .given({ stored: stale('max-age=60, stale-while-revalidate=60'), request: get('If-None-Match: "a"') })
    .expect({ ...WHILE, answer: { status: 304 } }),
  ...['If-None-Match: "x"', 'If-None-Match: *', 'If-Modified-Since: {-5000}'].map(line =>
    rule('RFC 5861 §3', `"${line}" of the client does not go out behind a stale answer: a 304 is for the cache`)
      .given({
        stored: stale('max-age=60, stale-while-revalidate=60', 'Last-Modified: then'),
        request: get(line),
        origin: notModified()
      })
      .expect({
        ...WHILE,
        sends: ['If-None-Match: "a"', 'If-Modified-Since: then'],
        response: 'freshen validated',
        updates: ['#1']
      })
  ),
  rule('RFC 5861 §3', 'a 304 behind a stale answer freshens')
    .given({
      stored: stale('max-age=60, stale-while-revalidate=60'),
      origin: notModified('ETag: "a"'),
      next: get(),
      after: 59
    })
    .expect({ ...WHILE, response: 'freshen validated', updates: ['#1'], next: 'hit fresh' })
]

const SERVED = { ...STALE, response: 'serve-stale stale-if-error', answer: { from: '#1', status: 200 } } as const

export const staleIfError: readonly Row[] = [
  ...[500, 502, 503, 504].map(code =>
    rule('RFC 5861 §4', `a ${code} is answered with the stale response within its window`)
      .given({ stored: stale('max-age=60, stale-if-error=60'), origin: status(code, cc('max-age=9')), next: get() })
      .expect({ ...SERVED, next: 'revalidate stale', answer: { age: 70, freshFor: -10, sendsAge: true } })
  ),
  ...[404, 429, 501, 505, 599].map(code =>
    rule('RFC 5861 §4', `a ${code} is no error in the sense of stale-if-error`)
      .given({ stored: stale('max-age=60, stale-if-error=60'), origin: status(code, cc('max-age=9')) })
      .expect({ ...STALE, response: 'store storable', removes: code === 404 ? ['#1'] : [] })
  ),
  rule('RFC 5861 §4', 'a failure to connect is answered with the stale response within its window')
    .given({ stored: stale('max-age=60, stale-if-error=60'), origin: UNREACHABLE })
    .expect({ ...STALE, failure: 'serve-stale stale-if-error', answer: { status: 200, age: 70 } }),
  rule('RFC 5861 §4', 'the window is open to its end')
    .given({ stored: stale('max-age=60, stale-if-error=10'), origin: status(500) })
    .expect(SERVED),
  rule('RFC 5861 §4', 'the window closes a millisecond later')
    .given({ stored: stale('max-age=60, stale-if-error=10'), origin: took(1, status(500)) })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'an error within no window is passed on')
    .given({ stored: stale('max-age=60'), origin: status(503) })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'an error with nothing stored is passed on')
    .given({ policy: { staleIfErrorSeconds: 60 }, origin: status(503) })
    .expect({ request: 'miss uri-miss', response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'the policy can open a window after an error')
    .given({ policy: { staleIfErrorSeconds: 10 }, stored: stale('max-age=60'), origin: status(500) })
    .expect(SERVED),
  rule('RFC 5861 §4', "the response's window beats the policy's after an error")
    .given({
      policy: { staleIfErrorSeconds: 60 },
      stored: stale('max-age=60, stale-if-error=0'),
      origin: status(500)
    })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'a request can open a window')
    .given({ stored: stale('max-age=60'), request: get(cc('stale-if-error=10')), origin: status(500) })
    .expect(SERVED),
  rule('RFC 5861 §4', 'a request can open a window for a failure to connect')
    .given({ stored: stale('max-age=60'), request: get(cc('stale-if-error=10')), origin: UNREACHABLE })
    .expect({ ...STALE, failure: 'serve-stale stale-if-error' }),
  rule('RFC 5861 §4', 'a request can widen a window')
    .given({
      stored: stale('max-age=60, stale-if-error=5'),
      request: get(cc('stale-if-error=10')),
      origin: status(500)
    })
    .expect(SERVED),
  rule('RFC 5861 §4', 'a request does not narrow a window')
    .given({
      stored: stale('max-age=60, stale-if-error=60'),
      request: get(cc('stale-if-error=1')),
      origin: status(500)
    })
    .expect(SERVED),
  rule('RFC 5861 §4', 'a malformed window in a request is none')
    .given({ stored: stale('max-age=60'), request: get(cc('stale-if-error')), origin: status(500) })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  ...['must-revalidate', 'no-cache', 'proxy-revalidate'].map(directive =>
    rule('§4.2.4', `${directive} closes the window in a shared cache, for a request too`)
      .given({
        policy: { staleIfErrorSeconds: 60 },
        stored: stale(`max-age=60, stale-if-error=60, ${directive}`),
        request: get(cc('stale-if-error=60')),
        origin: status(500)
      })
      .expect({ ...STALE, response: 'forward no-freshness' })
  ),
  rule('§5.2.2.8', 'proxy-revalidate does not close the window in a private cache after an error')
    .given({ policy: PRIVATE, stored: stale('max-age=60, stale-if-error=60, proxy-revalidate'), origin: status(500) })
    .expect(SERVED),
  rule('§5.2.2.10', 's-maxage gives way to a stale-if-error beside it')
    .given({ stored: stale('s-maxage=60, stale-if-error=60'), origin: status(500) })
    .expect(SERVED),
  rule('§5.2.2.10', "s-maxage gives way to the policy's window after an error")
    .given({ policy: { staleIfErrorSeconds: 60 }, stored: stale('s-maxage=60'), origin: status(500) })
    .expect(SERVED),
  rule('§5.2.2.10', "s-maxage does not give way to a request's window")
    .given({ stored: stale('s-maxage=60'), request: get(cc('stale-if-error=60')), origin: status(500) })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'a request that asked for a validation gets the error')
    .given({ stored: stale('max-age=60, stale-if-error=60'), request: get(cc('no-cache')), origin: status(500) })
    .expect({ request: 'revalidate request-no-cache', response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'a request with max-age gets the error')
    .given({ stored: stale('max-age=60, stale-if-error=60'), request: get(cc('max-age=100')), origin: UNREACHABLE })
    .expect({ ...STALE, failure: 'error disconnected' }),
  rule('RFC 5861 §4', 'a request with max-age that says what in case of an error gets that')
    .given({
      stored: stale('max-age=60'),
      request: get(cc('max-age=0, stale-if-error=60')),
      origin: status(500)
    })
    .expect({ request: 'revalidate request-max-age', response: 'serve-stale stale-if-error' }),
  rule('RFC 5861 §4', 'a request with no-cache gets the error whatever else it says')
    .given({ stored: stale('max-age=60'), request: get(cc('no-cache, stale-if-error=60')), origin: status(500) })
    .expect({ request: 'revalidate request-no-cache', response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'a request that a fresh response was not fresh enough for gets it in place of an error')
    .given({
      stored: ago(10, ok(cc('max-age=60, stale-if-error=1'))),
      request: get(cc('min-fresh=55')),
      origin: status(500)
    })
    .expect({ request: 'revalidate request-min-fresh', response: 'serve-stale stale-if-error' }),
  rule('RFC 5861 §4', 'a fresh response without a window does not take the place of an error')
    .given({ stored: ago(10, ok(cc('max-age=60'))), request: get(cc('min-fresh=55')), origin: status(500) })
    .expect({ request: 'revalidate request-min-fresh', response: 'forward no-freshness' }),
  rule('RFC 5861 §4', 'an error in place of a 304 leaves what is stored as it is')
    .given({ stored: stale('max-age=60, stale-if-error=60'), origin: status(503, 'ETag: "b"'), next: get() })
    .expect({ ...SERVED, next: 'revalidate stale' }),
  rule('RFC 5861 §4', "the client's condition is answered from the stale response after an error")
    .given({
      stored: stale('max-age=60, stale-if-error=60'),
      request: get('If-None-Match: "a"'),
      origin: status(503)
    })
    .expect({ ...STALE, response: 'serve-stale stale-if-error', answer: { status: 304, body: 'none' } }),
  rule('RFC 5861 §4', 'a stored error is stored for its own sake where there is nothing better')
    .given({ origin: status(503, cc('max-age=9')) })
    .expect({ response: 'store storable' })
]

const STALE_MODE = { whenDisconnected: 'stale' } as const

export const disconnected: readonly Row[] = [
  rule('§4.2.4', 'by default a lost connection is an error, whatever is stored')
    .given({ stored: stale('max-age=60'), origin: UNREACHABLE })
    .expect({ ...STALE, failure: 'error disconnected' }),
  rule('§4.2.4', 'a lost connection with nothing stored is an error')
    .given({ origin: UNREACHABLE })
    .expect({ request: 'miss uri-miss', failure: 'error disconnected' }),
  rule('§4.2.4', "whenDisconnected: 'stale' serves what is stale")
    .given({ policy: STALE_MODE, stored: stale('max-age=60'), origin: UNREACHABLE })
    .expect({ ...STALE, failure: 'serve-stale disconnected', answer: { from: '#1', age: 70, sendsAge: true } }),
  rule('§4.2.4', "whenDisconnected: 'stale' with nothing stored is an error")
    .given({ policy: STALE_MODE, origin: UNREACHABLE })
    .expect({ request: 'miss uri-miss', failure: 'error disconnected' }),
  rule('§4.2.4', "whenDisconnected: 'stale' is not for an error from the origin")
    .given({ policy: STALE_MODE, stored: stale('max-age=60'), origin: status(503) })
    .expect({ ...STALE, response: 'forward no-freshness' }),
  ...['must-revalidate', 'no-cache', 'proxy-revalidate', 's-maxage=60'].map(directive =>
    rule('§5.2.2.2', `${directive} makes it a 504 in a shared cache`)
      .given({ policy: STALE_MODE, stored: stale(`max-age=60, ${directive}`), origin: UNREACHABLE })
      .expect({ failure: 'gateway-timeout disconnected' })
  ),
  ...['proxy-revalidate', 's-maxage=60'].map(directive =>
    rule('§4.2.4', `${directive} means nothing to a private cache`)
      .given({ policy: { ...PRIVATE, ...STALE_MODE }, stored: stale(`max-age=60, ${directive}`), origin: UNREACHABLE })
      .expect({ failure: 'serve-stale disconnected' })
  ),
  rule('§5.2.2.2', 'must-revalidate is an error by default')
    .given({ stored: stale('max-age=60, must-revalidate'), origin: UNREACHABLE })
    .expect({ failure: 'error disconnected' }),
  ...['no-cache', 'max-age=0'].map(directive =>
    rule('§5.2.1.4', `${directive} in the request makes it a 504`)
      .given({ policy: STALE_MODE, stored: stale('max-age=60'), request: get(cc(directive)), origin: UNREACHABLE })
      .expect({ failure: 'gateway-timeout disconnected' })
  ),
  rule('§5.2.2.4', 'what says no-cache and can not be validated is stored for the sake of a 504')
    .given({ policy: STALE_MODE, stored: ago(1, ok(cc('max-age=60, no-cache'))), origin: UNREACHABLE })
    .expect({ request: 'revalidate no-cache', sends: [], failure: 'gateway-timeout disconnected' }),
  rule('RFC 5861 §4', 'a stale-if-error window comes first')
    .given({ policy: STALE_MODE, stored: stale('s-maxage=60, stale-if-error=60'), origin: UNREACHABLE })
    .expect({ failure: 'serve-stale stale-if-error' })
]
