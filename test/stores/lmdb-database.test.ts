import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { LmdbDatabase } from '../../stores/lmdb/database.ts'
import { scratchDirectory } from './lmdb-stores.ts'

it('outgrows the map that it was opened with', async t => {
  const scratch = scratchDirectory()
  t.after(() => scratch.remove())
  const database = new LmdbDatabase(join(scratch.path, 'http-cache.mdb'), 1_048_576)
  t.after(() => database.close())
  const sizes = { a: 300_000, b: 2_000_000, c: 8_000_000 }
  for (const [name, bytes] of Object.entries(sizes)) {
    await database.write(({ tables }) => void tables.bodies.put(Buffer.from(name), Buffer.alloc(bytes, name)))
  }
  database.refresh()
  for (const [name, bytes] of Object.entries(sizes)) {
    assert.deepEqual(database.tables.bodies.getBinary(Buffer.from(name)), Buffer.alloc(bytes, name))
  }
})
