import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { anyRecord, sampleRecord } from '../support/arbitrary-record.ts'

// msgpackr has its native part, which is optional, read strings; this file's process goes without.
process.env['MSGPACKR_NATIVE_ACCELERATION_DISABLED'] = 'true'
const { isNativeAccelerationEnabled } = await import('msgpackr')
const { MessagePackSerializer } = await import('undici-http-cache/serializers/message-pack')

const serializer = new MessagePackSerializer()

test('message-pack gives back every record exactly without native code', () => {
  assert.equal(isNativeAccelerationEnabled, false)
  fc.assert(
    fc.property(anyRecord, record => {
      assert.deepEqual(serializer.decode(serializer.encode(record)), record)
    }),
    { numRuns: 300 }
  )
})

test('message-pack keeps the byte order mark of a long string', () => {
  const tags = [`\uFEFF${'tag'.repeat(40)}`]
  assert.deepEqual(serializer.decode(serializer.encode(sampleRecord({ tags }))).entry.tags, tags)
})
