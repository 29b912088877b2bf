import { ago, by, cc, get, ok, type Row, rule, type StoredSpec } from './row.ts'

/** Stored a second ago for a request with these lines, varying by this list. */
function variant(vary: string, ...lines: string[]): StoredSpec {
  return ago(1, ok(cc('max-age=60'), `Vary: ${vary}`), get(...lines))
}

const HIT = { request: 'hit fresh' } as const
const MISS = { request: 'miss vary-miss' } as const

export const vary: readonly Row[] = [
  rule('§4.1', 'an equal value matches')
    .given({ stored: variant('X-A', 'X-A: 1'), request: get('X-A: 1') })
    .expect(HIT),
  rule('§4.1', 'another value does not match')
    .given({ stored: variant('X-A', 'X-A: 1'), request: get('X-A: 2') })
    .expect(MISS),
  rule('§4.1', 'a field that Vary does not name makes no difference')
    .given({ stored: variant('X-A', 'X-A: 1', 'X-B: 1'), request: get('X-A: 1', 'X-B: 2') })
    .expect(HIT),
  rule('§4.1', 'absent matches absent')
    .given({ stored: variant('X-A'), request: get() })
    .expect(HIT),
  rule('§4.1', 'absent does not match present')
    .given({ stored: variant('X-A'), request: get('X-A: 1') })
    .expect(MISS),
  rule('§4.1', 'present does not match absent')
    .given({ stored: variant('X-A', 'X-A: 1'), request: get() })
    .expect(MISS),
  rule('§4.1', 'empty does not match absent')
    .given({ stored: variant('X-A', 'X-A:'), request: get() })
    .expect(MISS),
  rule('§4.1', 'empty matches empty')
    .given({ stored: variant('X-A', 'X-A:'), request: get('X-A:') })
    .expect(HIT),
  rule('§4.1', 'names in Vary are compared without regard to case')
    .given({ stored: variant('x-a', 'X-A: 1'), request: get('X-a: 1') })
    .expect(HIT),
  rule('§4.1', 'values are compared with regard to case')
    .given({ stored: variant('X-A', 'X-A: one'), request: get('X-A: One') })
    .expect(MISS),
  rule('§4.1', 'all the fields that Vary names have to match')
    .given({ stored: variant('X-A, X-B', 'X-A: 1', 'X-B: 1'), request: get('X-A: 1', 'X-B: 2') })
    .expect(MISS),
  rule('§4.1', 'the order of names in Vary makes no difference')
    .given({
      stored: variant('X-B, X-A', 'X-A: 1', 'X-B: 2'),
      request: get('X-B: 2', 'X-A: 1')
    })
    .expect(HIT),
  rule('§4.1', 'the selecting names are stored in lower case, sorted, without duplicates')
    .given({ origin: ok(cc('max-age=60'), 'Vary: X-B, , X-A', 'Vary: x-b') })
    .expect({ response: 'store storable', entry: { vary: ['x-a', 'x-b'] } }),
  rule('§4.1', 'an empty Vary names nothing')
    .given({ stored: variant('', 'X-A: 1'), request: get('X-A: 2') })
    .expect(HIT),
  rule('§4.1', 'without Vary any request matches')
    .given({ stored: ago(1, ok(cc('max-age=60')), get('X-A: 1')), request: get('X-A: 2') })
    .expect(HIT),
  rule('§4.1', 'names on two Vary lines count')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'Vary: X-A', 'Vary: X-B'), get('X-B: 1')),
      request: get('X-B: 2')
    })
    .expect(MISS),
  rule('§4.1', 'selecting names that are properties of every object are names like others')
    .given({
      stored: variant('__proto__, constructor, toString', 'constructor: 1'),
      request: get('constructor: 1')
    })
    .expect(HIT),
  rule('§4.1', 'a constructor field that differs does not match')
    .given({ stored: variant('constructor', 'constructor: 1'), request: get() })
    .expect(MISS),

  rule('§4.1', 'white space after commas makes no difference')
    .given({ stored: variant('Accept', 'Accept: a/b, c/d'), request: get('Accept: a/b,c/d') })
    .expect(HIT),
  rule('§4.1', 'white space before commas and tabs make no difference')
    .given({ stored: variant('Accept', 'Accept: a/b ,\tc/d'), request: get('Accept: a/b,c/d') })
    .expect(HIT),
  ...['Accept: a/b,, c/d', 'Accept: a/b, c/d,', 'Accept: ,a/b, c/d'].map(line =>
    rule('§4.1', `empty members make a difference: ${line}`)
      .given({ stored: variant('Accept', line), request: get('Accept: a/b,c/d') })
      .expect(MISS)
  ),
  rule('§4.1', 'empty members of Accept-Language make a difference')
    .given({ stored: variant('Accept-Language', 'Accept-Language: en,,de'), request: get('Accept-Language: en,de') })
    .expect(MISS),
  ...['Authorization', 'Proxy-Authorization', 'Cookie'].flatMap(name =>
    ['a, b', 'a,,b', 'a,b,', ',a,b', 'A,b', 'a ,b'].map(value =>
      rule('RFC 9110 §11.6.2', `${name} is compared byte for byte: ${value}`)
        .given({
          stored: ago(1, ok(cc('public, max-age=60'), `Vary: ${name}`), get(`${name}: a,b`)),
          request: get(`${name}: ${value}`)
        })
        .expect(MISS)
    )
  ),
  ...[
    'Accept-Encoding, User-Agent)',
    'cookie authorization',
    '"User-Agent"',
    'a, b=c',
    'a, \u00e4',
    'a;q=1',
    '"a, b'
  ].map(vary =>
    rule('§4.1', `a Vary with a member that is no field name counts like an asterisk: ${vary}`)
      .given({ origin: ok(cc('max-age=60'), `Vary: ${vary}`) })
      .expect({ response: 'forward vary-star' })
  ),
  rule('RFC 9110 §5.6.1', 'empty members of Vary say nothing')
    .given({ stored: ago(1, ok(cc('max-age=60'), 'Vary: , Accept, ,')), request: get() })
    .expect({ request: 'hit fresh' }),
  rule('§4.1', 'one line of two members matches two lines')
    .given({ stored: variant('Accept', 'Accept: a/b, c/d'), request: get('Accept: a/b', 'Accept: c/d') })
    .expect(HIT),
  rule('§4.1', 'the order of members counts')
    .given({ stored: variant('Accept', 'Accept: a/b, c/d'), request: get('Accept: c/d, a/b') })
    .expect(MISS),
  rule('§4.1', 'white space within a member counts')
    .given({ stored: variant('X-A', 'X-A: a b'), request: get('X-A: ab') })
    .expect(MISS),
  rule('§4.1', 'the amount of white space within a member counts')
    .given({ stored: variant('X-A', 'X-A: a  b'), request: get('X-A: a b') })
    .expect(MISS),
  rule('RFC 9110 §5.6.4', 'white space within a quoted string counts')
    .given({ stored: variant('X-A', 'X-A: "a, b"'), request: get('X-A: "a,b"') })
    .expect(MISS),
  rule('RFC 9110 §5.6.4', 'white space outside of quoted strings does not count')
    .given({ stored: variant('X-A', 'X-A: "a, b" , c'), request: get('X-A: "a, b",c') })
    .expect(HIT),
  rule('RFC 9110 §5.6.4', 'white space after an escaped quotation mark counts')
    .given({ stored: variant('X-A', 'X-A: "a\\", b"'), request: get('X-A: "a\\",b"') })
    .expect(MISS),
  rule('RFC 9110 §5.6.4', 'white space in an unfinished quoted string counts')
    .given({ stored: variant('X-A', 'X-A: "a, b'), request: get('X-A: "a,b') })
    .expect(MISS),

  ...(
    [
      ['en, de', 'en,de'],
      ['en-GB', 'EN-gb'],
      ['en, de', 'de, en'],
      ['en;q=0.5, de;q=0.5', 'de;q=0.5, en;q=0.5'],
      ['en;q=1.0, de', 'en, de;q=1'],
      ['en;q=0.50', 'en;q=0.5'],
      ['en ; q=0.5', 'en;q=0.5'],
      ['en;Q=0.5', 'en;q=0.5'],
      ['de;q=0.1, en', 'en, de;q=0.1'],
      ['fr, de;q=0.2, en', 'en, fr, de;q=0.2']
    ] as const
  ).map(([stored, request]) =>
    rule('§4.1', `Accept-Language "${stored}" is the same as "${request}"`)
      .given({
        stored: variant('Accept-Language', `Accept-Language: ${stored}`),
        request: get(`Accept-Language: ${request}`)
      })
      .expect(HIT)
  ),
  ...(
    [
      ['en, de', 'en'],
      ['en, de', 'fr;q=0.5, de;q=1.0'],
      ['en;q=0.5, de', 'en, de;q=0.5'],
      ['en;q=0.5', 'en;q=0.6'],
      ['en;q=0.5', 'en'],
      ['en;q=1..1', 'en;q=2..2'],
      ['en;q=x', 'en;q=y'],
      ['en;xq=0.5', 'en;q=0.5'],
      ['q=0.5', 'q=0.;q=0.5'],
      ['en;q=x', 'en'],
      ['en;q=0.5;a=b', 'en;q=0.5'],
      ['en;a=b', 'en'],
      ['en;q=2', 'en'],
      ['en', 'en-GB'],
      ['en;q=0.1234', 'en;q=0.1235']
    ] as const
  ).map(([stored, request]) =>
    rule('§4.1', `Accept-Language "${stored}" is not the same as "${request}"`)
      .given({
        stored: variant('Accept-Language', `Accept-Language: ${stored}`),
        request: get(`Accept-Language: ${request}`)
      })
      .expect(MISS)
  ),
  rule('§4.1', 'an absent Accept-Language does not match an empty one')
    .given({ stored: variant('Accept-Language'), request: get('Accept-Language:') })
    .expect(MISS),
  rule('§4.1', 'the case of other lists of preferences counts')
    .given({ stored: variant('Accept-Encoding', 'Accept-Encoding: gzip'), request: get('Accept-Encoding: GZIP') })
    .expect(MISS),

  rule('§4.1', 'each of many variants is found')
    .given({
      stored: ['1', '2', '3', '4'].map(value => variant('X-A', `X-A: ${value}`)),
      request: get('X-A: 3')
    })
    .expect({ request: 'hit fresh', answer: { from: '#3' } }),
  rule('§4.1', 'a new variant does not take the place of another')
    .given({
      stored: variant('X-A', 'X-A: 1'),
      request: get('X-A: 2'),
      origin: ok(cc('max-age=60'), 'Vary: X-A'),
      next: get('X-A: 1')
    })
    .expect({ request: 'miss vary-miss', response: 'store storable', next: 'hit fresh', nextAnswer: { from: '#1' } }),
  rule('§4.1', 'responses with different lists of names live side by side')
    .given({
      stored: [variant('X-A', 'X-A: 1'), variant('X-B', 'X-A: 2', 'X-B: 1')],
      request: get('X-A: 1', 'X-B: 9')
    })
    .expect({ request: 'hit fresh', answer: { from: '#1' } }),
  rule('§4', 'of several that match, the most recent is used, as Date has it')
    .given({
      stored: [
        ago(5, ok(cc('max-age=600'), 'Vary: X-A', 'Date: {-100}'), get('X-A: 1')),
        ago(20, ok(cc('max-age=600'), 'Vary: X-B', 'Date: {-10}'), get('X-A: 1'))
      ],
      request: get('X-A: 1')
    })
    .expect({ request: 'hit fresh', answer: { from: '#2', age: 30 } }),
  rule('§4', 'of several that match with one Date, the last to arrive is used')
    .given({
      stored: [
        ago(20, ok(cc('max-age=60'), 'Vary: X-A', 'Date: {0}')),
        ago(5, ok(cc('max-age=60'), 'Vary: X-B', 'Date: {-15}')),
        ago(10, ok(cc('max-age=60'), 'Vary: X-C', 'Date: {-10}'))
      ],
      request: get()
    })
    .expect({ request: 'hit fresh', answer: { from: '#2' } }),
  rule('§4', 'a most recent response that is stale is validated, not passed over for an older one')
    .given({
      stored: [
        ago(20, ok(cc('max-age=60'), 'Vary: X-A', 'ETag: "a"')),
        ago(5, ok(cc('max-age=1'), 'Vary: X-B', 'ETag: "b"'))
      ],
      request: get()
    })
    .expect({ request: 'revalidate stale', candidates: ['#2', '#1'], sends: ['If-None-Match: "b", "a"'] }),

  rule('§2', 'what is stored for one partition does not answer another')
    .given({ stored: ago(1, ok(cc('max-age=60')), by('alice', get())), request: by('bob', get()) })
    .expect(MISS),
  rule('§2', 'what is stored for one partition answers it again')
    .given({ stored: ago(1, ok(cc('max-age=60')), by('alice', get())), request: by('alice', get()) })
    .expect(HIT),
  rule('§2', 'what is stored for everybody does not answer a partition')
    .given({ stored: ago(1, ok(cc('max-age=60'))), request: by('alice', get()) })
    .expect(MISS),
  rule('§2', 'a partition with line breaks does not pass for a selecting field')
    .given({
      stored: ago(1, ok(cc('max-age=60'), 'Vary: X-A'), get('X-A: 1')),
      request: by('\nx-a:1', get())
    })
    .expect(MISS)
]
