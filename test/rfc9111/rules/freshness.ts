import { cc, get, ok, PRIVATE, type Row, rule, status } from './row.ts'

const MALFORMED_SECONDS = ['', '-1', '+60', '60.5', '60.0', '1e3', '60s', "'60'", '"60', '0x3c', '6 0', 'NaN', '60;a']

export const explicitFreshness: readonly Row[] = [
  rule('§5.2.2.1', 'max-age is the lifetime')
    .given({ origin: ok(cc('max-age=60')) })
    .expect({ freshFor: 60 }),
  rule('§5.2.2.1', 'max-age=1 is one second')
    .given({ origin: ok(cc('max-age=1')) })
    .expect({ freshFor: 1 }),
  rule('§5.2.2.1', 'max-age=0 is stale at once')
    .given({ origin: ok(cc('max-age=0'), 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§4.2.1', 'in a shared cache s-maxage beats max-age')
    .given({ origin: ok(cc('max-age=60, s-maxage=100')) })
    .expect({ freshFor: 100 }),
  rule('§4.2.1', 's-maxage=0 is a value: it beats max-age')
    .given({ origin: ok(cc('max-age=60, s-maxage=0'), 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§4.2.1', 'in a private cache max-age counts and s-maxage does not')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60, s-maxage=100')) })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', 's-maxage beats Expires in a shared cache')
    .given({ origin: ok(cc('s-maxage=100'), 'Expires: {+60}') })
    .expect({ freshFor: 100 }),
  rule('§4.2.1', 'Expires beats s-maxage in a private cache')
    .given({ policy: PRIVATE, origin: ok(cc('s-maxage=100'), 'Expires: {+60}') })
    .expect({ freshFor: 60 }),
  rule('§5.3', 'max-age beats Expires')
    .given({ origin: ok(cc('max-age=60'), 'Expires: {+100}') })
    .expect({ freshFor: 60 }),
  rule('§5.3', 'max-age=0 is a value: it beats Expires')
    .given({ origin: ok(cc('max-age=0'), 'Expires: {+100}', 'ETag: "a"') })
    .expect({ freshFor: 0 }),

  ...MALFORMED_SECONDS.map(value =>
    rule('§4.2.1', `max-age=${value} is malformed and stale at once`)
      .given({ origin: ok(cc(`max-age=${value}`), 'Expires: {+100}', 'ETag: "a"') })
      .expect({ freshFor: 0 })
  ),
  rule('§4.2.1', 'max-age without a value is malformed and stale at once')
    .given({ origin: ok(cc('max-age, public'), 'Expires: {+100}', 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§4.2.1', 'a malformed s-maxage is stale at once in a shared cache')
    .given({ origin: ok(cc('max-age=60, s-maxage=x'), 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§4.2.1', 'a malformed s-maxage means nothing to a private cache')
    .given({ policy: PRIVATE, origin: ok(cc('max-age=60, s-maxage=x')) })
    .expect({ freshFor: 60 }),
  rule('§5.2', 'a quoted max-age counts')
    .given({ origin: ok(cc('max-age="60"')) })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.4', 'a quoted max-age with an escape counts')
    .given({ origin: ok(cc('max-age="6\\0"')) })
    .expect({ freshFor: 60 }),
  rule('§5.2', 'names of directives are compared without regard to case')
    .given({ origin: ok(cc('Max-Age=60')) })
    .expect({ freshFor: 60 }),
  ...['max-age = 60', 'max-age= 60', 'max-age =60', 'foo bar, max-age=60', 'a="b, max-age=60', 'max-age=60 0'].map(
    value =>
      rule('§5.2', `what is damaged grants no lifetime, nor does Expires in its place: ${value}`)
        .given({ origin: ok(cc(value), 'Expires: {+60}', 'Last-Modified: {-5000}') })
        .expect({ response: 'store storable', freshFor: 0 })
  ),
  ...['max-age=60, foo bar', 'max-age=60, a="b', 'max-age=60, \u00a0', 'max-age=60, max-age=90 0, s-maxage=9 9'].map(
    value =>
      rule('§5.2', `what stands before the damage counts: ${value}`)
        .given({ origin: ok(cc(value)) })
        .expect({ freshFor: 60 })
  ),
  ...['max-age=60, a="b, c", d', 'a="\\"", max-age=60', 'a="\u00e4", max-age=60', '\t,max-age="60" ,'].map(value =>
    rule('§5.2', `is not damaged: ${value}`)
      .given({ origin: ok(cc(value)) })
      .expect({ freshFor: 60 })
  ),
  rule('RFC 9110 §5.6.1', 'empty members of Cache-Control are passed over')
    .given({ origin: ok(cc(', ,max-age=60,')) })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.3', 'tabs are white space')
    .given({ origin: ok(cc('public,\tmax-age=60\t,foo')) })
    .expect({ freshFor: 60 }),
  rule('§1.2.2', 'leading zeros do not matter')
    .given({ origin: ok(cc('max-age=0060')) })
    .expect({ freshFor: 60 }),
  rule('§1.2.2', '2^31 seconds are taken as they are')
    .given({ origin: ok(cc('max-age=2147483648')) })
    .expect({ freshFor: 2_147_483_648 }),
  rule('§1.2.2', '2^31 - 1 seconds are taken as they are')
    .given({ origin: ok(cc('max-age=2147483647')) })
    .expect({ freshFor: 2_147_483_647 }),
  ...['2147483649', '9999999999', '99999999999999999999', '9'.repeat(400)].map(value =>
    rule('§1.2.2', `${value.slice(0, 24)} seconds, ${value.length} digits, count as 2^31`)
      .given({ origin: ok(cc(`max-age=${value}`)) })
      .expect({ freshFor: 2_147_483_648 })
  ),
  rule('§4.2.1', 'of two max-age the first counts')
    .given({ origin: ok(cc('max-age=60, max-age=100')) })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', 'of two max-age on two lines the first counts')
    .given({ origin: ok(cc('max-age=60'), cc('max-age=0')) })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', 'a malformed max-age before a good one is stale at once')
    .given({ origin: ok(cc('max-age=x, max-age=60'), 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§5.2.3', 'directives that are not known are passed over')
    .given({ origin: ok(cc('foo, bar=baz, max-age=60, __proto__=1, constructor')) })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.4', 'max-age within a quoted string is no directive')
    .given({ origin: ok(cc('ext="a, max-age=5", max-age=60')) })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.4', 'an escaped quotation mark does not end a quoted string')
    .given({ origin: ok(cc('ext="a\\", max-age=5, \\"", max-age=60')) })
    .expect({ freshFor: 60 }),
  rule('§5.4', 'Pragma means nothing in a response')
    .given({ origin: ok('Pragma: no-cache', 'Expires: {+60}') })
    .expect({ freshFor: 60 }),

  rule('§5.3', 'Expires alone is the lifetime')
    .given({ origin: ok('Expires: {+60}', 'Date: {0}') })
    .expect({ freshFor: 60 }),
  rule('§5.3', 'without a Date Expires counts from the arrival')
    .given({ origin: ok('Expires: {+60}') })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', "Expires counts from the origin's Date, and the way here is age")
    .given({ origin: ok('Expires: {+50}', 'Date: {-10}') })
    .expect({ freshFor: 50, response: 'store storable' }),
  rule('§4.2.1', 'Expires counts from the Date of an origin whose clock is ahead')
    .given({ origin: ok('Expires: {+70}', 'Date: {+10}') })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', 'a Date that is none leaves Expires to the arrival')
    .given({ origin: ok('Expires: {+60}', 'Date: yesterday') })
    .expect({ freshFor: 60 }),
  rule('§5.3', 'an Expires in the past is stale at once')
    .given({ origin: ok('Expires: {-60}', 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§5.3', 'an Expires equal to Date is stale at once')
    .given({ origin: ok('Expires: {0}', 'Date: {0}', 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  ...['0', '-1', '', 'tomorrow', 'Thu, 32 Jan 2099 00:00:00 GMT', 'Thu, 01 Jan 2099 00:00:00 CET'].map(value =>
    rule('§5.3', `"Expires: ${value}" is no date: stale at once, heuristic or not`)
      .given({ origin: ok(`Expires: ${value}`, 'Last-Modified: {-1000}') })
      .expect({ freshFor: 0 })
  ),
  rule('§5.3', 'a malformed Expires is still explicit')
    .given({ origin: status(302, 'Expires: 0', 'ETag: "a"') })
    .expect({ response: 'store storable', freshFor: 0 }),
  rule('§4.2.1', 'of two Expires the first counts')
    .given({ origin: ok('Expires: {+60}', 'Expires: {+100}') })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.7', 'Expires may be an RFC 850 date')
    .given({ origin: ok('Expires: Thursday, 15-Jan-26 12:01:00 GMT') })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.7', 'Expires may be an asctime date')
    .given({ origin: ok('Expires: Thu Jan 15 12:01:00 2026') })
    .expect({ freshFor: 60 }),
  rule('RFC 9110 §5.6.7', 'the case of a date does not matter')
    .given({ origin: ok('Expires: thu, 15 JAN 2026 12:01:00 gmt') })
    .expect({ freshFor: 60 }),
  rule('§4.2.1', 'must-revalidate and public say nothing about how long')
    .given({ origin: ok(cc('must-revalidate, public'), 'Expires: {+60}') })
    .expect({ freshFor: 60 })
]

export const heuristicFreshness: readonly Row[] = [
  ...[200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].map(code =>
    rule('§4.2.2', `a ${code} that says nothing is fresh for a tenth of the time since Last-Modified`)
      .given({ origin: status(code, 'Last-Modified: {-1000}') })
      .expect({ response: 'store storable', freshFor: 100 })
  ),
  rule('§4.2.2', 'a tenth of a second is a tenth of a second')
    .given({ origin: ok('Last-Modified: {-1}') })
    .expect({ freshFor: 0.1 }),
  rule('§4.2.2', 'the heuristic gives at most a day')
    .given({ origin: ok('Last-Modified: {-10000000}') })
    .expect({ freshFor: 86_400 }),
  rule('§4.2.2', 'the heuristic gives at most maxHeuristicSeconds')
    .given({ policy: { maxHeuristicSeconds: 50 }, origin: ok('Last-Modified: {-1000}') })
    .expect({ freshFor: 50 }),
  rule('§4.2.2', 'maxHeuristicSeconds: 0 switches the heuristic off')
    .given({ policy: { maxHeuristicSeconds: 0 }, origin: ok('Last-Modified: {-1000}') })
    .expect({ freshFor: 0 }),
  rule('§4.2.2', 'the heuristic counts up to Date, and the way here is age')
    .given({ origin: ok('Last-Modified: {-1010}', 'Date: {-10}') })
    .expect({ freshFor: 90 }),
  rule('§4.2.2', 'a Last-Modified in the future is stale at once')
    .given({ origin: ok('Last-Modified: {+1000}') })
    .expect({ freshFor: 0 }),
  rule('§4.2.2', 'a Last-Modified after Date is stale at once')
    .given({ origin: ok('Last-Modified: {-5}', 'Date: {-10}') })
    .expect({ freshFor: 0 }),
  rule('§4.2.2', 'a Last-Modified that is no date is stale at once')
    .given({ origin: ok('Last-Modified: last week') })
    .expect({ response: 'store storable', freshFor: 0 }),
  rule('§4.2.2', 'of two Last-Modified the first counts')
    .given({ origin: ok('Last-Modified: {-1000}', 'Last-Modified: {-2000}') })
    .expect({ freshFor: 100 }),
  rule('§4.2.2', 'no heuristic where a lifetime is stated')
    .given({ origin: ok('Last-Modified: {-1000}', cc('max-age=5')) })
    .expect({ freshFor: 5 }),
  ...[302, 403, 599].map(code =>
    rule('§4.2.2', `a ${code} that is public has a heuristic lifetime`)
      .given({ origin: status(code, cc('public'), 'Last-Modified: {-1000}') })
      .expect({ response: 'store storable', freshFor: 100 })
  ),
  rule('§4.2.2', 'a private 302 has no heuristic lifetime')
    .given({ policy: PRIVATE, origin: status(302, cc('private'), 'Last-Modified: {-1000}') })
    .expect({ response: 'store storable', freshFor: 0 }),
  rule('§4.2.2', 's-maxage leaves a private cache to its heuristic')
    .given({ policy: PRIVATE, origin: ok(cc('s-maxage=5'), 'Last-Modified: {-1000}') })
    .expect({ freshFor: 100 }),

  rule('§4.2.2', 'defaultFreshnessSeconds is the lifetime of what says nothing')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok() })
    .expect({ response: 'store storable', freshFor: 30 }),
  rule('§4.2.2', 'defaultFreshnessSeconds takes the place of the heuristic')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok('Last-Modified: {-1000}') })
    .expect({ freshFor: 30 }),
  rule('§4.2.2', 'defaultFreshnessSeconds: Infinity is fresh for good')
    .given({ policy: { defaultFreshnessSeconds: Infinity }, origin: ok() })
    .expect({ freshFor: Infinity, entry: { keptFor: Infinity } }),
  rule('§4.2.2', 'defaultFreshnessSeconds: 0 is stale at once')
    .given({ policy: { defaultFreshnessSeconds: 0 }, origin: ok('Last-Modified: {-1000}') })
    .expect({ freshFor: 0 }),
  rule('§4.2.2', 'defaultFreshnessSeconds gives way to a stated lifetime')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok(cc('max-age=60')) })
    .expect({ freshFor: 60 }),
  rule('§4.2.2', 'defaultFreshnessSeconds gives way to a stated lifetime of 0')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok(cc('max-age=0'), 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§4.2.2', 'defaultFreshnessSeconds is not for a status without a heuristic')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: status(302) })
    .expect({ response: 'forward no-freshness' }),
  rule('§4.2.2', 'defaultFreshnessSeconds is for a status that the policy lists')
    .given({ policy: { defaultFreshnessSeconds: 30, statusCodes: [200, 302] }, origin: status(302) })
    .expect({ response: 'store storable', freshFor: 30 }),
  rule('§4.2.2', 'defaultFreshnessSeconds is for a public response of any status')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: status(302, cc('public')) })
    .expect({ response: 'store storable', freshFor: 30 }),
  rule('§5.2.2.5', 'defaultFreshnessSeconds gives way to no-store')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok(cc('no-store')) })
    .expect({ response: 'forward no-store' }),
  rule('§5.2.2.4', 'defaultFreshnessSeconds gives way to no-cache')
    .given({ policy: { defaultFreshnessSeconds: 30 }, origin: ok(cc('no-cache'), 'ETag: "a"'), next: get() })
    .expect({ response: 'store storable', next: 'revalidate no-cache' })
]
