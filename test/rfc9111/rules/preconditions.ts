import { ago, cc, get, head, ok, type Row, rule, status } from './row.ts'

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
