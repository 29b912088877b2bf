import { JsonBytesSerializer } from '../../serializers/json-bytes.ts'
import { JsonStringSerializer } from '../../serializers/json-string.ts'
import { MessagePackSerializer } from '../../serializers/message-pack.ts'
import { ObjectSerializer } from '../../serializers/object.ts'
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
