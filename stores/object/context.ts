import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { Background } from '../shared/background-tasks.ts'
import type { KeyedMutex } from '../shared/keyed-mutex.ts'
import type { RecordHead } from '../shared/record-format.ts'
import type { StoreTime } from '../store-time.ts'
import type { Deletions } from './deletion-log.ts'
import type { Marks } from './deletion-marks.ts'
import type { Calls } from './driver-calls.ts'
import type { Records } from './record-reader.ts'

/** What the parts of a store share. */
export interface Parts {
  readonly calls: Calls
  readonly serializer: BytesSerializer
  readonly records: Records
  readonly marks: Marks
  readonly deletions: Deletions
  /** Changes to what is stored for a key are made one after the other, by the digest of the key. */
  readonly mutex: KeyedMutex
  readonly background: Background
  readonly time: StoreTime
  /** The ids of bodies that this process has not stored yet. */
  readonly uploading: Set<string>
}

/** Whether a record is one of a response that may still be found. */
export function isLive({ marks }: Parts, { keptUntilMs, ordinal, tags }: RecordHead): boolean {
  return keptUntilMs >= Date.now() && !marks.covers(ordinal, tags)
}
