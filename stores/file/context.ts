import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { Background } from '../shared/background-tasks.ts'
import type { KeyedMutex } from '../shared/keyed-mutex.ts'
import type { StoreTime } from '../store-time.ts'
import type { Deletions } from './deletion-log.ts'
import type { Tree } from './folders.ts'
import type { Uses } from './recency.ts'
import type { Records } from './record-reader.ts'
import type { RecordWriter } from './record-writer.ts'

/** What the parts of a store share. */
export interface Parts {
  readonly serializer: BytesSerializer
  readonly tree: Tree
  readonly records: Records
  readonly writer: RecordWriter
  readonly deletions: Deletions
  /** Changes to what is stored for a key are made one after the other, by the name of the key. */
  readonly mutex: KeyedMutex
  readonly uses: Uses
  readonly background: Background
  readonly time: StoreTime
}

/** When the first record of a key is kept until that only says where others are found: its own response was removed. */
export const HOLLOW_MS = 0
