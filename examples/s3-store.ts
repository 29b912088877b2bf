// A store in S3, or in what speaks its language: any number of processes share it, wherever they run.
//
//   npm install aws4
//   S3_BUCKET=... S3_REGION=... AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... npx tsx examples/s3-store.ts
//
// For a service that is not Amazon's, S3_ENDPOINT=https://... says where it is.
import { CachedClient } from 'undici-http-cache'
import { ObjectStore } from 'undici-http-cache/stores/object'
import { s3Driver } from 'undici-http-cache/stores/object/s3'
import { startOrigin } from './support/origin.ts'

const { S3_BUCKET: bucket, S3_REGION: region = 'us-east-1', S3_ENDPOINT: endpoint } = process.env
const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env

if (bucket === undefined) console.log('S3_BUCKET says which bucket; the first lines of this file say how')
else await run(bucket)

async function run(bucket: string): Promise<void> {
  await using origin = await startOrigin((request, response) => {
    response.setHeader('cache-control', 'max-age=60')
    response.end(request.url === '/large' ? Buffer.alloc(1_000_000) : 'page 1')
  })
  const driver = s3Driver({
    bucket,
    region,
    credentials: { accessKeyId, secretAccessKey },
    ...(endpoint && { endpoint })
  })
  const store = new ObjectStore({ driver, prefix: 'examples/s3-store' })
  // An object storage takes longer than a disk.
  await using client = new CachedClient({ cache: { store, storeTimeoutMs: 5000 } })

  for (const path of ['/1', '/1', '/large', '/large']) {
    const { body, fromCache } = await client.get(origin.url + path)
    const text = await body.text()
    console.log(`${text.length < 100 ? text : `${text.length} bytes`} - from the cache: ${fromCache}`)
    // What has come is stored a moment later.
    if (!fromCache) await new Promise(resolve => setTimeout(resolve, 1000))
  }
  console.log(`requests that reached the server: ${origin.requestCount}`)
  await store.clear()
  await store.close()
}
