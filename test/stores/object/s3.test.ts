// An ObjectStore on a real S3 server, which takes ten seconds to start: one for all of these tests.
import { after, before, describe, it } from 'node:test'
import { s3Driver } from 'undici-http-cache/stores/object/s3'
import { testStore } from 'undici-http-cache/stores/testing'
import { type CephServer, credentials, region, startCeph, whyNoCeph } from '../../support/ceph.ts'
import { ListingStore } from './listing-store.ts'

const skip = whyNoCeph()
let server: CephServer
let count = 0

if (skip !== undefined) it('ObjectStore on S3', { skip })
else {
  describe('ObjectStore on S3', () => {
    before(async () => {
      server = await startCeph()
      await server.makeBucket('cache')
    })
    after(() => server[Symbol.asyncDispose]())

    testStore({
      name: 'the contract',
      create: ({ maxEntrySizeBytes }) => {
        const driver = s3Driver({ endpoint: server.endpoint, region, bucket: 'cache', credentials })
        return new ListingStore({ driver, prefix: `a!(b)/${++count}`, maxEntrySizeBytes })
      },
      reopen: store => new ListingStore((store as ListingStore).options),
      variantCount: 30
    })
  })
}
