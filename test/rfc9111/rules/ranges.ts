import { ago, cc, get, head, notModified, ok, type Row, rule, status, withBody } from './row.ts'

/** Fresh for a minute, one second old, ten bytes. */
function fresh(...lines: string[]) {
  return withBody(10, ago(1, ok(cc('max-age=60'), ...lines)))
}

const TAGGED = fresh('ETag: "a"', 'Content-Length: 10')
const PART = { request: 'hit fresh', answer: { status: 206, body: { start: 2, end: 5 } } } as const
const WHOLE = { request: 'hit fresh', answer: { status: 200, body: 'whole' } } as const

const selections: readonly (readonly [range: string, start: number, end: number])[] = [
  ['bytes=0-0', 0, 1],
  ['bytes=2-4', 2, 5],
  ['bytes=5-', 5, 10],
  ['bytes=-3', 7, 10],
  ['bytes=-10', 0, 10],
  ['bytes=-99', 0, 10],
  ['bytes=9-', 9, 10],
  ['bytes=0-9', 0, 10],
  ['bytes=8-99', 8, 10],
  ['bytes=8-99999999999999999999', 8, 10],
  ['BYTES=002-4', 2, 5],
  ['bytes= 2-4\t', 2, 5]
]

export const ranges: readonly Row[] = [
  ...selections.map(([range, start, end]) =>
    rule('RFC 9110 §14.1.2', `${range} is answered from the whole`)
      .given({ stored: TAGGED, request: get(`Range: ${range}`) })
      .expect({
        request: 'hit fresh',
        answer: {
          status: 206,
          body: { start, end },
          age: 1,
          sendsAge: true,
          has: [`Content-Range: bytes ${start}-${end - 1}/10`, `Content-Length: ${end - start}`, 'ETag: "a"']
        }
      })
  ),
  ...['bytes=10-', 'bytes=10-12', 'bytes=-0', 'bytes=99999999999999999999-'].map(range =>
    rule('RFC 9110 §15.5.17', `${range} is beyond the end`)
      .given({ stored: TAGGED, request: get(`Range: ${range}`) })
      .expect({
        request: 'hit fresh',
        answer: {
          status: 416,
          body: 'none',
          sendsAge: false,
          has: ['Content-Range: bytes */10', 'Content-Length: 0'],
          lacks: ['Cache-Control', 'ETag']
        }
      })
  ),
  ...['lines=2-4', 'bytes=4-2', 'bytes=-', 'bytes=', 'bytes', 'bytes=2', 'bytes=a-b', 'bytes=-2-4', 'bytes=2-4;'].map(
    range =>
      rule('RFC 9110 §14.2', `"${range}" is passed over`)
        .given({ stored: TAGGED, request: get(`Range: ${range}`) })
        .expect({ ...WHOLE, answer: { ...WHOLE.answer, has: ['Content-Length: 10'], lacks: ['Content-Range'] } })
  ),
  rule('RFC 9110 §14.2', 'several ranges get the whole')
    .given({ stored: TAGGED, request: get('Range: bytes=0-1, 4-5') })
    .expect(WHOLE),
  rule('RFC 9110 §14.2', 'several ranges on two lines get the whole')
    .given({ stored: TAGGED, request: get('Range: bytes=0-1', 'Range: bytes=4-5') })
    .expect(WHOLE),
  rule('RFC 9110 §14.2', 'a suffix of nothing is all of it')
    .given({ stored: withBody(0, ago(1, ok(cc('max-age=60')))), request: get('Range: bytes=-5') })
    .expect(WHOLE),
  rule('RFC 9110 §14.1.2', 'nothing has no first byte')
    .given({ stored: withBody(0, ago(1, ok(cc('max-age=60')))), request: get('Range: bytes=0-') })
    .expect({ request: 'hit fresh', answer: { status: 416, has: ['Content-Range: bytes */0'] } }),
  rule('RFC 9110 §14.2', 'HEAD has no ranges')
    .given({ stored: TAGGED, request: head('Range: bytes=2-4') })
    .expect({ request: 'hit fresh', answer: { status: 200, body: 'none', lacks: ['Content-Range'] } }),
  rule('RFC 9110 §14.2', 'a range is of a 200')
    .given({ stored: withBody(10, ago(1, status(404, cc('max-age=60')))), request: get('Range: bytes=2-4') })
    .expect({ request: 'hit fresh', answer: { status: 404, body: 'whole' } }),
  rule('RFC 9530 §2', "what is said of the whole's content is not said of a part")
    .given({
      stored: fresh('Content-Digest: a', 'Content-MD5: b', 'Repr-Digest: c', 'Content-Range: d', 'Age: 7'),
      request: get('Range: bytes=2-4')
    })
    .expect({
      request: 'hit fresh',
      answer: {
        status: 206,
        age: 8,
        has: ['Repr-Digest: c', 'Content-Range: bytes 2-4/10'],
        lacks: ['Content-Digest', 'Content-MD5', 'Age']
      }
    }),

  rule('RFC 9110 §13.2.2', "the client's own condition comes before its range")
    .given({ stored: TAGGED, request: get('Range: bytes=2-4', 'If-None-Match: "a"') })
    .expect({ request: 'hit fresh', answer: { status: 304, body: 'none', lacks: ['Content-Range'] } }),
  rule('RFC 9110 §13.2.2', 'a condition that fails leaves the range')
    .given({ stored: TAGGED, request: get('Range: bytes=2-4', 'If-None-Match: "b"') })
    .expect(PART),
  rule('RFC 9110 §13.1.5', 'If-Range with the stored entity tag')
    .given({ stored: TAGGED, request: get('Range: bytes=2-4', 'If-Range: "a"') })
    .expect(PART),
  rule('RFC 9110 §13.1.5', 'If-Range with another entity tag gets the whole')
    .given({ stored: TAGGED, request: get('Range: bytes=2-4', 'If-Range: "b"') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.5', 'If-Range with a weak entity tag gets the whole')
    .given({ stored: fresh('ETag: W/"a"'), request: get('Range: bytes=2-4', 'If-Range: W/"a"') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.5', 'If-Range with an entity tag where none is stored gets the whole')
    .given({ stored: fresh(), request: get('Range: bytes=2-4', 'If-Range: "a"') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.5', 'If-Range with the stored date')
    .given({ stored: fresh('Last-Modified: {-60}', 'Date: {+0}'), request: get('Range: bytes=2-4', 'If-Range: {-61}') })
    .expect(PART),
  rule('RFC 9110 §13.1.5', 'If-Range with a later date gets the whole')
    .given({ stored: fresh('Last-Modified: {-60}', 'Date: {+0}'), request: get('Range: bytes=2-4', 'If-Range: {-1}') })
    .expect(WHOLE),
  rule('RFC 9110 §8.8.2.2', 'If-Range with the date of the second in which it was sent gets the whole')
    .given({ stored: fresh('Last-Modified: {+0}', 'Date: {+0}'), request: get('Range: bytes=2-4', 'If-Range: {-1}') })
    .expect(WHOLE),
  rule('RFC 9110 §8.8.2.2', 'a second between Last-Modified and Date is enough')
    .given({ stored: fresh('Last-Modified: {-1}', 'Date: {+0}'), request: get('Range: bytes=2-4', 'If-Range: {-2}') })
    .expect(PART),
  rule('RFC 9110 §13.1.5', 'If-Range with a date where none is stored gets the whole')
    .given({ stored: fresh('Date: {+0}'), request: get('Range: bytes=2-4', 'If-Range: {-1}') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.5', 'If-Range with what is no date gets the whole')
    .given({ stored: fresh('Last-Modified: yesterday'), request: get('Range: bytes=2-4', 'If-Range: yesterday') })
    .expect(WHOLE),
  rule('RFC 9110 §13.1.5', 'If-Range without Range means nothing')
    .given({ stored: TAGGED, request: get('If-Range: "b"') })
    .expect(WHOLE),

  rule('§4.3.3', 'a part of what a 304 confirms is a part')
    .given({
      stored: withBody(10, ago(70, ok(cc('max-age=60'), 'ETag: "a"'))),
      request: get('Range: bytes=2-4'),
      origin: notModified('ETag: "a"')
    })
    .expect({
      request: 'revalidate stale',
      sends: ['If-None-Match: "a"'],
      response: 'freshen validated',
      updates: ['#1'],
      answer: { status: 206, body: { start: 2, end: 5 } }
    }),
  rule('§4.3.3', 'a part of another version takes the place of the whole')
    .given({
      stored: withBody(10, ago(70, ok(cc('max-age=60'), 'ETag: "a"'))),
      request: get('Range: bytes=2-4'),
      origin: status(206, cc('max-age=60'), 'ETag: "b"', 'Content-Range: bytes 2-4/9')
    })
    .expect({ request: 'revalidate stale', response: 'store part', entry: { bytes: '2-4/9', has: ['ETag: "b"'] } }),
  rule('RFC 5861 §3', 'behind a stale part the whole is fetched')
    .given({
      stored: withBody(10, ago(70, ok(cc('max-age=60, stale-while-revalidate=60'), 'ETag: "a"'))),
      request: get('Range: bytes=2-4', 'If-Range: "a"'),
      origin: ok(cc('max-age=60'), 'ETag: "b"'),
      next: get()
    })
    .expect({
      removes: ['#1'],
      request: 'stale-while-revalidate stale-while-revalidate',
      answer: { status: 206, body: { start: 2, end: 5 } },
      response: 'store storable',
      next: 'hit fresh'
    }),
  rule('RFC 5861 §4', 'a stale part may stand in for an error')
    .given({
      stored: withBody(10, ago(70, ok(cc('max-age=60, stale-if-error=60')))),
      request: get('Range: bytes=2-4'),
      origin: status(503)
    })
    .expect({ response: 'serve-stale stale-if-error', answer: { status: 206, body: { start: 2, end: 5 } } }),
  rule('§3', 'the whole that came for a range is stored')
    .given({ request: get('Range: bytes=2-4'), origin: ok(cc('max-age=60')), next: get() })
    .expect({ request: 'miss uri-miss', response: 'store storable', next: 'hit fresh' }),
  rule('§3', 'what says that a range is beyond the end is not stored')
    .given({ request: get('Range: bytes=2-4'), origin: status(416, cc('max-age=60'), 'Content-Range: bytes */2') })
    .expect({ request: 'miss uri-miss', response: 'forward status' })
]
