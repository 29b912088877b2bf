import { cc, ok, PRIVATE, type Row, rule, status } from './row.ts'

const CDN = { targetList: ['cdn-cache-control'] }
const TWO = { targetList: ['my-cache-control', 'cdn-cache-control'] }

/** A week by Cache-Control, which counts where no targeted field does. */
function week(...lines: string[]) {
  return ok(cc('max-age=604800'), 'ETag: "a"', ...lines)
}

const WEEK = { freshFor: 604_800 }

export const targeted: readonly Row[] = [
  rule('RFC 9213 §2.2', 'a targeted field beats Cache-Control')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9213 §2.2', 'a targeted field that is not in the list means nothing')
    .given({ origin: week('CDN-Cache-Control: max-age=60') })
    .expect(WEEK),
  rule('RFC 9213 §2.2', 'a targeted field silences every directive of Cache-Control')
    .given({ policy: CDN, origin: ok(cc('no-store, private, s-maxage=5'), 'CDN-Cache-Control: max-age=60') })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('RFC 9213 §2.2', 'no-store in a targeted field counts')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: no-store') })
    .expect({ response: 'forward no-store' }),
  rule('RFC 9213 §2.2', 'private in a targeted field counts')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: private, max-age=60') })
    .expect({ response: 'forward private' }),
  rule('RFC 9213 §2.2', 'a targeted field silences Expires')
    .given({ policy: CDN, origin: ok('Expires: {+100}', 'Last-Modified: {-1000}', 'CDN-Cache-Control: public') })
    .expect({ freshFor: 100, response: 'store storable' }),
  rule('RFC 9213 §2.2', 'a targeted field without a lifetime leaves an Expires in the past to the heuristic')
    .given({ policy: CDN, origin: ok('Expires: 0', 'Last-Modified: {-2000}', 'CDN-Cache-Control: public') })
    .expect({ freshFor: 200 }),
  rule('RFC 9213 §2.2', 's-maxage in a targeted field beats its max-age')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=5, s-maxage=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9213 §2.2', 'a private cache may have a target list')
    .given({ policy: { ...PRIVATE, ...CDN }, origin: week('CDN-Cache-Control: max-age=60, s-maxage=5') })
    .expect({ freshFor: 60 }),
  rule('RFC 9213 §2.2', 'the first field of the list counts, in whatever order they come')
    .given({ policy: TWO, origin: week('CDN-Cache-Control: max-age=5', 'My-Cache-Control: max-age=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9213 §2.2', 'the second field of the list counts where the first is absent')
    .given({ policy: TWO, origin: week('CDN-Cache-Control: max-age=60') })
    .expect({ freshFor: 60 }),
  ...['', 'max-age=60,', 'max-age=60 public', 'Max-Age=60', 'max-age=', '"max-age"', 'max-age=60;=1', '(a)', ','].map(
    value =>
      rule('RFC 9213 §2.1', `"${value}" is no Dictionary: the next field of the list counts`)
        .given({ policy: TWO, origin: week(`My-Cache-Control: ${value}`, 'CDN-Cache-Control: max-age=60') })
        .expect({ freshFor: 60 })
  ),
  rule('RFC 9213 §2.2', 'Cache-Control counts where no field of the list is valid')
    .given({ policy: TWO, origin: week('My-Cache-Control: ?', 'CDN-Cache-Control:') })
    .expect(WEEK),
  ...['max-age="60"', 'max-age=sixty', 'max-age', 'max-age=?1', 'max-age=60.0', 'max-age=60.5', 'max-age=:NjA=:'].map(
    value =>
      rule('RFC 9213 §2.1', `${value} is of another type than Integer: the directive is passed over, the field counts`)
        .given({ policy: CDN, origin: week(`CDN-Cache-Control: ${value}, public`, 'Last-Modified: {-1000}') })
        .expect({ freshFor: 100 })
  ),
  ...['s-maxage', 'stale-while-revalidate', 'stale-if-error'].map(name =>
    rule('RFC 9213 §2.1', `${name} is an Integer too`)
      .given({ policy: CDN, origin: ok(`CDN-Cache-Control: max-age=0, ${name}="60"`) })
      .expect({ response: 'forward no-freshness' })
  ),
  rule('RFC 9213 §2.1', 'a negative max-age is stale at once')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=-60') })
    .expect({ freshFor: 0 }),
  rule('RFC 9213 §2.1', 'a directive that is ?0 is not given')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: no-store=?0, max-age=60') })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('RFC 9213 §2.1', 'a directive that is ?1 is given')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: no-store=?1, max-age=60') })
    .expect({ response: 'forward no-store' }),
  rule('RFC 9213 §2.1', 'parameters are passed over')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=60;a=1; b;c="x", public;d') })
    .expect({ freshFor: 60 }),
  rule('RFC 9651 §4.2.2', 'of two directives of one name the last counts')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=5, max-age=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9651 §4.2', 'two lines are one Dictionary')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: public', 'CDN-Cache-Control: max-age=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9651 §3.1.1', 'extensions may be lists and byte sequences')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: a=(1 "b" c);d, e=:eA==:, f=(), max-age=60') })
    .expect({ freshFor: 60 }),
  rule('RFC 9213 §2.1', 'no-cache of a type that can not be read is no-cache')
    .given({ policy: CDN, origin: ok('CDN-Cache-Control: max-age=60, no-cache=(a)') })
    .expect({ response: 'forward no-freshness' }),
  rule('RFC 9213 §2.1', 'no-cache may be a String that names fields')
    .given({
      policy: CDN,
      origin: ok('CDN-Cache-Control: max-age=60, no-cache="x-a, x-b"', 'X-A: 1', 'X-B: 1', 'X-C: 1')
    })
    .expect({ freshFor: 60, entry: { lacks: ['x-a', 'x-b'], has: ['X-C: 1'] } }),
  rule('RFC 9213 §2.1', 'no-cache may be a Token that names a field')
    .given({ policy: CDN, origin: ok('CDN-Cache-Control: max-age=60, no-cache=x-a', 'X-A: 1') })
    .expect({ freshFor: 60, entry: { lacks: ['x-a'] } }),
  rule('RFC 9213 §2.1', 'must-understand in a targeted field lifts its no-store')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: must-understand, no-store, max-age=60') })
    .expect({ response: 'store storable' }),
  rule('RFC 9213 §2.2', 'must-revalidate in Cache-Control is silent')
    .given({
      policy: CDN,
      origin: ok(cc('must-revalidate'), 'CDN-Cache-Control: max-age=0, stale-while-revalidate=60')
    })
    .expect({ response: 'store storable', entry: { keptFor: 60 } }),
  rule('RFC 9213 §2.2', 'a 302 with a targeted lifetime is stored')
    .given({ policy: CDN, origin: status(302, 'CDN-Cache-Control: max-age=60') })
    .expect({ response: 'store storable', freshFor: 60 }),
  rule('RFC 9213 §2.2', 'the targeted field is stored, and sent on')
    .given({ policy: CDN, origin: week('CDN-Cache-Control: max-age=60') })
    .expect({ entry: { has: ['CDN-Cache-Control: max-age=60', 'Cache-Control: max-age=604800'] } })
]
