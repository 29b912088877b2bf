import type { Entry } from '../../lib/rfc9111/types.ts'
import { isLive, type ObjectContext } from './context.ts'
import { groupsOf } from './walk.ts'

/** All that is stored, key by key. */
export async function* listStored(context: ObjectContext): AsyncGenerator<Entry> {
  const { calls, records, marks } = context
  await marks.refresh()
  for await (const { records: names } of groupsOf(calls)) {
    for (const name of names) {
      const found = await records.readWhole(name)
      if (found?.parsed === undefined || !isLive(context, found.parsed.head)) continue
      const record = records.decode(found)
      if (record !== undefined) yield record.entry
    }
  }
}
