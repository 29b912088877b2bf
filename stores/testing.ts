import { describe, it } from 'node:test'
import type { CacheStore, MaybePromise } from './store.ts'
import { testBodies } from './testing/bodies.ts'
import { testClocks } from './testing/clocks.ts'
import { testConcurrency } from './testing/concurrency.ts'
import { testDeletions } from './testing/deletions.ts'
import { testFacts } from './testing/facts.ts'
import { testHostile } from './testing/hostile.ts'
import { testLeases } from './testing/leases.ts'
import { testLifecycle } from './testing/lifecycle.ts'
import { testPrecedence } from './testing/precedence.ts'
import { testRanges } from './testing/ranges.ts'
import { testRemovals } from './testing/removals.ts'
import { type Check, Subject } from './testing/subject.ts'
import { testTags } from './testing/tags.ts'
import { testUpdates } from './testing/updates.ts'
import { testVariants } from './testing/variants.ts'

/** What a test asks of the store that it is given. */
export interface StoreLimits {
  /** The largest body that the store is to take, in bytes. */
  readonly maxEntrySizeBytes: number
}

export interface TestStoreOptions {
  /** What the tests are listed under. */
  readonly name: string
  /** Makes an empty store that shares nothing with those made before. It is to hold 20 MiB at the least. */
  create(limits: StoreLimits): MaybePromise<CacheStore>
  /** Makes another instance on the data of `store`: called after `store.close()`, and, where its capabilities say
   * `shared`, also while it is open. Left out: such tests are skipped. */
  reopen?(store: CacheStore): MaybePromise<CacheStore>
  /** Called after each test with the store that `create` made, once it and what `reopen` made are closed: removes
   * directories, quits connections. */
  dispose?(store: CacheStore): MaybePromise<void>
  /** How many variants of one key are stored at once in the test about many; 1,000 by default. For a store that takes
   * long over them. */
  readonly variantCount?: number
  /** How many variants of one key the store keeps at the least, where it bounds them. Default: any number. */
  readonly maxVariants?: number
  /** Whether lookups, and small bodies, come without a promise. False by default: not tested. */
  readonly isSynchronous?: boolean
  /** Whether a lookup finds nothing any more once a response has been stored whose time is past `expiresAtMs`. True by
   * default. */
  readonly dropsExpired?: boolean
}

const MEBIBYTE = 1_048_576
const TIMEOUT_MS = 60_000

/** Registers, with node:test, the tests that every CacheStore has to pass. To be called at the top of a test file:
 *
 * ```ts
 * import { testStore } from 'undici-http-cache/stores/testing'
 *
 * testStore({ name: 'MyStore', create: ({ maxEntrySizeBytes }) => new MyStore({ maxEntrySizeBytes }) })
 * ```
 *
 * Each test gets a new store and closes it. What is tested depends on the store's `capabilities`; what they leave out is
 * shown as skipped. All else holds for every store:
 *
 * - A body comes back byte for byte, an entry with every field as it was committed, in the order and case it had. Nothing
 *   is to be seen of it before `commit`, nor after `abort`.
 * - A deletion wins: `commit` and `update` answer false where `delete`, `deleteByTag` or `clear` came after the position
 *   that they were begun with, and what is asked for after the deletion is stored.
 * - `remove` takes away that one response, and `update` with `from` moves it; other variants, and what is on its way, are
 *   left alone.
 * - A whole body is stored although a response to HEAD, or a part, of its version was asked for and stored meanwhile.
 * - A body that is opened, or only looked up, before it is replaced or deleted gives the bytes it had, or fails.
 * - Keys, variant keys and tags are any strings.
 * - The times of an entry are those of its cache's clock, which may be years from real time. A lookup finds what has not
 *   expired by that clock, and, but for `dropsExpired: false`, not what had by the time of the last response stored.
 * - `capabilities.tags` false: `deleteByTag` throws or rejects; `clear` false: `clear` does. `ranges` false: `open` with a range answers with the
 *   right bytes or undefined.
 *   `shared` true, with `reopen`: two instances see each other's responses and deletions.
 * - `leases` true: of all who ask `lease` for one name, on any instance, one at a time has it, until it is released or its
 *   time is up; nobody else renews or releases it. */
export function testStore(options: TestStoreOptions): void {
  const {
    name,
    create,
    dispose,
    variantCount = 1000,
    maxVariants = Infinity,
    isSynchronous = false,
    dropsExpired = true
  } = options
  describe(name, () => {
    const check: Check = (title, run, maxEntrySizeBytes = 8 * MEBIBYTE) => {
      it(title, { timeout: TIMEOUT_MS }, async context => {
        const store = await create({ maxEntrySizeBytes })
        const opened = [store]
        const reopen = async (closed: CacheStore) => {
          const other = await options.reopen?.(closed)
          if (other !== undefined) opened.push(other)
          return other
        }
        try {
          await run(new Subject(store, context, maxVariants, reopen))
        } finally {
          for (const each of opened) await each.close()
          await dispose?.(store)
        }
      })
    }
    testBodies(check)
    testFacts(check)
    testVariants(check, variantCount)
    testUpdates(check)
    testDeletions(check)
    testRemovals(check)
    testPrecedence(check)
    testTags(check)
    testRanges(check)
    testConcurrency(check)
    testHostile(check)
    testLeases(check)
    testLifecycle(check, isSynchronous, dropsExpired)
    testClocks(check, dropsExpired)
  })
}
