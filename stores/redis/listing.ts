import type { Entry } from '../../lib/rfc9111/types.ts'
import { type Connection, scanNames, unlessWrongType } from './connection.ts'
import type { Names } from './layout.ts'
import type { RecordCodec } from './record-codec.ts'

const RECORDS_AT_ONCE = 16
const HASH = /^\{[\w-]{22}\}$/
const VARIANT = /^[\w-]{22}$/

/** All that is stored under these names, with digests in the place of variant keys. */
export async function* listStored(connection: Connection, names: Names, codec: RecordCodec): AsyncGenerator<Entry> {
  const { prefix } = names
  const listed = new Set<string>()
  for await (const found of scanNames(connection, prefix)) {
    for (const hash of found) {
      if (!HASH.test(hash.slice(prefix.length)) || listed.has(hash)) continue
      listed.add(hash)
      const present = await unlessWrongType(
        connection.use(client => client.hkeys(hash)),
        []
      )
      const fields = present.filter(field => VARIANT.test(field))
      for (let i = 0; i < fields.length; i += RECORDS_AT_ONCE) {
        const some = fields.slice(i, i + RECORDS_AT_ONCE)
        for (const bytes of await connection.use(client => client.hmgetBuffer(hash, ...some))) {
          const record = bytes === null ? undefined : codec.decode(bytes)
          if (record !== undefined && record.head.keptUntilMs >= Date.now()) yield record.entry
        }
      }
    }
  }
}
