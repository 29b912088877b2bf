import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Layout of a log of deletions, numbers little-endian. A header of 64 bytes:
 *
 *      0  magic                               24  epoch: what another epoch's log says is unknown here
 *      8  CRC-32 of the rest of the header    40  ordinal of the first line that is not carried over
 *     12  generation                          48  floor
 *     16  lines carried over from the log before
 *
 * Then lines of 32 bytes; one that is appended never crosses a page, so that it is there whole or not at all:
 *
 *      0  kind                                 8  ordinal, of a line that says another than its own
 *      4  CRC-32 of the rest of the line      16  first 16 bytes of the digest of a key or tag
 */
const MAGIC = Buffer.from('uhc-log1')
export const LOG_HEADER_BYTES = 64
export const LINE_BYTES = 32
const NAME_DIGITS = 32
const LINES_PER_PIECE = 2048
/** With more than these, what is older than the log is deleted as a whole, so that less need be remembered. */
const MAX_CARRIED = 65_536

/** `key`, `tag` and `all` delete. `swept`: nothing that was deleted before that ordinal is left. `sealed`: the next log
 * has begun, and what follows in this one counts for nothing. */
const KINDS = ['key', 'tag', 'all', 'swept', 'sealed'] as const
export type LineKind = (typeof KINDS)[number]

/** Where a log of deletions stood: so many lines had been written since the epoch began. */
export class LogPosition {
  readonly epoch: string
  readonly generation: number
  readonly ordinal: number

  constructor(epoch: string, generation: number, ordinal: number) {
    this.epoch = epoch
    this.generation = generation
    this.ordinal = ordinal
  }
}

/** What a log of deletions says, as far as it has been read. */
export class DeletionView {
  readonly epoch: string
  readonly generation: number
  /** Ordinal of the first line that was not carried over. */
  readonly base: number
  /** Bytes of the log that are part of this. */
  sizeBytes = LOG_HEADER_BYTES
  #carried: number
  #next: number
  /** Everything from before this ordinal is deleted. */
  #floor: number
  #sealed = false
  #position: LogPosition
  readonly #keys = new Map<string, number>()
  readonly #tags = new Map<string, number>()

  private constructor(epoch: string, generation: number, base: number, floor: number, carried: number) {
    this.epoch = epoch
    this.generation = generation
    this.base = base
    this.#next = base
    this.#floor = floor
    this.#carried = carried
    this.#position = new LogPosition(epoch, generation, base)
  }

  /** An epoch in which nothing has been deleted yet, and nothing stored. */
  static begin(generation: number): DeletionView {
    return new DeletionView(randomBytes(16).toString('hex'), generation, 0, 0, 0)
  }

  /** The view that a header begins; undefined where it is none of that generation. */
  static parse(header: Buffer, generation: number): DeletionView | undefined {
    if (header.byteLength < LOG_HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
    if (crc32(header.subarray(12, LOG_HEADER_BYTES)) !== header.readUInt32LE(8)) return undefined
    if (header.readUInt32LE(12) !== generation) return undefined
    const epoch = header.toString('hex', 24, 40)
    return new DeletionView(
      epoch,
      generation,
      header.readDoubleLE(40),
      header.readDoubleLE(48),
      header.readUInt32LE(16)
    )
  }

  get isSealed(): boolean {
    return this.#sealed
  }

  /** Lines appended since this log began. */
  get lineCount(): number {
    return this.#next - this.base
  }

  get position(): LogPosition {
    if (this.#position.ordinal !== this.#next) {
      this.#position = new LogPosition(this.epoch, this.generation, this.#next)
    }
    return this.#position
  }

  /** Whether a deletion that reaches this key, or one of these tags, came after the position. */
  covers({ epoch, ordinal }: Pick<LogPosition, 'epoch' | 'ordinal'>, key: string, tags: readonly string[]): boolean {
    if (epoch !== this.epoch || ordinal < this.#floor) return true
    if (ordinal >= this.#next) return false
    if (isAfter(this.#keys.get(key.slice(0, NAME_DIGITS)), ordinal)) return true
    return tags.some(tag => isAfter(this.#tags.get(tag), ordinal))
  }

  /** Takes in whole lines. */
  read(lines: Buffer): void {
    for (let at = 0; at < lines.byteLength; at += LINE_BYTES) {
      this.sizeBytes += LINE_BYTES
      if (!this.#sealed) this.#readLine(lines.subarray(at, at + LINE_BYTES))
    }
  }

  /** Whether it remembers single deletions from before `ordinal`. */
  remembers(ordinal: number): boolean {
    return [this.#keys, this.#tags].some(lines => [...lines.values()].some(each => each < ordinal))
  }

  /** Forgets single deletions from before `ordinal`: of what they deleted nothing is left. */
  forget(ordinal: number): void {
    for (const lines of [this.#keys, this.#tags]) {
      for (const [name, each] of lines) {
        if (each < ordinal) lines.delete(name)
      }
    }
  }

  /** The log of the next generation, in pieces; of one that begins an epoch, its own. */
  *next(generation: number): Generator<Buffer> {
    if (this.#keys.size + this.#tags.size > MAX_CARRIED) this.#raiseFloor(this.base)
    const header = Buffer.alloc(LOG_HEADER_BYTES)
    header.set(MAGIC)
    header.writeUInt32LE(generation, 12)
    header.writeUInt32LE(this.#keys.size + this.#tags.size, 16)
    header.write(this.epoch, 24, 'hex')
    header.writeDoubleLE(this.#next, 40)
    header.writeDoubleLE(this.#floor, 48)
    header.writeUInt32LE(crc32(header.subarray(12)), 8)
    yield header
    yield* piecesOf('key', this.#keys)
    yield* piecesOf('tag', this.#tags)
  }

  #readLine(line: Buffer): void {
    const isCarried = this.#carried > 0
    const own = isCarried ? -1 : this.#next++
    if (isCarried) this.#carried--
    const ordinal = isCarried ? line.readDoubleLE(8) : own
    const name = line.toString('hex', 16)
    const kind = KINDS[line.readUInt8(0)]
    if (kind === undefined || checksumOf(line) !== line.readUInt32LE(4)) this.#raiseFloor(this.#next)
    else if (kind === 'key') remember(this.#keys, name, ordinal)
    else if (kind === 'tag') remember(this.#tags, name, ordinal)
    else if (kind === 'all') this.#raiseFloor(own + 1)
    else if (kind === 'swept') this.forget(line.readDoubleLE(8))
    else this.#sealed = true
  }

  /** Has everything from before `ordinal` count as deleted. */
  #raiseFloor(ordinal: number): void {
    this.#floor = Math.max(this.#floor, ordinal)
    this.forget(ordinal)
  }
}

export function encodeLine(kind: LineKind, name = '', ordinal = 0): Buffer {
  const line = Buffer.alloc(LINE_BYTES)
  line.writeUInt8(KINDS.indexOf(kind))
  line.writeDoubleLE(ordinal, 8)
  line.write(name.slice(0, NAME_DIGITS), 16, 'hex')
  line.writeUInt32LE(checksumOf(line), 4)
  return line
}

function checksumOf(line: Buffer): number {
  return crc32(line.subarray(8), line.readUInt8(0))
}

function* piecesOf(kind: LineKind, lines: ReadonlyMap<string, number>): Generator<Buffer> {
  let piece: Buffer[] = []
  for (const [name, ordinal] of lines) {
    piece.push(encodeLine(kind, name, ordinal))
    if (piece.length < LINES_PER_PIECE) continue
    yield Buffer.concat(piece)
    piece = []
  }
  if (piece.length > 0) yield Buffer.concat(piece)
}

function remember(lines: Map<string, number>, name: string, ordinal: number): void {
  lines.set(name, Math.max(ordinal, lines.get(name) ?? 0))
}

function isAfter(deleted: number | undefined, ordinal: number): boolean {
  return deleted !== undefined && deleted >= ordinal
}
