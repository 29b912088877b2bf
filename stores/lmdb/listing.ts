import { nextTurn } from '../../lib/event-loop.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { decodePayload } from '../shared/record-payload.ts'
import type { DatabaseHandle } from './database-handle.ts'
import { namespaceOf, rangeOf } from './layout.ts'
import { isLive } from './lookup.ts'
import { withRecord } from './records.ts'

/** Records listed in one turn of the event loop. */
const SLICE = 32

/** Lists what this serializer has stored, with digests in the place of variant keys. */
export async function* listStored(handle: DatabaseHandle, serializer: BytesSerializer): AsyncGenerator<Entry> {
  const namespace = namespaceOf(serializer.name, RECORD_VERSION)
  const { end } = rangeOf(namespace)
  let start: Uint8Array | undefined = namespace
  while (start !== undefined) {
    const { database } = handle.open()
    database.refresh()
    const range = { start, exclusiveStart: true, end, limit: SLICE }
    const names = [...database.tables.records.getKeys(range)] as Uint8Array[]
    for (const name of names) {
      const entry = entryOf(handle, serializer, name)
      if (entry !== undefined) yield entry
    }
    start = names.at(-1)
    if (start !== undefined) await nextTurn()
  }
}

/** undefined where it is damaged, has expired or was deleted. */
function entryOf(handle: DatabaseHandle, serializer: BytesSerializer, name: Uint8Array): Entry | undefined {
  const { database } = handle.open()
  database.refresh()
  const counters = database.counters()
  const found = withRecord(database.tables, name, ({ head, payload }) => {
    return { head, entry: decodePayload(serializer, payload)?.entry }
  })
  if (counters === undefined || !isLive(database, counters, name, found?.head)) return undefined
  return found?.entry
}
