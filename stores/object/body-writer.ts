import { isUint8Array } from 'node:util/types'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { SpillingBodyWriter } from '../shared/spilling-body-writer.ts'
import { BodyUpload } from './body-upload.ts'
import type { Commit } from './commit.ts'
import type { ObjectContext } from './context.ts'
import type { ObjectPosition } from './deletion-log.ts'

export interface ObjectBodyWriterOptions {
  readonly context: ObjectContext
  readonly commit: Commit
  readonly position: ObjectPosition
  readonly maxBytes: number
  /** The length of the body that is to come, where it is known. */
  readonly expectedBytes: number | undefined
}

/** Takes the body of one response: a large one into an object of its own. */
export class ObjectBodyWriter extends SpillingBodyWriter<BodyUpload> {
  readonly #options: ObjectBodyWriterOptions

  constructor(options: ObjectBodyWriterOptions) {
    super(options.maxBytes)
    this.#options = options
  }

  protected override begin(): BodyUpload {
    const { context, position, expectedBytes, maxBytes } = this.#options
    const isKnown = expectedBytes !== undefined && expectedBytes <= maxBytes
    return new BodyUpload(context, position.key, isKnown ? expectedBytes : undefined)
  }

  protected override async store(entry: Entry, body: Uint8Array | BodyUpload, byteLength: number): Promise<boolean> {
    const { commit, position } = this.#options
    if (isUint8Array(body)) return commit.store(entry, { kind: 'inline', bytes: body }, position)
    await body.finish()
    const isStored = await commit.store(entry, { kind: 'object', id: body.id, byteLength }, position)
    if (isStored) body.settle()
    return isStored
  }

  protected override isTooLate(): boolean {
    return false
  }
}

/** A larger body may break off, and is then kept as far as it came: its length is not announced. Bytes. */
const MAX_ANNOUNCED_BYTES = 8_388_608

/** The length of the body that is to come, where it is known: that of a part, or the Content-Length, where there is exactly
 * one. Bytes. */
export function expectedBytesOf(entry: Entry): number | undefined {
  if (entry.method === 'HEAD') return undefined
  if (entry.completeLength !== undefined) return storedBytes(entry)
  const lengths = entry.lines.filter(([name]) => name.toLowerCase() === 'content-length')
  const [, digits = ''] = lengths.length === 1 ? (lengths[0] ?? []) : []
  if (!/^\d{1,15}$/.test(digits) || Number(digits) > MAX_ANNOUNCED_BYTES) return undefined
  return Number(digits)
}
