import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import type { Serializer } from '../../serializers/serializer.ts'

export const byteSerializers: readonly Serializer<Uint8Array>[] = [
  new JsonBytesSerializer(),
  new MessagePackSerializer()
]

export const serializers: readonly Serializer[] = [
  new ObjectSerializer(),
  new JsonStringSerializer(),
  ...byteSerializers
]
