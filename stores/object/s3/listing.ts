import { elementIn, readError, readText } from './answers.ts'
import { notInProtocol, type S3Client } from './client.ts'

/** A thousand names of a kilobyte, every character escaped, and what goes with each. */
const MAX_PAGE_BYTES = 8_388_608

export interface ListedUpload {
  readonly name: string
  readonly uploadId: string
  readonly begunAtMs: number
}

/** All names that begin with `prefix`, in order, a page of a thousand at a time. */
export async function* listObjects(
  client: S3Client,
  prefix: string,
  signal: AbortSignal
): AsyncGenerator<string, undefined> {
  let token: string | undefined
  do {
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      prefix,
      ...(token !== undefined && { 'continuation-token': token })
    }
    const page = await readPage(client, query, 'ListBucketResult', signal)
    for (const item of elementsIn(page, 'Contents')) yield nameIn(item)
    token = nextOf(page, token, 'NextContinuationToken')
  } while (token !== undefined)
}

/** Multipart uploads that are under way, or were left. */
export async function* listUploads(
  client: S3Client,
  prefix: string,
  signal: AbortSignal
): AsyncGenerator<ListedUpload, undefined> {
  let marker: string | undefined
  let idMarker = ''
  do {
    const from = marker !== undefined && { 'key-marker': marker, 'upload-id-marker': idMarker }
    const query = { uploads: '', 'encoding-type': 'url', prefix, ...from }
    const page = await readPage(client, query, 'ListMultipartUploadsResult', signal)
    for (const item of elementsIn(page, 'Upload')) {
      const uploadId = elementIn(item, 'UploadId')
      if (uploadId === undefined) throw notInProtocol('a list')
      yield { name: nameIn(item), uploadId, begunAtMs: Date.parse(elementIn(item, 'Initiated') ?? '') }
    }
    idMarker = elementIn(page, 'NextUploadIdMarker') ?? ''
    marker = nextOf(page, marker, 'NextKeyMarker')
  } while (marker !== undefined)
}

async function readPage(
  client: S3Client,
  query: Readonly<Record<string, string>>,
  root: string,
  signal: AbortSignal
): Promise<string> {
  const response = await client.send({ method: 'GET', query, signal })
  if (response.statusCode !== 200) throw await readError(response, 'GET of a list')
  const page = await readText(response.body, MAX_PAGE_BYTES)
  if (!page.includes(`<${root}`) || !page.includes(`</${root}>`)) throw notInProtocol('a list')
  return page
}

/** Where the next page begins; undefined after the last. */
function nextOf(page: string, previous: string | undefined, name: string): string | undefined {
  if (elementIn(page, 'IsTruncated') !== 'true') return undefined
  const next = elementIn(page, name)
  if (next === undefined || next === '' || next === previous) throw notInProtocol('a list')
  return next
}

function* elementsIn(xml: string, name: string): Generator<string> {
  for (let start = xml.indexOf(`<${name}>`); start >= 0; ) {
    const end = xml.indexOf(`</${name}>`, start)
    if (end < 0) throw notInProtocol('a list')
    yield xml.slice(start, end)
    start = xml.indexOf(`<${name}>`, end)
  }
}

function nameIn(item: string): string {
  try {
    return decodeURIComponent((elementIn(item, 'Key') ?? '').replaceAll('+', ' '))
  } catch {
    throw notInProtocol('a list')
  }
}
