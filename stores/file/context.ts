import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { BackgroundTasks } from '../shared/background-tasks.ts'
import type { KeyedMutex } from '../shared/keyed-mutex.ts'
import type { StoreTime } from '../shared/store-time.ts'
import type { DeletionLog } from './deletion-log.ts'
import type { Folders } from './folders.ts'
import type { Recency } from './recency.ts'
import type { RecordReader } from './record-reader.ts'
import type { RecordWriter } from './record-writer.ts'

/** What the files of this folder share. */
export interface FileContext {
  readonly serializer: BytesSerializer
  readonly folders: Folders
  readonly records: RecordReader
  readonly writer: RecordWriter
  readonly deletions: DeletionLog
  /** Changes to what is stored for a key are made one after the other, by the name of the key. */
  readonly mutex: KeyedMutex
  readonly recency: Recency
  readonly background: BackgroundTasks
  readonly time: StoreTime
}
