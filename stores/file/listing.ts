import type { Entry } from '../../lib/rfc9111/types.ts'
import type { FileContext } from './context.ts'
import { listKeys, listShards } from './key-files.ts'

/** All that is stored, a shard at a time. */
export async function* listStored({ folders, records, deletions }: FileContext): AsyncGenerator<Entry> {
  if (!(await folders.isThere())) return
  await deletions.refresh()
  for (const shard of await listShards(folders)) {
    for (const { key, records: names } of await listKeys(folders, shard)) {
      for (const name of names) {
        const found = await records.read(name, head => {
          return !deletions.covers(head, key, head.tags) && head.keptUntilMs >= Date.now()
        })
        if (found !== undefined && found !== 'damaged' && found.record !== undefined) yield found.record.entry
      }
    }
  }
}
