/** Throws unless the bytes are one whole MessagePack item, made of strings, byte strings, numbers, nil and arrays of
 * these, at most `maxDepth` of them within each other.
 *
 * In time proportional to the bytes, and before a decoder sees them: extensions can make it construct other types, read
 * the same bytes over and over or compile code, and lengths past the end reach into memory beside the record. */
export function requirePlainMessage(bytes: Uint8Array, maxDepth: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (endOfItem(view, 0, maxDepth) !== bytes.byteLength) throw new RangeError('not one whole message')
}

/** Where the item at `position` ends. A RangeError where the bytes end before it does. */
function endOfItem(view: DataView, position: number, maxDepth: number): number {
  const type = view.getUint8(position++)
  if (type < 0x80) return position // positive fixint
  if (type >= 0x90 && type < 0xa0) return endOfArray(view, position, type - 0x90, maxDepth) // fixarray
  if (type >= 0xa0 && type < 0xc0) return position + type - 0xa0 // fixstr
  switch (type) {
    case 0xc0: // nil
      return position
    case 0xcc: // uint 8
      return position + 1
    case 0xcd: // uint 16
      return position + 2
    case 0xce: // uint 32
      return position + 4
    case 0xcb: // float 64
      return position + 8
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return position + 1 + view.getUint8(position)
    case 0xc5: // bin 16
    case 0xda: // str 16
      return position + 2 + view.getUint16(position)
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return position + 4 + view.getUint32(position)
    case 0xdc: // array 16
      return endOfArray(view, position + 2, view.getUint16(position), maxDepth)
    case 0xdd: // array 32
      return endOfArray(view, position + 4, view.getUint32(position), maxDepth)
    default:
      throw new TypeError(`type 0x${type.toString(16)} in a message`)
  }
}

function endOfArray(view: DataView, position: number, length: number, maxDepth: number): number {
  if (maxDepth === 0) throw new RangeError('arrays too deep')
  for (; length > 0; length--) position = endOfItem(view, position, maxDepth - 1)
  return position
}
