import { Buffer } from 'node:buffer'
import { elementIn, readError, readText } from './answers.ts'
import { notInProtocol, type S3Client } from './client.ts'

/** ObjectContext that are being sent while another is collected. */
const MAX_SENDING = 2
const MAX_ANSWER_BYTES = 65_536
/** For what has to be done although nobody waits any more. */
const LAST_MS = 30_000

/** A body that comes piece by piece, sent in parts: the object is there once all are, or not at all. */
export class MultipartUpload {
  readonly #client: S3Client
  readonly #name: string
  readonly #partSizeBytes: number
  readonly #signal: AbortSignal
  readonly #tags: string[] = []
  readonly #sending = new Set<Promise<void>>()
  /** Buffers of parts that the service has. */
  readonly #sent: Buffer[] = []

  constructor(client: S3Client, name: string, partSizeBytes: number, signal: AbortSignal) {
    this.#client = client
    this.#name = name
    this.#partSizeBytes = partSizeBytes
    this.#signal = signal
  }

  /** Rejects with what has failed first, once nothing is left of it. */
  async send(body: AsyncIterable<Uint8Array>): Promise<void> {
    const uploadId = await this.#begin()
    try {
      await this.#sendParts(uploadId, body)
      await this.#complete(uploadId)
    } catch (error) {
      // A part that comes after the end of its upload would be kept, and paid for.
      await Promise.allSettled(this.#sending)
      await abortUpload(this.#client, this.#name, uploadId).catch(() => {})
      throw error
    }
  }

  /** Not aborted: what the service has begun, this has to know by its id. */
  async #begin(): Promise<string> {
    this.#signal.throwIfAborted()
    const signal = AbortSignal.timeout(LAST_MS)
    const response = await this.#client.send({ method: 'POST', name: this.#name, query: { uploads: '' }, signal })
    if (response.statusCode !== 200) throw await readError(response, `POST ${this.#name}?uploads`)
    const uploadId = elementIn(await readText(response.body, MAX_ANSWER_BYTES), 'UploadId')
    if (uploadId === undefined || uploadId === '') throw notInProtocol(`POST ${this.#name}?uploads`)
    return uploadId
  }

  /** Pieces are copied into buffers that are used again: held until their part is sent, each would be among the old objects
   * by then, and stay in memory until everything is looked through. */
  async #sendParts(uploadId: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    let part = this.#emptyPart()
    let filled = 0
    let count = 0
    for await (const piece of body) {
      for (let taken = 0; taken < piece.byteLength; ) {
        const length = Math.min(piece.byteLength - taken, part.byteLength - filled)
        part.set(piece.subarray(taken, taken + length), filled)
        taken += length
        filled += length
        if (filled < part.byteLength) continue
        await this.#start(uploadId, ++count, part)
        part = this.#emptyPart()
        filled = 0
      }
    }
    if (filled > 0 || count === 0) await this.#start(uploadId, ++count, part.subarray(0, filled))
    await Promise.all(this.#sending)
  }

  #emptyPart(): Buffer {
    return this.#sent.pop() ?? Buffer.allocUnsafeSlow(this.#partSizeBytes)
  }

  /** Begins to send a part, once there is room for it. */
  async #start(uploadId: string, number: number, part: Buffer): Promise<void> {
    while (this.#sending.size >= MAX_SENDING) await Promise.race(this.#sending)
    this.#signal.throwIfAborted()
    const sending: Promise<void> = this.#sendPart(uploadId, number, [part], part.byteLength).then(() => {
      this.#sending.delete(sending)
      if (part.byteLength === this.#partSizeBytes) this.#sent.push(part)
    })
    // Whoever waits for it is told: it stays.
    sending.catch(() => {})
    this.#sending.add(sending)
  }

  async #sendPart(uploadId: string, number: number, pieces: readonly Uint8Array[], size: number): Promise<void> {
    const query = { partNumber: String(number), uploadId }
    const call = { method: 'PUT', name: this.#name, query, body: pieces, size, signal: this.#signal } as const
    const response = await this.#client.send(call)
    if (response.statusCode !== 200) throw await readError(response, `PUT of part ${number} of ${this.#name}`)
    await response.body.dump()
    const tag = response.headers['etag']
    if (typeof tag !== 'string' || !/^"?[\w+/=-]{1,128}"?$/.test(tag)) throw notInProtocol(`PUT of part ${number}`)
    this.#tags[number - 1] = tag
  }

  async #complete(uploadId: string): Promise<void> {
    const parts = this.#tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`)
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    const query = { uploadId }
    const call = { method: 'POST', name: this.#name, query, body, size: body.byteLength, signal: this.#signal } as const
    const response = await this.#client.send(call)
    if (response.statusCode !== 200) throw await readError(response, `POST of the parts of ${this.#name}`)
    // The service may have begun to answer before it knew.
    const answer = await readText(response.body, MAX_ANSWER_BYTES)
    if (!answer.includes('<CompleteMultipartUploadResult')) throw notInProtocol(`POST of the parts of ${this.#name}`)
  }
}

export async function abortUpload(client: S3Client, name: string, uploadId: string): Promise<void> {
  const signal = AbortSignal.timeout(LAST_MS)
  const response = await client.send({ method: 'DELETE', name, query: { uploadId }, signal })
  await response.body.dump()
}
