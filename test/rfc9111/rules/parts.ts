import {
  ago,
  cc,
  get,
  head,
  notModified,
  ok,
  type Row,
  rule,
  type StoredSpec,
  status,
  withBody,
  withPart
} from './row.ts'

const MEBIBYTE = 1_048_576

/** A 206 of version "a", fresh for a minute. */
function part(range: string, ...lines: string[]) {
  return status(206, cc('max-age=60'), 'ETag: "a"', `Content-Range: bytes ${range}`, ...lines)
}

/** Bytes of a stored version "a", one second old. */
function held(start: number, end: number, bytes = 10, ...lines: string[]): StoredSpec {
  return withPart(start, end, bytes, ago(1, ok(cc('max-age=60'), 'ETag: "a"', `Content-Length: ${bytes}`, ...lines)))
}

const RANGE = get('Range: bytes=2-4')
const STALE_PART = withPart(2, 5, 10, ago(70, ok(cc('max-age=60, stale-if-error=60'), 'ETag: "a"')))
const MISS = { request: 'miss partial' } as const
const UNUSABLE = { request: 'miss uri-miss', response: 'forward unusable-part' } as const
const COMPLETED = { request: 'complete partial', response: 'complete completed' } as const
const LARGER = { request: 'complete partial', response: 'complete larger-part' } as const
const NOT_COMPLETED = { request: 'complete partial', response: 'refetch not-completed' } as const

const storing: readonly Row[] = [
  rule('§3.3', 'a part is stored as bytes of a 200, and answers for itself')
    .given({
      request: RANGE,
      origin: part('2-4/10', 'Content-Length: 3', 'Content-Digest: x', 'Content-MD5: x', 'Content-Type: a/b'),
      next: get('Range: bytes=3-4'),
      after: 5
    })
    .expect({
      request: 'miss uri-miss',
      response: 'store part',
      entry: {
        bytes: '2-4/10',
        has: ['Content-Length: 10', 'Content-Type: a/b'],
        lacks: ['Content-Range', 'Content-Digest', 'Content-MD5']
      },
      next: 'hit fresh',
      nextAnswer: {
        status: 206,
        body: { start: 3, end: 5 },
        has: ['Content-Range: bytes 3-4/10', 'Content-Length: 2'],
        age: 5
      }
    }),
  ...['Range: bytes=-8', 'Range: bytes=2-', 'Range: BYTES= 002-9\t'].map(range =>
    rule('§3.3', `a part is stored that was asked for by "${range}"`)
      .given({ request: get(range), origin: part('2-9/10') })
      .expect({ response: 'store part', entry: { bytes: '2-9/10' } })
  ),
  rule('§3.3', 'a part that is all of it is a whole')
    .given({ request: get('Range: bytes=0-'), origin: part('0-9/10'), next: get() })
    .expect({ response: 'store part', next: 'hit fresh', nextAnswer: { status: 200, body: 'whole' } }),
  rule('§3.3', 'a date is a strong validator, if it is a second before that of the response')
    .given({
      request: RANGE,
      origin: status(206, cc('max-age=60'), 'Content-Range: bytes 2-4/10', 'Last-Modified: {-2}', 'Date: {+0}')
    })
    .expect({ response: 'store part' }),
  rule('§3.3', 'a part to a request with If-Range is stored, if it says what the whole is')
    .given({ request: get('Range: bytes=2-4', 'If-Range: "a"'), origin: part('2-4/10', 'Content-Type: a/b') })
    .expect({ response: 'store part' }),
  rule('RFC 9110 §15.3.7', 'a part to a request with If-Range may have left out what the client knows')
    .given({ request: get('Range: bytes=2-4', 'If-Range: "a"'), origin: part('2-4/10') })
    .expect(UNUSABLE),
  ...(
    [
      ['no Content-Range', status(206, cc('max-age=60'), 'ETag: "a"')],
      ['a length that is not known', part('2-4/*')],
      ['another unit', part('2-4/10').lines.with(2, 'Content-Range: lines 2-4/10')],
      ['an end before its start', part('4-2/10')],
      ['an end beyond the whole', part('2-10/10')],
      ['a range that is none', part('2-/10')],
      ['numbers beyond all bounds', part('2-9999999999999999/99999999999999999')],
      ['two ranges', part('2-4/10', 'Content-Range: bytes 2-4/10')],
      ['several parts', part('2-4/10').lines.with(2, 'Content-Type: multipart/byteranges; boundary=x')],
      ['a Content-Length of its own', part('2-4/10', 'Content-Length: 4')],
      ['a Content-Length of the whole', part('2-4/10', 'Content-Length: 10')],
      ['a weak entity tag', part('2-4/10').lines.with(1, 'ETag: W/"a"')],
      ['no validator', part('2-4/10').lines.with(1, 'X: y')],
      ['a date of the same second', part('2-4/10', 'Date: {+0}').lines.with(1, 'Last-Modified: {+0}')]
    ] as const
  ).map(([what, response]) =>
    rule('§3.3', `a part with ${what} is not stored`)
      .given({ request: RANGE, origin: 'lines' in response ? response : status(206, ...response) })
      .expect(UNUSABLE)
  ),
  ...['Range: bytes=0-1,3-4', 'Range: lines=2-4', 'Range: bytes=-', 'X: y'].map(line =>
    rule('RFC 9110 §14.2', `a part that was asked for by "${line}" is not stored`)
      .given({ request: get(line), origin: part('2-4/10') })
      .expect(UNUSABLE)
  ),
  rule('§3.3', 'HEAD has no parts')
    .given({ request: head('Range: bytes=2-4'), origin: part('2-4/10') })
    .expect(UNUSABLE),
  rule('§3.3', 'what forbids to store the whole forbids to store the part')
    .given({ request: RANGE, origin: part('2-4/10', cc('no-store')) })
    .expect({ response: 'forward no-store' }),
  rule('§3.3', 'a part counts as a 200 where statuses are listed')
    .given({ policy: { statusCodes: [200] }, request: RANGE, origin: part('2-4/10') })
    .expect({ response: 'store part' }),
  rule('§3.3', 'a part is not stored where 200 is not listed')
    .given({ policy: { statusCodes: [206] }, request: RANGE, origin: part('2-4/10') })
    .expect({ response: 'forward status-not-listed' })
]

const answering: readonly Row[] = [
  ...(
    [
      ['bytes=2-4', 2, 5],
      ['bytes=2-2', 2, 3],
      ['bytes=4-4', 4, 5]
    ] as const
  ).map(([range, start, end]) =>
    rule('§3.3', `${range} is answered from the part that has it`)
      .given({ stored: held(2, 5), request: get(`Range: ${range}`) })
      .expect({ request: 'hit fresh', answer: { status: 206, body: { start, end } } })
  ),
  ...['bytes=1-4', 'bytes=0-0', 'bytes=-3', 'bytes=5-', 'bytes=0-1,3-4', 'lines=2-4'].map(range =>
    rule('§3.3', `${range} is more than the part has`)
      .given({ stored: held(2, 5), request: get(`Range: ${range}`) })
      .expect(MISS)
  ),
  rule('§3.3', 'the last bytes are answered from the part that has them')
    .given({ stored: held(5, 10), request: get('Range: bytes=-3') })
    .expect({ request: 'hit fresh', answer: { status: 206, body: { start: 7, end: 10 } } }),
  rule('§3.3', 'a part never answers for the whole')
    .given({ stored: held(2, 5), request: get() })
    .expect(MISS),
  rule('§3.3', 'nor does it where another version is wanted')
    .given({ stored: held(2, 5), request: get('Range: bytes=2-4', 'If-Range: "b"') })
    .expect(MISS),
  rule('RFC 9110 §15.5.17', 'a part knows what is beyond the end')
    .given({ stored: held(2, 5), request: get('Range: bytes=10-') })
    .expect({ request: 'hit fresh', answer: { status: 416, has: ['Content-Range: bytes */10'] } }),
  rule('§4.3.5', 'a part answers HEAD')
    .given({ stored: held(2, 5), request: head() })
    .expect({ request: 'hit fresh', answer: { status: 200, body: 'none', has: ['Content-Length: 10'] } }),
  rule('§4.3.2', 'a part answers who has that version')
    .given({ stored: held(2, 5), request: get('If-None-Match: "a"') })
    .expect({ request: 'hit fresh', answer: { status: 304, body: 'none' } }),
  rule('RFC 9110 §13.2.2', "the client's own condition comes before a range that is not there")
    .given({ stored: held(2, 5), request: get('If-None-Match: "a"', 'Range: bytes=0-9') })
    .expect({ request: 'hit fresh', answer: { status: 304, body: 'none' } }),
  rule('§5.2.1.7', 'only-if-cached gets the part that is there')
    .given({ stored: held(2, 5), request: get('Range: bytes=2-4', cc('only-if-cached')) })
    .expect({ request: 'hit fresh' }),
  rule('§5.2.1.7', 'only-if-cached gets nothing of what is not all there')
    .given({ stored: held(0, 5), request: get(cc('only-if-cached')) })
    .expect({ request: 'unsatisfiable only-if-cached' }),
  rule('§4.3.3', 'a stale part is validated')
    .given({ stored: STALE_PART, request: RANGE, origin: notModified('ETag: "a"') })
    .expect({
      request: 'revalidate stale',
      sends: ['If-None-Match: "a"'],
      response: 'freshen validated',
      updates: ['#1'],
      answer: { status: 206, body: { start: 2, end: 5 } }
    }),
  rule('RFC 5861 §4', 'a stale part may stand in for an error if it has what is wanted')
    .given({ stored: STALE_PART, request: RANGE, origin: status(503) })
    .expect({ request: 'revalidate stale', response: 'serve-stale stale-if-error' }),
  rule('RFC 5861 §4', 'a stale part cannot stand in for the whole')
    .given({ stored: STALE_PART, request: get(), origin: status(503) })
    .expect({ ...MISS, sends: [], response: 'forward no-freshness' }),
  rule('§4.1', "another variant's part is another's")
    .given({
      stored: withPart(2, 5, 10, ago(1, ok(cc('max-age=60'), 'ETag: "a"', 'Vary: X'), get('X: 1'))),
      request: get('Range: bytes=2-4', 'X: 2')
    })
    .expect({ request: 'miss vary-miss' })
]

const completing: readonly Row[] = [
  rule('§3.4', 'the whole is the part from the start, and the rest')
    .given({
      stored: held(0, 4, 10, 'Content-Type: a/b'),
      request: get(),
      origin: part('4-9/10', 'Content-Length: 6', 'X: new'),
      next: get()
    })
    .expect({
      ...COMPLETED,
      sends: ['Range: bytes=4-', 'If-Range: "a"'],
      answer: {
        status: 200,
        body: 'whole',
        sendsAge: false,
        has: ['Content-Length: 10', 'Content-Type: a/b', 'X: new'],
        lacks: ['Content-Range']
      },
      entry: { bytes: '0-9/10' },
      next: 'hit fresh'
    }),
  rule('§3.4', 'so is what is wanted to its end')
    .given({ stored: held(2, 5), request: get('Range: bytes=3-'), origin: part('5-9/10') })
    .expect({
      ...COMPLETED,
      sends: ['Range: bytes=5-', 'If-Range: "a"'],
      answer: { status: 206, body: { start: 3, end: 10 }, has: ['Content-Range: bytes 3-9/10', 'Content-Length: 7'] },
      entry: { bytes: '2-9/10' }
    }),
  rule('§3.4', 'so is what is wanted to somewhere before it')
    .given({
      stored: held(2, 5),
      request: get('Range: bytes=3-7'),
      origin: part('5-7/10'),
      next: get('Range: bytes=2-7')
    })
    .expect({
      ...COMPLETED,
      sends: ['Range: bytes=5-7', 'If-Range: "a"'],
      answer: { status: 206, body: { start: 3, end: 8 }, has: ['Content-Range: bytes 3-7/10', 'Content-Length: 5'] },
      entry: { bytes: '2-7/10', has: ['Content-Length: 10'] },
      next: 'hit fresh'
    }),
  ...['bytes=4-9', 'bytes=4-10', 'bytes=2-99'].map(range =>
    rule('§3.4', `a range that is all that follows is asked for to the end: ${range}`)
      .given({ stored: held(2, 5), request: get(`Range: ${range}`), origin: part('5-9/10') })
      .expect({ ...COMPLETED, sends: ['Range: bytes=5-', 'If-Range: "a"'], entry: { bytes: '2-9/10' } })
  ),
  rule('§3.4', 'a range of which the last byte is missing is completed by that')
    .given({ stored: held(2, 5), request: get('Range: bytes=4-5'), origin: part('5-5/10') })
    .expect({ ...COMPLETED, sends: ['Range: bytes=5-5', 'If-Range: "a"'], entry: { bytes: '2-5/10' } }),
  rule('§3.4', 'a large part is completed to a range of which a quarter is missing')
    .given({
      stored: held(0, 8 * MEBIBYTE, 20 * MEBIBYTE),
      request: get('Range: bytes=0-10485759'),
      origin: part('8388608-10485759/20971520')
    })
    .expect({ ...COMPLETED, entry: { bytes: '0-10485759/20971520' } }),
  rule('§3.4', 'a large part serves a range of which less is missing, is brought up to date, and stays as it is')
    .given({
      stored: held(0, 8 * MEBIBYTE, 20 * MEBIBYTE, 'X: old'),
      request: get('Range: bytes=5-10485758'),
      origin: part('8388608-10485758/20971520', 'X: new'),
      next: get('Range: bytes=5-10485758')
    })
    .expect({
      ...LARGER,
      answer: { status: 206, body: { start: 5, end: 10_485_759 }, has: ['X: new', 'Content-Length: 10485754'] },
      updates: ['#1'],
      entry: { bytes: '0-8388607/20971520', has: ['X: new'] },
      next: 'complete partial'
    }),
  rule('§3.4', 'a large part is completed to the whole, however little of that is missing')
    .given({
      stored: held(0, 20 * MEBIBYTE - 1, 20 * MEBIBYTE),
      request: get('Range: bytes=5-'),
      origin: part('20971519-20971519/20971520')
    })
    .expect({ ...COMPLETED, entry: { bytes: '0-20971519/20971520' } }),
  rule('§3.4', "the client's own If-Range gives way to that of the stored part")
    .given({ stored: held(2, 5), request: get('Range: bytes=-8', 'If-Range: "a"'), origin: part('5-9/10') })
    .expect({ ...COMPLETED, sends: ['Range: bytes=5-', 'If-Range: "a"'] }),
  rule('§3.4', 'a date that is a strong validator will do')
    .given({
      stored: withPart(0, 4, 10, ago(1, ok(cc('max-age=60'), 'Last-Modified: {-9}', 'Date: {+0}'))),
      request: get(),
      origin: status(206, cc('max-age=60'), 'Content-Range: bytes 4-9/10', 'Last-Modified: {-10}', 'Date: {+0}')
    })
    .expect(COMPLETED),
  rule('§3.4', 'a part without a strong validator is not completed')
    .given({ stored: withPart(0, 4, 10, ago(1, ok(cc('max-age=60'), 'ETag: W/"a"'))), request: get() })
    .expect(MISS),
  ...['bytes=1-', 'bytes=1-7', 'bytes=5-7', 'bytes=0-0'].map(range =>
    rule('§3.4', `nothing is completed that has its beginning elsewhere: ${range}`)
      .given({ stored: held(2, 5), request: get(`Range: ${range}`) })
      .expect(MISS)
  ),
  ...['bytes=2-3,5-7', 'bytes=7-4', 'lines=2-7'].map(range =>
    rule('RFC 9110 §14.2', `nor what is for the origin to interpret: ${range}`)
      .given({ stored: held(2, 5), request: get(`Range: ${range}`) })
      .expect(MISS)
  ),
  rule('RFC 9110 §13.1.5', 'nor where another version is wanted')
    .given({ stored: held(2, 5), request: get('Range: bytes=2-7', 'If-Range: "b"') })
    .expect(MISS),
  rule('§3.4', 'what is stale is not completed')
    .given({ stored: withPart(0, 4, 10, ago(70, ok(cc('max-age=60'), 'ETag: "a"'))), request: get() })
    .expect({ ...MISS, sends: [] }),
  rule('§3.4', 'nor is what has to be validated')
    .given({ stored: withPart(0, 4, 10, ago(1, ok(cc('max-age=60, no-cache'), 'ETag: "a"'))), request: get() })
    .expect(MISS),
  rule('§3.4', 'nor is it for a request that wants a validation')
    .given({ stored: held(0, 4), request: get(cc('no-cache')) })
    .expect(MISS),
  rule('§3.4', 'nor for one with conditions of its own')
    .given({ stored: held(0, 4), request: get('If-None-Match: "b"') })
    .expect(MISS),
  rule('§3.4', 'another version takes the place of the part')
    .given({ stored: held(0, 4), request: get(), origin: ok(cc('max-age=60'), 'ETag: "b"'), next: get() })
    .expect({ removes: ['#1'], request: 'complete partial', response: 'store storable', next: 'hit fresh' }),
  ...(
    [
      ['the rest of another version', part('4-9/10').lines.with(1, 'ETag: "b"')],
      ['less than the rest', part('4-8/10').lines],
      ['more than the rest', part('3-9/10').lines],
      ['the rest of more', part('4-9/11').lines],
      ['a rest without a validator', part('4-9/10').lines.with(1, 'X: y')],
      ['a rest in another coding', [...part('4-9/10').lines, 'Content-Encoding: gzip']],
      ['a rest that must not be stored', [...part('4-9/10').lines, cc('no-store')]],
      ['the rest of another variant', [...part('4-9/10').lines, 'Vary: X']]
    ] as const
  ).map(([what, lines]) =>
    rule('§3.4', `${what} is not appended`)
      .given({ stored: held(0, 4), request: get(), origin: status(206, ...lines) })
      .expect(NOT_COMPLETED)
  ),
  ...(
    [
      ['less than was missing of a range', '5-6/10'],
      ['more than was missing of a range', '5-9/10'],
      ['all of the range', '3-7/10']
    ] as const
  ).map(([what, range]) =>
    rule('§3.4', `${what} is not appended`)
      .given({ stored: held(2, 5), request: get('Range: bytes=3-7'), origin: part(range) })
      .expect(NOT_COMPLETED)
  ),
  rule('§3.4', 'a whole takes the place of the part of which a range was to be completed')
    .given({
      stored: held(2, 5),
      request: get('Range: bytes=3-7'),
      origin: ok(cc('max-age=60'), 'ETag: "b"'),
      next: get()
    })
    .expect({ removes: ['#1'], request: 'complete partial', response: 'store storable', next: 'hit fresh' }),
  ...[304, 404, 412, 416, 503].map(code =>
    rule('§3.4', `${code} in place of the rest says nothing of the whole`)
      .given({ stored: held(0, 4), request: get(), origin: status(code, cc('max-age=60')) })
      .expect(NOT_COMPLETED)
  )
]

/** A part that comes where another is stored. */
const combining: readonly Row[] = [
  rule('§3.4', 'what follows is appended')
    .given({
      stored: held(2, 5, 10, 'Content-Type: a/b'),
      request: get('Range: bytes=5-6'),
      origin: part('5-6/10', 'X: new')
    })
    .expect({
      ...MISS,
      response: 'store combined',
      joins: { before: { start: 0, end: 3 } },
      entry: { bytes: '2-6/10', has: ['X: new', 'Content-Type: a/b', 'Content-Length: 10'] }
    }),
  rule('§3.4', 'what comes before is put in front')
    .given({ stored: held(2, 5), request: get('Range: bytes=0-1'), origin: part('0-1/10') })
    .expect({ response: 'store combined', joins: { after: { start: 0, end: 3 } }, entry: { bytes: '0-4/10' } }),
  rule('§3.4', 'what overlaps at the end is taken from what came')
    .given({ stored: held(2, 5), request: get('Range: bytes=3-7', cc('no-cache')), origin: part('3-7/10') })
    .expect({
      ...MISS,
      response: 'store combined',
      joins: { before: { start: 0, end: 1 } },
      entry: { bytes: '2-7/10' }
    }),
  rule('§3.4', 'and so is what overlaps at the start')
    .given({ stored: held(2, 5), request: get('Range: bytes=0-3'), origin: part('0-3/10') })
    .expect({ response: 'store combined', joins: { after: { start: 2, end: 3 } }, entry: { bytes: '0-4/10' } }),
  rule('§3.4', 'parts may make a whole')
    .given({ stored: held(4, 10), request: get('Range: bytes=0-4'), origin: part('0-4/10'), next: get() })
    .expect({ response: 'store combined', joins: { after: { start: 1, end: 6 } }, next: 'hit fresh' }),
  rule('§3.4', 'what has all that is stored, and more, takes its place')
    .given({ stored: held(2, 5), request: get('Range: bytes=1-6'), origin: part('1-6/10') })
    .expect({ response: 'store combined', joins: {}, entry: { bytes: '1-6/10' } }),
  rule('§3.4', 'what does not touch takes the place of less')
    .given({ stored: held(0, 2), request: get('Range: bytes=4-6'), origin: part('4-6/10') })
    .expect({ response: 'store part', entry: { bytes: '4-6/10' } }),
  rule('§3.4', 'what does not touch makes way for as much, which it freshens')
    .given({ stored: held(0, 3), request: get('Range: bytes=4-6'), origin: part('4-6/10', 'X: new') })
    .expect({ response: 'forward larger-part', updates: ['#1'], entry: { bytes: '0-2/10', has: ['X: new'] } }),
  rule('§3.4', 'what is there already freshens it')
    .given({ stored: held(2, 8), request: get('Range: bytes=3-4', cc('no-cache')), origin: part('3-4/10') })
    .expect({ request: 'revalidate request-no-cache', response: 'forward larger-part', updates: ['#1'] }),
  rule('§3.4', 'a part of the same version leaves the whole as it is')
    .given({
      stored: withBody(10, ago(70, ok(cc('max-age=60'), 'ETag: "a"'))),
      request: RANGE,
      origin: part('2-4/10')
    })
    .expect({
      request: 'revalidate stale',
      response: 'forward larger-part',
      updates: ['#1'],
      entry: { bytes: '0-9/10' }
    }),
  rule('§3.4', '4 MiB are joined with a single byte')
    .given({
      stored: held(0, 4 * MEBIBYTE, 9 * MEBIBYTE),
      request: get('Range: bytes=4194304-4194304'),
      origin: part('4194304-4194304/9437184')
    })
    .expect({ response: 'store combined', joins: { before: { start: 0, end: 4 * MEBIBYTE } } }),
  rule('§3.4', 'more than that only with a quarter of it')
    .given({
      stored: held(0, 8 * MEBIBYTE, 20 * MEBIBYTE),
      request: get('Range: bytes=8388608-10485759'),
      origin: part('8388608-10485759/20971520')
    })
    .expect({
      response: 'store combined',
      entry: { bytes: '0-10485759/20971520' },
      joins: { before: { start: 0, end: 8 * MEBIBYTE } }
    }),
  rule('§3.4', 'less than a quarter is not worth the copy')
    .given({
      stored: held(0, 8 * MEBIBYTE, 20 * MEBIBYTE),
      request: get('Range: bytes=8388608-10485758'),
      origin: part('8388608-10485758/20971520')
    })
    .expect({ response: 'forward larger-part', updates: ['#1'] }),
  rule('§3.4', 'other versions are not combined')
    .given({
      stored: held(2, 8),
      request: get('Range: bytes=8-9'),
      origin: status(206, ...part('8-9/10').lines.with(1, 'ETag: "b"'))
    })
    .expect({ response: 'store part', entry: { bytes: '8-9/10' } }),
  rule('§4.1', 'nor is what belongs to another variant')
    .given({ stored: held(2, 8), request: get('Range: bytes=8-9', 'X: 1'), origin: part('8-9/10', 'Vary: X') })
    .expect({ response: 'store part', entry: { bytes: '8-9/10', vary: ['x'] } })
]

export const parts: readonly Row[] = [...storing, ...answering, ...completing, ...combining]
