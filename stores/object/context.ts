import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { BackgroundTasks } from '../shared/background-tasks.ts'
import type { KeyedMutex } from '../shared/keyed-mutex.ts'
import type { RecordHead } from '../shared/record-format.ts'
import type { StoreTime } from '../shared/store-time.ts'
import type { DeletionLog } from './deletion-log.ts'
import type { DeletionMarks } from './deletion-marks.ts'
import type { DriverCalls } from './driver-calls.ts'
import type { RecordReader } from './record-reader.ts'

/** What the files of this folder share. */
export interface ObjectContext {
  readonly calls: DriverCalls
  readonly serializer: BytesSerializer
  readonly records: RecordReader
  readonly marks: DeletionMarks
  readonly deletions: DeletionLog
  /** Changes to what is stored for a key are made one after the other, by the digest of the key. */
  readonly mutex: KeyedMutex
  readonly background: BackgroundTasks
  readonly time: StoreTime
  /** The ids of bodies that this process has not stored yet. */
  readonly uploading: Set<string>
}

/** Whether a record is one of a response that may still be found. */
export function isLive({ marks }: ObjectContext, { keptUntilMs, ordinal, tags }: RecordHead): boolean {
  return keptUntilMs >= Date.now() && !marks.covers(ordinal, tags)
}
