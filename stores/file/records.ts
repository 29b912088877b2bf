import { Buffer } from 'node:buffer'
import type { StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { attempt, isAbsent } from './faults.ts'
import { type FileHandle, type FileStats, readFully, TO_READ } from './file-system.ts'
import { Gate } from './gate.ts'
import { headBytes, MAX_RECORD_BYTES, type ParsedHead, parseHead, type RecordHead, recordOf } from './record-file.ts'
import type { Tree } from './tree.ts'

/** Of files read at the same time: more wait, and run neither out of descriptors nor into memory. */
const MAX_OPEN = 64
/** Holds a body of 64 KiB with its metadata: most records are read at once. */
const BUFFER_BYTES = 81_920
const HEAD_BYTES = 4096

/** What a record file holds; 'damaged' where a checksum or a length is wrong, or the serializer says so. */
export type FoundRecord = { readonly head: RecordHead; readonly record: StoredRecord | undefined } | 'damaged'

/** Reads record files: each with one read, where it is small. */
export class Records {
  readonly #tree: Tree
  readonly #serializer: BytesSerializer
  readonly #gate = new Gate(MAX_OPEN)
  readonly #buffers: Buffer[] = []

  constructor(tree: Tree, serializer: BytesSerializer) {
    this.#tree = tree
    this.#serializer = serializer
  }

  /** A record, deserialized if it is wanted; undefined where there is none. */
  read(name: string, isWanted: (head: RecordHead) => boolean): Promise<FoundRecord | undefined> {
    return this.#open(name, async handle => {
      const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
      try {
        // One read, and no loop until there is nothing more: what comes short is damaged, or else longer than this.
        const { bytesRead } = await handle.read(buffer, 0, BUFFER_BYTES, 0)
        const bytes = bytesRead < BUFFER_BYTES ? buffer.subarray(0, bytesRead) : await readRest(handle, buffer)
        return this.#parse(bytes, isWanted)
      } finally {
        this.#buffers.push(buffer)
      }
    })
  }

  /** The head alone, and what the file system says of the file. */
  readHead(name: string): Promise<{ readonly parsed: ParsedHead | undefined; readonly stats: FileStats } | undefined> {
    return this.#open(name, async handle => {
      const buffer = Buffer.allocUnsafe(HEAD_BYTES)
      const [{ bytesRead }, stats] = await Promise.all([handle.read(buffer, 0, HEAD_BYTES, 0), handle.stat()])
      const byteLength = headBytes(buffer.subarray(0, bytesRead)) ?? 0
      if (byteLength <= bytesRead || byteLength > Math.min(stats.size, MAX_RECORD_BYTES)) {
        return { parsed: parseHead(buffer.subarray(0, bytesRead)), stats }
      }
      const longer = Buffer.allocUnsafe(byteLength)
      await readFully(handle, longer, 0)
      return { parsed: parseHead(longer), stats }
    })
  }

  /** All bytes of the file. */
  readWhole(name: string): Promise<Buffer | undefined> {
    return this.#open(name, async handle => readRest(handle, Buffer.alloc(0)))
  }

  #parse(bytes: Buffer, isWanted: (head: RecordHead) => boolean): FoundRecord {
    const parsed = parseHead(bytes)
    if (parsed === undefined) return 'damaged'
    if (!isWanted(parsed.head)) return { head: parsed.head, record: undefined }
    const record = this.decode(bytes, parsed)
    return record === undefined ? 'damaged' : { head: parsed.head, record }
  }

  /** The record in a whole file; undefined where it is damaged. */
  decode(bytes: Buffer, parsed: ParsedHead): StoredRecord | undefined {
    const encoded = recordOf(bytes, parsed)
    if (encoded === undefined) return undefined
    try {
      const record = this.#serializer.decode(encoded)
      // A serializer may give back a view; these bytes are about to be others.
      return record.body?.buffer === bytes.buffer ? { ...record, body: new Uint8Array(record.body) } : record
    } catch {
      return undefined
    }
  }

  async #open<T>(name: string, use: (handle: FileHandle) => Promise<T>): Promise<T | undefined> {
    await this.#gate.enter()
    try {
      const handle = await this.#tree.fs.open(this.#tree.recordPath(name), TO_READ)
      try {
        return await use(handle)
      } finally {
        void attempt(handle.close())
      }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    } finally {
      this.#gate.leave()
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
