import { Buffer } from 'node:buffer'
import { RECORD_VERSION, type StoredRecord } from '../../serializers/serializer.ts'
import { type BytesSerializer, decodesCopies } from '../../serializers/serializer-option.ts'
import { attempt } from '../shared/attempt.ts'
import type { RecordSource } from '../shared/entry-records.ts'
import { isAbsent } from '../shared/file-errors.ts'
import {
  decodeRecord,
  headBytes,
  MAX_RECORD_BYTES,
  type ParsedHead,
  parseHead,
  type RecordHead,
  type WholeRecord
} from '../shared/record-format.ts'
import { Semaphore } from '../shared/semaphore.ts'
import { type FileHandle, type FileStats, readFully, TO_READ } from './file-system.ts'
import type { Folders } from './folders.ts'
import { isSameFile, type KnownRecord, KnownRecords } from './known-records.ts'

/** Of files read at the same time: more wait, and run neither out of descriptors nor into memory. */
const MAX_OPEN = 64
/** Holds a body of 64 KiB with its metadata: most records are read at once. */
const BUFFER_BYTES = 81_920
const HEAD_BYTES = 4096
/** Larger files that are known are read into bytes of their own: less than this is sooner copied than allocated. */
const MAX_COPIED_BYTES = 16_384

/** What a record file holds; 'damaged' where a checksum or a length is wrong, or the serializer says so. */
export type ReadRecord = { readonly head: RecordHead; readonly record: StoredRecord | undefined } | 'damaged'

/** Reads record files: each with one read, where it is small. Bodies that it gives are kept by nobody else. */
export class RecordReader implements RecordSource {
  readonly #folders: Folders
  readonly #serializer: BytesSerializer
  readonly #semaphore = new Semaphore(MAX_OPEN)
  readonly #buffers: Buffer[] = []
  readonly #headBuffers: Buffer[] = []
  readonly #known = new KnownRecords()

  constructor(folders: Folders, serializer: BytesSerializer) {
    this.#folders = folders
    this.#serializer = serializer
  }

  /** A record, deserialized if it is wanted; undefined where there is none. One entry for as long as it stays the same. */
  read(name: string, isWanted: (head: RecordHead) => boolean): Promise<ReadRecord | undefined> {
    return this.#open(name, async handle => {
      const known = this.#known.get(name)
      if (known !== undefined && known.fileBytes > MAX_COPIED_BYTES)
        return this.#readKnown(name, handle, known, isWanted)
      const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
      try {
        // One read, and no loop until there is nothing more: what comes short is damaged, or else longer than this.
        const { bytesRead } = await handle.read(buffer, 0, BUFFER_BYTES, 0)
        const bytes = bytesRead < BUFFER_BYTES ? buffer.subarray(0, bytesRead) : await readRest(handle, buffer)
        return this.#parse(name, bytes, isWanted, body => Buffer.from(body))
      } finally {
        this.#buffers.push(buffer)
      }
    })
  }

  /** A byte more than the file should have is asked for, so that a longer one is found out. */
  async #readKnown(
    name: string,
    handle: FileHandle,
    { fileBytes }: KnownRecord,
    isWanted: (head: RecordHead) => boolean
  ): Promise<ReadRecord> {
    const buffer = Buffer.allocUnsafeSlow(fileBytes + 1)
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, 0)
    const bytes = bytesRead <= fileBytes ? buffer.subarray(0, bytesRead) : await readRest(handle, buffer)
    return this.#parse(name, bytes, isWanted, body => body)
  }

  /** The head alone, and what the file system says of the file. */
  readHead(name: string): Promise<{ readonly parsed: ParsedHead | undefined; readonly stats: FileStats } | undefined> {
    return this.#open(name, async handle => {
      const buffer = this.#headBuffers.pop() ?? Buffer.allocUnsafeSlow(HEAD_BYTES)
      const [{ bytesRead }, stats] = await Promise.all([handle.read(buffer, 0, HEAD_BYTES, 0), handle.stat()])
      const parsed = await this.#parseHead(handle, buffer.subarray(0, bytesRead), stats)
      // Where one of these has failed the other may still be at work on it.
      this.#headBuffers.push(buffer)
      return { parsed, stats }
    })
  }

  async #parseHead(handle: FileHandle, start: Buffer, { size }: FileStats): Promise<ParsedHead | undefined> {
    const byteLength = headBytes(start) ?? 0
    if (byteLength <= start.byteLength || byteLength > Math.min(size, MAX_RECORD_BYTES)) return parseHead(start)
    const longer = Buffer.allocUnsafe(byteLength)
    await readFully(handle, longer, 0)
    return parseHead(longer)
  }

  /** All bytes of the file. */
  readWhole(name: string): Promise<WholeRecord | undefined> {
    return this.#open(name, async handle => {
      const bytes = await readRest(handle, Buffer.alloc(0))
      return { bytes, parsed: parseHead(bytes) }
    })
  }

  #parse(
    name: string,
    bytes: Buffer,
    isWanted: (head: RecordHead) => boolean,
    keep: (body: Buffer) => Uint8Array
  ): ReadRecord {
    const known = this.#known.get(name)
    if (known !== undefined && isSameFile(known, bytes)) {
      const { head, entry, front } = known
      if (!isWanted(head)) return { head, record: undefined }
      return { head, record: { version: RECORD_VERSION, entry, body: keep(bytes.subarray(front.byteLength)) } }
    }
    const parsed = parseHead(bytes)
    if (parsed === undefined) return 'damaged'
    const { head } = parsed
    if (!isWanted(head)) return { head, record: undefined }
    const record = this.decode({ bytes, parsed })
    if (record === undefined) return 'damaged'
    this.#known.learn(name, bytes, parsed, record)
    return { head, record }
  }

  /** The record in a whole file; undefined where it is damaged. */
  decode(whole: WholeRecord): StoredRecord | undefined {
    const record = decodeRecord(this.#serializer, whole)
    // A serializer may give back a view, and these bytes are about to be others; or what it keeps.
    if (record?.body === undefined || decodesCopies(this.#serializer)) return record
    return { ...record, body: new Uint8Array(record.body) }
  }

  async #open<T>(name: string, use: (handle: FileHandle) => Promise<T>): Promise<T | undefined> {
    await this.#semaphore.acquire()
    try {
      const handle = await this.#folders.fs.open(this.#folders.recordPath(name), TO_READ)
      try {
        return await use(handle)
      } finally {
        void attempt(() => handle.close())
      }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    } finally {
      this.#semaphore.release()
    }
  }
}

/** What begins with `start`, to its end, or as far as a record file may go. */
async function readRest(handle: FileHandle, start: Buffer): Promise<Buffer> {
  const size = Math.min((await handle.stat()).size, MAX_RECORD_BYTES)
  const bytes = Buffer.allocUnsafe(Math.max(size, start.byteLength))
  start.copy(bytes)
  const rest = bytes.subarray(start.byteLength)
  return bytes.subarray(0, start.byteLength + (await readFully(handle, rest, start.byteLength)))
}
