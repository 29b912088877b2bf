import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import { anyBody, anyRecord, sampleRecord } from '../support/arbitrary-record.ts'
import { byteSerializers, serializers } from '../support/serializers.ts'

for (const serializer of serializers) {
  describe(serializer.name, () => {
    test('gives back every record exactly', () => {
      fc.assert(
        fc.property(anyRecord, record => {
          assert.deepEqual(serializer.decode(serializer.encode(record)), record)
        }),
        { numRuns: 300 }
      )
    })

    test('gives back every body exactly', () => {
      fc.assert(
        fc.property(anyBody, body => {
          assert.deepEqual(serializer.decode(serializer.encode(sampleRecord({}, body))).body, body)
        }),
        { numRuns: 500 }
      )
    })

    test('gives back every byte, alone and behind text', () => {
      for (let byte = 0; byte < 256; byte++) {
        for (const body of [Uint8Array.of(byte), Uint8Array.of(0xc3, 0xa4, byte)]) {
          assert.deepEqual(serializer.decode(serializer.encode(sampleRecord({}, body))).body, body)
        }
      }
    })

    test('gives back every character of a field value', () => {
      const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
      const value = characters.filter(character => !'\0\r\n'.includes(character)).join('')
      const record = sampleRecord({ statusText: value, lines: [['X', value]], trailers: [['X', value]] })
      assert.deepEqual(serializer.decode(serializer.encode(record)), record)
    })

    test('tells an empty body from none', () => {
      assert.deepEqual(serializer.decode(serializer.encode(sampleRecord({}, new Uint8Array()))).body, new Uint8Array())
      const { version, entry } = sampleRecord()
      assert.deepEqual(serializer.decode(serializer.encode({ version, entry, body: undefined })).body, undefined)
    })

    test('gives back a body of a megabyte', () => {
      const binary = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 24)
      const text = new TextEncoder().encode('grüße 🎈\n'.repeat(80_000))
      for (const body of [binary, text]) {
        const decoded = serializer.decode(serializer.encode(sampleRecord({}, body))).body
        assert.ok(Buffer.from(body).equals(decoded ?? new Uint8Array()))
      }
    })
  })
}

for (const serializer of [new JsonBytesSerializer(), new MessagePackSerializer()]) {
  describe(serializer.name, () => {
    test('encodes to bytes that later encoding leaves alone', () => {
      const { version, entry } = sampleRecord()
      for (const record of [sampleRecord(), { version, entry }]) {
        const encoded = [record, sampleRecord({}, Buffer.alloc(100_000)), record].map(r => serializer.encode(r))
        assert.deepEqual(encoded[0], encoded[2])
        assert.ok(encoded.every(bytes => bytes.buffer.byteLength === bytes.byteLength))
      }
    })

    test('decodes to bodies in memory of their own', () => {
      for (const body of [Buffer.from('text'), Buffer.from([0xff])]) {
        const encoded = Buffer.from(serializer.encode(sampleRecord({}, body)))
        const decoded = serializer.decode(encoded)
        encoded.fill(0)
        assert.deepEqual(decoded.body, new Uint8Array(body))
        assert.equal(decoded.body?.buffer.byteLength, body.length)
      }
    })

    test('decodes from the middle of a larger buffer', () => {
      const encoded = serializer.encode(sampleRecord())
      const buffer = Buffer.concat([Buffer.alloc(5, 0xdd), encoded, Buffer.alloc(5, 0xdd)])
      assert.deepEqual(serializer.decode(buffer.subarray(5, -5)), sampleRecord())
    })

    test('leaves no trace on what it decodes', () => {
      const encoded = new Uint8Array(serializer.encode(sampleRecord()))
      serializer.decode(encoded)
      assert.deepEqual(Object.keys(encoded).length, encoded.length)
    })
  })
}

describe('json-string', () => {
  const serializer = new JsonStringSerializer()
  const bodyOf = (body: Uint8Array) => JSON.parse(serializer.encode(sampleRecord({}, body))).body

  test('writes a body as text where it is UTF-8, a byte order mark included', () => {
    assert.deepEqual(bodyOf(Buffer.from('grüße')), { utf8: 'grüße' })
    assert.deepEqual(bodyOf(Buffer.from([0xef, 0xbb, 0xbf])), { utf8: '\uFEFF' })
  })

  test('writes a body in base64 where it is not UTF-8', () => {
    assert.deepEqual(bodyOf(Buffer.from([0xff, 0x00])), { base64: '/wA=' })
  })
})

describe('object', () => {
  test('gives back the record itself, each time', () => {
    const serializer = new ObjectSerializer()
    const record = sampleRecord()
    const encoded = serializer.encode(record)
    assert.equal(encoded, record)
    assert.equal(serializer.decode(encoded), record)
    assert.equal(serializer.decode(encoded), record)
  })

  test('makes anew what another serializer decoded', () => {
    const foreign = sampleRecord()
    const decoded = new ObjectSerializer().decode(foreign)
    assert.notEqual(decoded, foreign)
    assert.deepEqual(decoded, foreign)
  })
})

test('every serializer has a name of its own', () => {
  const names = serializers.map(({ name }) => name)
  assert.deepEqual(names, ['object', 'json-string', 'json-bytes', 'message-pack'])
  assert.ok(byteSerializers.every(({ name }) => names.includes(name)))
})
