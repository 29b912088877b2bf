import { isUint8Array } from 'node:util/types'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { isMissing } from '../shared/file-errors.ts'
import { SpillingBodyWriter } from '../shared/spilling-body-writer.ts'
import type { MaybePromise } from '../store.ts'
import { BodyFileWriter } from './body-file-writer.ts'
import type { Commit } from './commit.ts'
import type { FileContext } from './context.ts'
import type { LogPosition } from './deletion-log-view.ts'

export interface FileBodyWriterOptions {
  readonly context: FileContext
  readonly commit: Commit
  readonly position: LogPosition
  readonly maxBytes: number
  /** The place of this response among all that came. */
  readonly arrival: number
}

/** Takes the body of one response: a large one into a temporary file. */
export class FileBodyWriter extends SpillingBodyWriter<BodyFileWriter> {
  readonly #options: FileBodyWriterOptions

  constructor(options: FileBodyWriterOptions) {
    super(options.maxBytes)
    this.#options = options
  }

  /** Closing the store waits for it. */
  override commit(entry: Entry): Promise<boolean> {
    const committing = super.commit(entry)
    this.#options.context.background.run(async () => {
      await committing
    })
    return committing
  }

  protected override begin(): BodyFileWriter {
    const { context, position } = this.#options
    return new BodyFileWriter(context.folders, position.generation)
  }

  protected override async store(
    entry: Entry,
    body: Uint8Array | BodyFileWriter,
    byteLength: number
  ): Promise<boolean> {
    const { commit, position, arrival } = this.#options
    const received = isUint8Array(body)
      ? ({ kind: 'inline', bytes: body } as const)
      : ({ kind: 'file', path: await body.finish(), id: body.id, byteLength } as const)
    return commit.store(entry, received, position, arrival)
  }

  /** A sweep has ended what was begun so long ago. */
  protected override isTooLate(error: unknown): MaybePromise<boolean> {
    const { context, position } = this.#options
    return isMissing(error) && context.folders.isRetired(position.generation)
  }
}
