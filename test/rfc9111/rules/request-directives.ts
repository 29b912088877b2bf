import { ago, cc, get, ok, PRIVATE, type Row, rule, send, to } from './row.ts'

const MINUTE = ok(cc('max-age=60'), 'ETag: "a"')

export const requestDirectives: readonly Row[] = [
  rule('§5.2.1.1', 'max-age is met by a response of that age')
    .given({ stored: ago(10, MINUTE), request: get(cc('max-age=10')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.1.1', 'max-age is not met by a response a millisecond older')
    .given({ stored: ago(10.001, MINUTE), request: get(cc('max-age=10')) })
    .expect({ request: 'revalidate request-max-age', sends: ['If-None-Match: "a"'] }),
  rule('§5.2.1.1', 'max-age=0 asks for a validation')
    .given({ stored: ago(1, MINUTE), request: get(cc('max-age=0')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'max-age=0 asks for a validation of what has come in the same millisecond')
    .given({ stored: ago(0, MINUTE), request: get(cc('max-age=0')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'a malformed max-age is max-age=0')
    .given({ stored: ago(1, MINUTE), request: get(cc('max-age=never')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'max-age without a value is max-age=0')
    .given({ stored: ago(1, MINUTE), request: get(cc('max-age')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'a quoted max-age in a request counts')
    .given({ stored: ago(11, MINUTE), request: get(cc('max-age="10"')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'max-age makes nothing stale fresh')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-age=100')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.1', 'max-age asks for a fresh response: none within its stale-while-revalidate window')
    .given({
      stored: ago(70, ok(cc('max-age=60, stale-while-revalidate=60'), 'ETag: "a"')),
      request: get(cc('max-age=100'))
    })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.1', 'max-age=0 asks for a fresh response even where none is older')
    .given({ stored: ago(0, ok(cc('max-age=0, stale-while-revalidate=60'))), request: get(cc('max-age=0')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'of two max-age in a request the first counts')
    .given({ stored: ago(10, MINUTE), request: get(cc('max-age=5, max-age=50')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'names of directives in a request are compared without regard to case')
    .given({ stored: ago(10, MINUTE), request: get(cc('MAX-AGE=5')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'max-age on a second line counts')
    .given({ stored: ago(10, MINUTE), request: get(cc('no-transform'), cc('max-age=5')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.1', 'max-age counts the Age that came')
    .given({ stored: ago(1, ok(cc('max-age=60'), 'Age: 10')), request: get(cc('max-age=10')) })
    .expect({ request: 'revalidate request-max-age', sends: [] }),

  rule('§5.2.1.2', 'max-stale accepts a response that went stale that long ago')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-stale=10')) })
    .expect({ request: 'hit max-stale', answer: { age: 70 } }),
  rule('§5.2.1.2', 'max-stale does not accept a response that went stale a millisecond earlier')
    .given({ stored: ago(70.001, MINUTE), request: get(cc('max-stale=10')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.2', 'max-stale without a value accepts any staleness')
    .given({ stored: ago(1e8, MINUTE), request: get(cc('max-stale')) })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.1.2', 'max-stale with an empty value accepts nothing stale')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-stale=')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.2', 'a malformed max-stale accepts nothing stale')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-stale=forever')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.2', 'max-stale=0 accepts what goes stale now')
    .given({ stored: ago(60, MINUTE), request: get(cc('max-stale=0')) })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.1.2', 'max-stale does not make a fresh response stale')
    .given({ stored: ago(10, MINUTE), request: get(cc('max-stale')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.2.2', 'max-stale gives way to must-revalidate')
    .given({ stored: ago(70, ok(cc('max-age=60, must-revalidate'))), request: get(cc('max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.2.8', 'max-stale gives way to proxy-revalidate in a shared cache')
    .given({ stored: ago(70, ok(cc('max-age=60, proxy-revalidate'))), request: get(cc('max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.2.8', 'max-stale does not give way to proxy-revalidate in a private cache')
    .given({
      policy: PRIVATE,
      stored: ago(70, ok(cc('max-age=60, proxy-revalidate'))),
      request: get(cc('max-stale'))
    })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.2.10', 'max-stale gives way to s-maxage in a shared cache')
    .given({ stored: ago(70, ok(cc('s-maxage=60'))), request: get(cc('max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.2.10', 's-maxage forbids nothing in a private cache')
    .given({ policy: PRIVATE, stored: ago(70, ok(cc('max-age=60, s-maxage=60'))), request: get(cc('max-stale')) })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.2.4', 'max-stale gives way to no-cache')
    .given({ stored: ago(70, ok(cc('max-age=60, no-cache'), 'ETag: "a"')), request: get(cc('max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.1', 'max-stale does not lift max-age for a stale response')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-age=65, max-stale=10')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.2', 'beside max-stale, max-age accepts a stale response of no greater age')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-age=70, max-stale=10')) })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.1.1', 'max-stale does not lift max-age for a fresh response')
    .given({ stored: ago(10, MINUTE), request: get(cc('max-age=5, max-stale=10')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('§5.2.1.2', 'beyond max-stale the stale-while-revalidate window is no use')
    .given({
      stored: ago(70.001, ok(cc('max-age=60, stale-while-revalidate=60'))),
      request: get(cc('max-stale=10'))
    })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.2', 'within max-stale the stale-while-revalidate window of s-maxage is of use')
    .given({
      stored: ago(80, ok(cc('s-maxage=60, stale-while-revalidate=60'))),
      request: get(cc('max-stale=20'))
    })
    .expect({ request: 'stale-while-revalidate stale-while-revalidate' }),

  rule('§5.2.1.3', 'min-fresh is met by a response that is fresh that long')
    .given({ stored: ago(10, MINUTE), request: get(cc('min-fresh=50')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.1.3', 'min-fresh is not met by a response that is fresh a millisecond less')
    .given({ stored: ago(10.001, MINUTE), request: get(cc('min-fresh=50')) })
    .expect({ request: 'revalidate request-min-fresh' }),
  rule('§5.2.1.3', 'a malformed min-fresh is met by nothing')
    .given({ stored: ago(10, MINUTE), request: get(cc('min-fresh=long')) })
    .expect({ request: 'revalidate request-min-fresh' }),
  rule('§5.2.1.3', 'any min-fresh is met by what is fresh for good')
    .given({
      policy: { defaultFreshnessSeconds: Infinity },
      stored: ago(10, ok()),
      request: get(cc('min-fresh=99999999'))
    })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.1.3', 'min-fresh leaves max-stale nothing to accept')
    .given({ stored: ago(70, MINUTE), request: get(cc('min-fresh=0, max-stale')) })
    .expect({ request: 'revalidate request-min-fresh' }),
  rule('§5.2.1.3', 'min-fresh is not for the stale-while-revalidate window')
    .given({ stored: ago(70, ok(cc('max-age=60, stale-while-revalidate=60'))), request: get(cc('min-fresh=1')) })
    .expect({ request: 'revalidate request-min-fresh' }),

  rule('§5.2.1.4', 'no-cache asks for a validation')
    .given({ stored: ago(0, MINUTE), request: get(cc('no-cache')) })
    .expect({ request: 'revalidate request-no-cache', sends: ['If-None-Match: "a"'] }),
  rule('§5.2.1.4', 'no-cache with an argument is no-cache')
    .given({ stored: ago(0, MINUTE), request: get(cc('no-cache="x"')) })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('§5.2.1.4', 'no-cache gives way to no max-stale')
    .given({ stored: ago(70, MINUTE), request: get(cc('max-stale, no-cache')) })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('§5.2.1.4', 'no-cache without anything stored is a miss')
    .given({ request: get(cc('no-cache')) })
    .expect({ request: 'miss uri-miss' }),
  rule('§5.4', 'Pragma: no-cache is no-cache where there is no Cache-Control')
    .given({ stored: ago(0, MINUTE), request: get('Pragma: no-cache') })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('§5.4', 'Pragma: No-Cache among others is no-cache')
    .given({ stored: ago(0, MINUTE), request: get('Pragma: foo=1, No-Cache') })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('§5.4', 'Pragma is silent beside Cache-Control')
    .given({ stored: ago(0, MINUTE), request: get('Pragma: no-cache', cc('max-age=10')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.4', 'another Pragma means nothing')
    .given({ stored: ago(0, MINUTE), request: get('Pragma: no-store, cache') })
    .expect({ request: 'hit fresh' }),

  rule('§5.2.1.5', 'no-store goes past what is stored')
    .given({ stored: ago(10, MINUTE), request: get(cc('no-store')) })
    .expect({ request: 'bypass request-no-store' }),
  rule('§5.2.1.5', 'no-store beside others goes past what is stored')
    .given({ stored: ago(10, MINUTE), request: get(cc('max-age=100'), cc('No-Store')) })
    .expect({ request: 'bypass request-no-store' }),
  rule('§5.2.1.5', 'no-store leaves what is stored alone')
    .given({ stored: ago(10, MINUTE), request: get(cc('no-store')), origin: ok(cc('max-age=5')), next: get() })
    .expect({ response: 'forward request-no-store', next: 'hit fresh' }),
  rule('§5.2.1.6', 'no-transform asks nothing of a cache that transforms nothing')
    .given({ stored: ago(10, MINUTE), request: get(cc('no-transform')) })
    .expect({ request: 'hit fresh' }),

  rule('§5.2.1.7', 'only-if-cached is content with what is fresh')
    .given({ stored: ago(10, MINUTE), request: get(cc('only-if-cached')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.1.7', 'only-if-cached does not go to the origin for what is not stored')
    .given({ request: get(cc('only-if-cached')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  ...['Range: bytes=0-1', 'If-Match: "a"', 'If-Unmodified-Since: Mon, 05 Jan 2026 00:00:00 GMT'].map(line =>
    rule('§5.2.1.7', `only-if-cached does not go to the origin with ${line}`)
      .given({ request: get(line, cc('only-if-cached')) })
      .expect({ request: 'unsatisfiable only-if-cached' })
  ),
  rule('§5.2.1.7', 'only-if-cached does not go to the origin for what is not to be stored')
    .given({ request: get(cc('only-if-cached, no-store')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§5.2.1.7', 'only-if-cached does not go to the origin for what is stale')
    .given({ stored: ago(70, MINUTE), request: get(cc('only-if-cached')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§5.2.1.7', 'only-if-cached does not go to the origin for what must be validated')
    .given({ stored: ago(10, ok(cc('max-age=60, no-cache'), 'ETag: "a"')), request: get(cc('only-if-cached')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§5.2.1.7', 'only-if-cached does not go to the origin for another variant')
    .given({
      stored: ago(10, ok(cc('max-age=60'), 'Vary: Accept'), get('Accept: a/b')),
      request: get('Accept: c/d', cc('only-if-cached'))
    })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§5.2.1.7', 'only-if-cached with max-stale is content with what is stale')
    .given({ stored: ago(70, MINUTE), request: get(cc('only-if-cached, max-stale')) })
    .expect({ request: 'hit max-stale' }),
  rule('§5.2.1.7', 'only-if-cached does not start a revalidation behind a stale answer')
    .given({
      stored: ago(70, ok(cc('max-age=60, stale-while-revalidate=60'))),
      request: get(cc('only-if-cached'))
    })
    .expect({ request: 'hit stale-while-revalidate', answer: { age: 70 } }),
  rule('§5.2.1.7', 'only-if-cached with no-cache can not be met')
    .given({ stored: ago(10, MINUTE), request: get(cc('only-if-cached, no-cache')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),

  rule('RFC 8246 §2', 'immutable beats max-age=0 as long as it is fresh')
    .given({ stored: ago(10, ok(cc('max-age=60, immutable'))), request: get(cc('max-age=0')) })
    .expect({ request: 'hit fresh' }),
  rule('RFC 8246 §2', 'immutable does not beat another max-age')
    .given({ stored: ago(10, ok(cc('max-age=60, immutable'))), request: get(cc('max-age=1')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('RFC 8246 §2', 'immutable does not beat no-cache')
    .given({ stored: ago(10, ok(cc('max-age=60, immutable'))), request: get(cc('no-cache')) })
    .expect({ request: 'revalidate request-no-cache' }),
  rule('RFC 8246 §2', 'immutable ends with the lifetime')
    .given({ stored: ago(60, ok(cc('max-age=60, immutable'))), request: get(cc('max-age=0')) })
    .expect({ request: 'revalidate request-max-age' }),
  rule('RFC 8246 §2', 'immutable does not beat min-fresh')
    .given({ stored: ago(10, ok(cc('max-age=60, immutable'))), request: get(cc('max-age=0, min-fresh=51')) })
    .expect({ request: 'revalidate request-min-fresh' }),

  rule('§5.2.2.4', 'no-cache in a response asks for a validation each time')
    .given({ stored: ago(1, ok(cc('max-age=60, no-cache'), 'ETag: "a"')) })
    .expect({ request: 'revalidate no-cache', sends: ['If-None-Match: "a"'] }),
  rule('§5.2.2.4', 'no-cache in a response without a validator forbids storing')
    .given({ origin: ok(cc('max-age=60, no-cache, stale-while-revalidate=60')) })
    .expect({ response: 'forward no-freshness' }),
  rule('§5.2.2.4', 'no-cache with fields leaves the rest reusable')
    .given({ stored: ago(1, ok(cc('max-age=60, no-cache="x-user"'))) })
    .expect({ request: 'hit fresh' }),
  ...['no-cache=""', 'no-cache=', 'no-cache="x-user', 'no-cache="x-user", no-cache', 'no-cache, no-cache="x-user"'].map(
    directive =>
      rule('§5.2.2.4', `${directive} is no-cache without fields`)
        .given({ stored: ago(1, ok(cc('max-age=60'), cc(directive), 'Last-Modified: {-5000}')) })
        .expect({ request: 'revalidate no-cache' })
  ),
  rule('§5.2.2.4', 'no-cache asks for a validation to the last millisecond of the lifetime')
    .given({ stored: ago(59.999, ok(cc('max-age=60, no-cache'), 'ETag: "a"')) })
    .expect({ request: 'revalidate no-cache' }),
  rule('§5.2.2.4', 'with the end of its lifetime what says no-cache is simply stale')
    .given({ stored: ago(60, ok(cc('max-age=60, no-cache'), 'ETag: "a"')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.2.4', 'what went stale in spite of no-cache is stale')
    .given({ stored: ago(70, ok(cc('max-age=60, no-cache'), 'ETag: "a"')) })
    .expect({ request: 'revalidate stale' }),

  rule('§4', 'what is not stored is a miss').given({}).expect({ request: 'miss uri-miss' }),
  rule('§2', 'what is stored for another path is a miss')
    .given({ stored: ago(1, MINUTE), request: to('/y', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§2', 'what is stored for another query is a miss')
    .given({ stored: ago(1, MINUTE), request: to('/x?a', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§4', 'an unsafe method is written through')
    .given({ stored: ago(1, MINUTE), request: send('PUT') })
    .expect({ request: 'write-through unsafe-method' }),
  rule('§4', 'a method nobody knows is written through')
    .given({ stored: ago(1, MINUTE), request: send('FROBNICATE') })
    .expect({ request: 'write-through unsafe-method' }),
  rule('§4', 'only-if-cached keeps no unsafe method from the origin')
    .given({ request: send('POST', cc('only-if-cached')) })
    .expect({ request: 'write-through unsafe-method' }),
  ...['no-cache\u00a0', 'foo bar, no-cache', 'a="x, no-cache'].map(damage =>
    rule('§5.2.1.4', `no-cache in a damaged request is obeyed: ${damage}`)
      .given({ stored: ago(1, ok(cc('max-age=60'), 'ETag: "a"')), request: get(cc(damage)) })
      .expect({ request: 'revalidate request-no-cache' })
  ),
  rule('§5.2.1.2', 'max-stale in the damage of a request permits nothing')
    .given({ stored: ago(70, ok(cc('max-age=60'), 'ETag: "a"')), request: get(cc('foo bar, max-stale')) })
    .expect({ request: 'revalidate stale' }),
  rule('§5.2.1.1', 'max-age in the damage of a request is obeyed')
    .given({ stored: ago(9, ok(cc('max-age=60'), 'ETag: "a"')), request: get(cc('foo bar, max-age=5')) })
    .expect({ request: 'revalidate request-max-age' })
]
