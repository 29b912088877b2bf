import { ago, cc, get, notModified, ok, PRIVATE, type Row, rule, took, withPart } from './row.ts'

export const age: readonly Row[] = [
  rule('§4.2.3', 'the age is the time since the arrival')
    .given({ stored: ago(10, ok(cc('max-age=60'))) })
    .expect({ request: 'hit fresh', answer: { age: 10, sendsAge: true, freshFor: 50 } }),
  rule('§4.2.3', 'a response is fresh to the last millisecond')
    .given({ stored: ago(59.999, ok(cc('max-age=60'))) })
    .expect({ request: 'hit fresh', answer: { age: 59, freshFor: 0 } }),
  rule('§4.2.3', 'a response whose age equals its lifetime is stale')
    .given({ stored: ago(60, ok(cc('max-age=60'))) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.1', 'Age is in whole seconds, rounded down')
    .given({ stored: ago(10.999, ok(cc('max-age=60'))) })
    .expect({ answer: { age: 10, freshFor: 49 } }),
  rule('§5.1', 'a response that has just arrived is 0 seconds old')
    .given({ stored: ago(0, ok(cc('max-age=60'))) })
    .expect({ answer: { age: 0, sendsAge: true, freshFor: 60 } }),
  rule('§5.1', 'the Age that came is counted, and replaced in the answer')
    .given({ stored: ago(10, ok(cc('max-age=60'), 'Age: 5')) })
    .expect({ answer: { age: 15, freshFor: 45, lacks: ['age'], has: ['Cache-Control: max-age=60'] } }),
  rule('§4.2.3', 'Age shortens what is left')
    .given({ origin: ok(cc('max-age=60'), 'Age: 10') })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'a response older than its lifetime arrives stale')
    .given({ origin: ok(cc('max-age=60'), 'Age: 61', 'ETag: "a"') })
    .expect({ freshFor: 0 }),
  rule('§5.1', 'of a list in Age the first member counts')
    .given({ origin: ok(cc('max-age=60'), 'Age: 10 , 20') })
    .expect({ freshFor: 50 }),
  rule('§5.1', 'of two Age lines the first counts')
    .given({ origin: ok(cc('max-age=60'), 'Age: 10', 'Age: 20') })
    .expect({ freshFor: 50 }),
  ...['abc', '-5', '7.0', '', '"7"', ', 10', '10s'].map(value =>
    rule('§5.1', `"Age: ${value}" is malformed and passed over`)
      .given({ origin: ok(cc('max-age=60'), `Age: ${value}`) })
      .expect({ freshFor: 60 })
  ),
  rule('§1.2.2', 'an Age beyond 2^31 is old enough')
    .given({ origin: ok(cc('max-age=2147483648'), 'Age: 99999999999999999999', 'ETag: "a"') })
    .expect({ freshFor: 0 }),

  rule('§4.2.3', 'a Date in the past is age')
    .given({ origin: ok(cc('max-age=60'), 'Date: {-10}') })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'a Date in the future is no age')
    .given({ origin: ok(cc('max-age=60'), 'Date: {+10}') })
    .expect({ freshFor: 60 }),
  rule('§4.2.3', 'a Date that is none is passed over')
    .given({ origin: ok(cc('max-age=60'), 'Date: now') })
    .expect({ freshFor: 60 }),
  rule('§4.2.3', 'of two Date lines the first counts')
    .given({ origin: ok(cc('max-age=60'), 'Date: {-10}', 'Date: {-20}') })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'of Age and Date the greater age counts: Date')
    .given({ origin: ok(cc('max-age=60'), 'Age: 5', 'Date: {-10}') })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'of Age and Date the greater age counts: Age')
    .given({ origin: ok(cc('max-age=60'), 'Age: 20', 'Date: {-10}') })
    .expect({ freshFor: 40 }),
  rule('§4.2.3', 'the time that the origin took is age')
    .given({ origin: took(2500, ok(cc('max-age=60'))) })
    .expect({ freshFor: 57.5 }),
  rule('§4.2.3', 'the time that the origin took is added to Age')
    .given({ origin: took(2500, ok(cc('max-age=60'), 'Age: 10')) })
    .expect({ freshFor: 47.5 }),
  rule('§5.1', 'a malformed Age is 0 and takes nothing off the time that the origin took')
    .given({ origin: took(2500, ok(cc('max-age=60'), 'Age: abc')) })
    .expect({ freshFor: 57.5 }),
  rule('§4.2.3', 'the time that the origin took is not added to what Date tells')
    .given({ origin: took(2000, ok(cc('max-age=60'), 'Date: {-10}')) })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'a clock set back between request and response makes nothing younger')
    .given({ origin: took(-5000, ok(cc('max-age=60'), 'Age: 10')) })
    .expect({ freshFor: 50 }),
  rule('§4.2.3', 'a clock set back by a second since the arrival makes nothing younger')
    .given({ stored: ago(-1, ok(cc('max-age=60'), 'Age: 10')) })
    .expect({ request: 'hit fresh', answer: { age: 10 } }),
  ...[2, 30, 30 * 86_400].map(seconds =>
    rule('§4.2.3', `what arrived ${seconds} s ahead of a clock that was set back is stale, and validated`)
      .given({
        stored: ago(-seconds, ok(cc('max-age=60, stale-while-revalidate=60'), 'ETag: "a"')),
        origin: notModified('ETag: "a"'),
        next: get()
      })
      .expect({ request: 'revalidate stale', sends: ['If-None-Match: "a"'], updates: ['#1'], next: 'hit fresh' })
  ),
  rule('§4.2.3', 'what arrived ahead of the clock is not served to a request with max-stale')
    .given({ stored: ago(-30, ok(cc('max-age=60'), 'ETag: "a"')), request: get(cc('max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§4.2.3', 'a part that arrived ahead of the clock is not completed')
    .given({ stored: withPart(0, 4, 10, ago(-30, ok(cc('max-age=60'), 'ETag: "a"'))) })
    .expect({ request: 'miss partial' }),
  rule('§4.2.3', 'a Date has whole seconds: the rest of its second is no age')
    .given({ stored: ago(0.25, ok(cc('max-age=1'), 'Date: {0}')) })
    .expect({ request: 'hit fresh', answer: { age: 0 } }),
  rule('§4.2.3', 'a Date of the second of arrival is no age')
    .given({ origin: took(750, ok(cc('max-age=60'), 'Date: {0}')) })
    .expect({ freshFor: 59.25 }),
  rule('§4.2.3', 'the age is counted in private caches too')
    .given({ policy: PRIVATE, stored: ago(10, ok(cc('max-age=60'), 'Age: 10')) })
    .expect({ answer: { age: 20, freshFor: 40 } }),
  rule('§4.2', 'an answer of unlimited lifetime says so')
    .given({ policy: { defaultFreshnessSeconds: Infinity }, stored: ago(1e9, ok()) })
    .expect({ request: 'hit fresh', answer: { age: 1e9, freshFor: Infinity } }),
  rule('§4.2', 'a stale answer counts the seconds since it went stale')
    .given({ stored: ago(70.5, ok(cc('max-age=60'))), request: get(cc('max-stale')) })
    .expect({ request: 'hit max-stale', answer: { age: 70, freshFor: -11 } }),
  rule('RFC 9110 §6.6.1', 'a Date is added where there is none')
    .given({ origin: took(2900, ok(cc('max-age=60'))) })
    .expect({ entry: { has: ['Date: Thu, 15 Jan 2026 12:00:02 GMT'] } }),
  rule('RFC 9110 §6.6.1', 'a Date that came stays as it is')
    .given({ origin: ok(cc('max-age=60'), 'date: then') })
    .expect({ entry: { has: ['date: then'] } })
]
