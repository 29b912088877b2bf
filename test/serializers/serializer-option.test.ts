import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deserialize, serialize } from 'node:v8'
import { gunzipSync, gzipSync } from 'node:zlib'
import { CacheError } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import type { Serializer } from '../../serializers/serializer.ts'
import { acceptBytesSerializer, acceptSerializer, type BytesSerializer } from '../../serializers/serializer-option.ts'
import { sampleRecord } from '../support/arbitrary-record.ts'
import { byteSerializers, serializers } from '../support/serializers.ts'

const BAD_OPTION = { name: 'TypeError', code: 'ERR_CACHE_OPTION' }
const NOT_A_RECORD = { name: 'CacheError', code: 'ERR_CACHE_RECORD' }

const json = new JsonStringSerializer()

/** JSON, compressed: a serializer of a user's own, made from one of the package's. */
const gzip: Serializer<Uint8Array> = {
  name: 'gzip+json',
  encode: record => gzipSync(json.encode(record)),
  decode: encoded => json.decode(gunzipSync(encoded, { maxOutputLength: 1 << 20 }).toString())
}

/** One that checks nothing. */
const structured: Serializer<Uint8Array> = {
  name: 'v8',
  encode: record => serialize(record),
  decode: encoded => deserialize(encoded)
}

describe('acceptBytesSerializer', () => {
  test('returns the serializers of this package that encode to bytes as they are', () => {
    for (const serializer of byteSerializers) assert.equal(acceptBytesSerializer(serializer), serializer)
  })

  test('refuses those that do not, naming the option and the serializer', () => {
    for (const serializer of [new ObjectSerializer(), new JsonStringSerializer()]) {
      const name = serializer.constructor.name
      assert.throws(() => acceptBytesSerializer(serializer), {
        ...BAD_OPTION,
        message: new RegExp(`^serializer must be a serializer that encodes to a Uint8Array.* instance of ${name}$`)
      })
    }
  })

  test('takes those of a user, which then work as they would alone', () => {
    for (const serializer of [gzip, structured]) {
      const accepted = acceptBytesSerializer(serializer)
      assert.equal(accepted.name, serializer.name)
      assert.deepEqual(accepted.decode(accepted.encode(sampleRecord())), sampleRecord())
      assert.deepEqual(accepted.decode(serializer.encode(sampleRecord())), sampleRecord())
    }
  })

  test('takes one whose methods need their object', () => {
    class Counting extends MessagePackSerializer {
      count = 0
      override encode(record: Parameters<MessagePackSerializer['encode']>[0]) {
        this.count++
        return super.encode(record)
      }
    }
    const counting = new Counting()
    const accepted = acceptBytesSerializer(counting)
    counting.count = 0
    assert.deepEqual(accepted.decode(accepted.encode(sampleRecord())), sampleRecord())
    assert.equal(counting.count, 1)
  })

  test('refuses one of a user that does not encode to bytes', () => {
    for (const encode of [() => 'text', () => [1], () => Promise.resolve(new Uint8Array()), () => new ArrayBuffer(1)]) {
      assert.throws(() => acceptBytesSerializer({ ...gzip, encode }), BAD_OPTION)
    }
  })

  test('refuses to encode where only the first response shows that it is not to bytes', () => {
    let ready = false
    const late = {
      ...gzip,
      encode() {
        if (!ready) throw new Error('not ready')
        return 'text'
      }
    }
    const accepted = acceptBytesSerializer(late, 'options.serializer')
    assert.throws(() => accepted.encode(sampleRecord()), /not ready/)
    ready = true
    assert.throws(() => accepted.encode(sampleRecord()), { ...BAD_OPTION, message: /^options\.serializer must/ })
  })

  test('gives whatever a decode of a user throws the code of a bad record, and keeps it as the cause', () => {
    for (const cause of [new SyntaxError('no'), new CacheError('ERR_CACHE_BODY', 'no')]) {
      const decode = () => assert.fail(cause)
      assert.throws(() => acceptBytesSerializer({ ...gzip, decode }).decode(Buffer.of(1)), { ...NOT_A_RECORD, cause })
    }
    for (const serializer of [gzip, structured]) {
      assert.throws(() => acceptBytesSerializer(serializer).decode(Buffer.from('garbage')), NOT_A_RECORD)
    }
  })

  test('checks the record that a decode of a user returns', () => {
    for (const value of [undefined, 'text', {}, { ...sampleRecord(), version: 2 }, Promise.resolve(sampleRecord())]) {
      assert.throws(() => acceptBytesSerializer({ ...gzip, decode: () => value }).decode(Buffer.of(1)), NOT_A_RECORD)
    }
    const accepted = acceptBytesSerializer(structured)
    assert.throws(() => accepted.decode(serialize(sampleRecord({ statusCode: 99 }))), NOT_A_RECORD)
  })

  test('refuses what is no serializer', () => {
    const values = [undefined, null, 'json', JsonBytesSerializer, {}, { ...gzip, name: undefined }]
    for (const value of [...values, { ...gzip, encode: undefined }, { ...gzip, decode: 'decode' }]) {
      assert.throws(() => acceptBytesSerializer(value, 'serializer'), { ...BAD_OPTION, message: /^serializer must/ })
      assert.throws(() => acceptSerializer(value), BAD_OPTION)
    }
  })

  test('refuses a name that could not stand in the name of a file', () => {
    for (const name of ['', '.', '..', '../x', 'a/b', 'a\\b', 'a b', 'a:b', 'a\0', '\u00e4', 'a'.repeat(65)]) {
      assert.throws(() => acceptBytesSerializer({ ...gzip, name }), {
        ...BAD_OPTION,
        message: /^serializer\.name must/
      })
    }
  })
})

describe('acceptSerializer', () => {
  test('returns every serializer of this package as it is', () => {
    for (const serializer of serializers) assert.equal(acceptSerializer(serializer), serializer)
  })

  test('takes those of a user, whatever they encode to', () => {
    const accepted = acceptSerializer({ ...gzip, encode: json.encode, decode: json.decode })
    assert.deepEqual(accepted.decode(accepted.encode(sampleRecord())), sampleRecord())
    assert.deepEqual(acceptSerializer(gzip).decode(gzip.encode(sampleRecord())), sampleRecord())
  })

  test('refuses one that encodes to nothing, or to a promise', () => {
    for (const encode of [() => undefined, async () => '']) {
      assert.throws(() => acceptSerializer({ ...gzip, encode }), BAD_OPTION)
    }
  })
})

test('the types tell serializers to bytes from others', () => {
  const anything: Serializer[] = [new ObjectSerializer(), new JsonStringSerializer(), new MessagePackSerializer(), gzip]
  const bytes: BytesSerializer[] = [new JsonBytesSerializer(), new MessagePackSerializer(), gzip, structured]
  // @ts-expect-error: encodes to an object
  const object: BytesSerializer = new ObjectSerializer()
  // @ts-expect-error: encodes to a string
  const string: BytesSerializer = new JsonStringSerializer()
  // @ts-expect-error: encodes to a string
  const own: BytesSerializer = { name: 'own', encode: json.encode, decode: json.decode }
  // @ts-expect-error: encodes to a promise
  const later: BytesSerializer = { ...gzip, encode: async record => gzip.encode(record) }
  assert.equal([...anything, ...bytes, object, string, own, later].length, 12)
})
