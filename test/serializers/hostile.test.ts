import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { CacheError } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import type { Serializer, StoredRecord } from '../../serializers/serializer.ts'
import { anyRecord, sampleRecord } from '../support/arbitrary-record.ts'
import { byteSerializers, serializers } from '../support/serializers.ts'

const NOT_A_RECORD = { name: 'CacheError', code: 'ERR_CACHE_RECORD' }

const json = new JsonStringSerializer()
const messagePack = new MessagePackSerializer()
const packr = new Packr({ useRecords: false })

/** A record, and then the same one encoded again; undefined for the one error that is allowed. */
function decodeAnything<Encoded>(serializer: Serializer<Encoded>, encoded: Encoded): StoredRecord | undefined {
  let record: StoredRecord
  try {
    record = serializer.decode(encoded)
  } catch (error) {
    assert.ok(error instanceof CacheError && error.code === 'ERR_CACHE_RECORD', `${error}`)
    return undefined
  }
  assert.deepEqual(serializer.decode(serializer.encode(record)), record)
  assert.equal(Object.getPrototypeOf(record), Object.prototype)
  assert.equal(Object.getPrototypeOf(record.entry), Object.prototype)
  return record
}

/** An edit of a sequence: replaces `count` items at a share `at` of its length. */
const anyEdit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  count: fc.nat(3),
  bytes: fc.uint8Array({ maxLength: 4 })
})

for (const serializer of byteSerializers) {
  describe(serializer.name, () => {
    test('decodes any bytes to a record or to ERR_CACHE_RECORD', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
          decodeAnything(serializer, bytes)
        }),
        { numRuns: 2000 }
      )
    })

    test('decodes altered records to a record or to ERR_CACHE_RECORD', () => {
      fc.assert(
        fc.property(anyRecord, fc.array(anyEdit, { minLength: 1, maxLength: 3 }), (record, edits) => {
          const bytes = [...serializer.encode(record)]
          for (const { at, count, bytes: inserted } of edits) {
            bytes.splice(Math.floor(at * bytes.length), count, ...inserted)
          }
          decodeAnything(serializer, Uint8Array.from(bytes))
        }),
        { numRuns: 1000 }
      )
    })

    test('decodes a record with any one byte altered to a record or to ERR_CACHE_RECORD', () => {
      const encoded = serializer.encode(sampleRecord())
      const flips = Array.from({ length: 8 }, (_, bit) => 1 << bit)
      // The bytes that start MessagePack's extensions and long items.
      const types = Array.from({ length: 32 }, (_, i) => 0xc0 + i)
      for (const [i, original] of encoded.entries()) {
        for (const byte of [...flips.map(flip => original ^ flip), ...types]) {
          const altered = new Uint8Array(encoded)
          altered[i] = byte
          decodeAnything(serializer, altered)
        }
      }
    })

    test('refuses a record cut short, or with bytes after it', () => {
      const encoded = serializer.encode(sampleRecord())
      for (let length = 0; length < encoded.length; length++) {
        assert.throws(() => serializer.decode(encoded.subarray(0, length)), NOT_A_RECORD, `${length}`)
      }
      assert.throws(() => serializer.decode(Buffer.concat([encoded, Uint8Array.of(0)])), NOT_A_RECORD)
      assert.throws(() => serializer.decode(Buffer.concat([encoded, encoded])), NOT_A_RECORD)
    })

    test('refuses what other serializers wrote', () => {
      for (const other of byteSerializers) {
        if (other === serializer) continue
        assert.throws(() => serializer.decode(other.encode(sampleRecord())), NOT_A_RECORD)
      }
    })
  })
}

for (const serializer of serializers) {
  test(`${serializer.name} refuses what is not of its type`, () => {
    for (const value of [undefined, null, 0, 1n, true, '', '{}', {}, [], () => {}, Symbol('x'), new ArrayBuffer(8)]) {
      assert.throws(() => serializer.decode(value), NOT_A_RECORD)
    }
  })
}

test('json-string decodes any JSON to a record or to ERR_CACHE_RECORD', () => {
  fc.assert(fc.property(fc.json(), text => void decodeAnything(json, text)))
})

test('object decodes any value to a record or to ERR_CACHE_RECORD', () => {
  const serializer = new ObjectSerializer()
  const values = fc.anything({ withNullPrototype: true, withBigInt: true, withTypedArray: true, withSparseArray: true })
  fc.assert(fc.property(values, value => void decodeAnything(serializer, value as StoredRecord)))
})

test('object refuses objects whose properties throw', () => {
  const throwing = new Proxy(sampleRecord(), {
    get() {
      throw new Error('no')
    }
  })
  assert.throws(() => new ObjectSerializer().decode(throwing), NOT_A_RECORD)
})

describe('records of other versions are refused', () => {
  const { version, ...rest } = JSON.parse(json.encode(sampleRecord()))
  const [, ...elements] = packr.unpack(Buffer.from(messagePack.encode(sampleRecord())))
  for (const other of [0, version + 1, '1', null, {}]) {
    test(JSON.stringify(other), () => {
      const text = JSON.stringify({ version: other, ...rest })
      assert.throws(() => json.decode(text), { ...NOT_A_RECORD, message: /version$/ })
      assert.throws(() => new JsonBytesSerializer().decode(Buffer.from(text)), NOT_A_RECORD)
      assert.throws(() => messagePack.decode(packr.pack([other, ...elements])), NOT_A_RECORD)
    })
  }

  test('another version is told from another layout', () => {
    const error = { ...NOT_A_RECORD, message: /version$/ }
    assert.throws(() => json.decode('{"version":0,"body":"old"}'), error)
    assert.throws(() => messagePack.decode(packr.pack([2, [], [], []])), error)
    assert.throws(() => messagePack.decode(packr.pack([0, 'old', 'old'])), error)
  })
})

describe('nothing reaches a prototype', () => {
  const valid = json.encode(sampleRecord())
  const POLLUTED = '{"polluted":true,"version":1,"body":{"utf8":""}}'
  const rows: Record<string, string> = {
    'the record': valid.replace('{', `{"__proto__":${POLLUTED},"constructor":{"prototype":${POLLUTED}},`),
    'the entry': valid.replace('"entry":{', `"entry":{"__proto__":${POLLUTED},"constructor":${POLLUTED},`),
    'a segment': valid.replace('[{', `[{"__proto__":${POLLUTED},`),
    'the body': valid.replace('"body":{', `"body":{"__proto__":${POLLUTED},`),
    'a field name': valid.replace('"Content-Type"', '"__proto__"')
  }
  for (const [where, text] of Object.entries(rows)) {
    test(`from ${where} in JSON`, () => {
      assert.notEqual(text, valid)
      const record = json.decode(text)
      assert.deepEqual(Object.keys(record), Object.keys(sampleRecord()))
      assert.deepEqual(Object.keys(record.entry), Object.keys(sampleRecord().entry))
      assert.equal('polluted' in {} || 'polluted' in record || 'polluted' in record.entry, false)
      assert.equal(Object.getPrototypeOf(record.entry.segments[0]), Object.prototype)
    })
  }

  test('nor takes it a property from one', () => {
    const text = '{"__proto__":{"version":1,"entry":{}},"entry":{"__proto__":{"id":"a"}}}'
    assert.throws(() => json.decode(text), { ...NOT_A_RECORD, message: /version$/ })
  })

  test('from maps in MessagePack, which are refused', () => {
    const named = new Map<string, unknown>([
      ['__proto__', { polluted: true }],
      ['version', 1]
    ])
    assert.throws(() => messagePack.decode(packr.pack(named)), NOT_A_RECORD)
    assert.throws(() => messagePack.decode(packr.pack([1, named, null])), NOT_A_RECORD)
    assert.equal('polluted' in {}, false)
  })
})

describe('message-pack refuses what makes a decoder do more than decode', () => {
  const [version, entry] = packr.unpack(Buffer.from(messagePack.encode(sampleRecord())))
  const more = new Packr({ useRecords: false, moreTypes: true, structuredClone: true })
  const shared: unknown[] = ['x']
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const rows: Record<string, Uint8Array> = {
    'a record extension': new Packr({ useRecords: true }).pack(sampleRecord()),
    'records used again': new Packr({ useRecords: true }).pack(Array.from({ length: 9 }, () => ({ constructor: 1 }))),
    'a bundle of strings': new Packr({ useRecords: false, bundleStrings: true }).pack([version, entry, null]),
    'a date': packr.pack([version, entry, new Date()]),
    'a regular expression': more.pack([version, entry, /(a+)+$/]),
    'an error': more.pack([version, entry, new Error('x')]),
    'a set': more.pack([version, entry, new Set([1])]),
    'a typed array': more.pack([version, entry, new Float64Array(2)]),
    'a big integer': more.pack([version, entry, 2n ** 999n]),
    'a 64-bit integer': packr.pack([version, entry, 1n]),
    undefined: packr.pack([version, entry, undefined]),
    pointers: more.pack([version, [shared, shared], null]),
    'a cycle': more.pack([version, cyclic, null]),
    'the type that is never used': Uint8Array.of(0x93, 1, 0xc1, 0xc0),
    'an unknown extension': Uint8Array.of(0x93, 1, 0xd4, 0x7f, 0, 0xc0),
    booleans: packr.pack([version, entry, true]),
    'negative numbers': packr.pack([version, entry, -1])
  }
  for (const [what, bytes] of Object.entries(rows)) {
    test(what, () => {
      assert.throws(() => messagePack.decode(bytes), NOT_A_RECORD)
      assert.deepEqual(messagePack.decode(messagePack.encode(sampleRecord())), sampleRecord())
    })
  }
})

describe('what a few bytes announce is not allocated', () => {
  const rows: Record<string, readonly number[]> = {
    'an array of 4,294,967,295 elements': [0xdd, 0xff, 0xff, 0xff, 0xff],
    'an array of 65,535 elements': [0xdc, 0xff, 0xff],
    'a string of 4,294,967,295 bytes': [0xdb, 0xff, 0xff, 0xff, 0xff],
    'a string of 65,535 bytes': [0xda, 0xff, 0xff],
    'a byte string of 4,294,967,295 bytes': [0xc6, 0xff, 0xff, 0xff, 0xff],
    'a map of 4,294,967,295 pairs': [0xdf, 0xff, 0xff, 0xff, 0xff],
    'an extension of 4,294,967,295 bytes': [0xc9, 0xff, 0xff, 0xff, 0xff, 0x72]
  }
  for (const [what, bytes] of Object.entries(rows)) {
    test(what, () => {
      assert.throws(() => messagePack.decode(Uint8Array.from(bytes)), NOT_A_RECORD)
      assert.throws(() => messagePack.decode(Uint8Array.from([0x93, 1, ...bytes, 0xc0])), NOT_A_RECORD)
    })
  }
})

/** An array whose every element has msgpackr read the long string at the end of the message once more. */
function bundlesOfOneString(count: number, stringBytes: number): Uint8Array {
  const ITEM_BYTES = 7
  const message = Buffer.alloc(5 + count * ITEM_BYTES + 5 + stringBytes + 1, 'a')
  message.writeUInt8(0xdd, 0)
  message.writeUInt32BE(count, 1)
  const string = 5 + count * ITEM_BYTES
  for (let item = 5; item < string; item += ITEM_BYTES) {
    message.writeUInt16BE(0xd662, item)
    message.writeUInt32BE(string - item - 2, item + 2)
    message.writeUInt8(0xc0, item + 6)
  }
  message.writeUInt8(0xdb, string)
  message.writeUInt32BE(stringBytes, string + 1)
  message.writeUInt8(0xa0, message.length - 1)
  return message
}

describe('a megabyte is refused in less than two seconds', () => {
  const MEGABYTE = 1 << 20
  const rows: Record<string, Uint8Array> = {
    'arrays in arrays': Buffer.alloc(MEGABYTE, 0x91),
    'arrays of fifteen in arrays of fifteen': Buffer.alloc(MEGABYTE, 0x9f),
    'arrays that announce more than there is': Buffer.alloc(MEGABYTE, Uint8Array.of(0xdd, 0, 0x0f, 0xff, 0xff)),
    'maps in maps': Buffer.alloc(MEGABYTE, 0x81),
    'one string in many bundles': bundlesOfOneString(MEGABYTE / 16, MEGABYTE / 2),
    'elements of an entry': Buffer.concat([Uint8Array.of(0x93, 1, 0xdd, 0, 0x0f, 0xff, 0xff), Buffer.alloc(MEGABYTE)]),
    brackets: Buffer.alloc(MEGABYTE, '['),
    'brackets that close': Buffer.from('['.repeat(MEGABYTE / 2) + ']'.repeat(MEGABYTE / 2)),
    'objects in objects': Buffer.from(`${'{"entry":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
    quotes: Buffer.alloc(MEGABYTE, '"'),
    digits: Buffer.alloc(MEGABYTE, '9')
  }
  for (const [what, bytes] of Object.entries(rows)) {
    test(what, () => {
      const startMs = performance.now()
      for (const serializer of byteSerializers) assert.throws(() => serializer.decode(bytes), NOT_A_RECORD)
      assert.ok(performance.now() - startMs < 2000)
    })
  }
})

test('message-pack refuses arrays with an element too many, or too few', () => {
  const [version, entry, body] = packr.unpack(Buffer.from(messagePack.encode(sampleRecord())))
  const [start, end, bodyId] = entry[12][0]
  const withSegment = (segment: unknown[]) => [version, entry.with(12, [segment]), body]
  assert.deepEqual(messagePack.decode(packr.pack(withSegment([start, end, bodyId]))), sampleRecord())
  const records = [
    [version, entry, body, null],
    [version, entry],
    [version, [...entry, null], body],
    [version, entry.slice(0, -1), body],
    withSegment([start, end, bodyId, null]),
    withSegment([start, end])
  ]
  for (const record of records) assert.throws(() => messagePack.decode(packr.pack(record)), NOT_A_RECORD)
})

test('json-bytes refuses text that is not UTF-8', () => {
  const serializer = new JsonBytesSerializer()
  const encoded = Buffer.from(serializer.encode(sampleRecord({}, Buffer.from('grüße'))))
  encoded[encoded.indexOf('ß')] = 0xff
  assert.throws(() => serializer.decode(encoded), NOT_A_RECORD)
})

test('base64 that is none is refused', () => {
  const text = json.encode(sampleRecord({}, Uint8Array.of(0xff, 0, 0xff)))
  assert.match(text, /"\/wD\/"/)
  for (const base64 of ['/wD', '/w D/', '/wD/=', '/wD!', '====', 'é/wD', '/wD/\\n']) {
    assert.throws(() => json.decode(text.replace('/wD/', base64)), NOT_A_RECORD, base64)
  }
})
