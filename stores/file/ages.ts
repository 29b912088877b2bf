/** Buckets for a doubling of the age: each is about 1 % of the age wide. */
const BUCKETS_PER_DOUBLING = 64

/** How many bytes were last used how long ago: enough to say, without a list of all entries, which of them are to go. */
export class Ages {
  readonly #nowMs: number
  readonly #buckets = new Map<number, number>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  add(usedAtMs: number, byteLength: number): void {
    const bucket = this.bucketOf(usedAtMs)
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + byteLength)
  }

  /** Larger for what was used longer ago. */
  bucketOf(usedAtMs: number): number {
    return Math.floor(Math.log2(1 + Math.max(0, this.#nowMs - usedAtMs)) * BUCKETS_PER_DOUBLING)
  }

  /** What must go for `excessBytes` to be freed: all in buckets beyond this one, and of this one the rest. */
  cutoff(excessBytes: number): { readonly bucket: number; readonly remainingBytes: number } {
    let remainingBytes = excessBytes
    let last = Infinity
    for (const [bucket, byteLength] of [...this.#buckets].sort(([a], [b]) => b - a)) {
      last = bucket
      if (byteLength >= remainingBytes) break
      remainingBytes -= byteLength
    }
    return { bucket: last, remainingBytes }
  }
}
