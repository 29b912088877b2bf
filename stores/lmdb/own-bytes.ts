import { type BytesSerializer, decodesCopies } from '../../serializers/serializer-option.ts'

/** A serializer that can be given what LMDB gave, and overwrites with the next read: it gets a copy if it may keep views. */
export function withOwnBytes(serializer: BytesSerializer): BytesSerializer {
  if (decodesCopies(serializer)) return serializer
  return {
    name: serializer.name,
    encode: record => serializer.encode(record),
    decode: encoded => serializer.decode(new Uint8Array(encoded))
  }
}
