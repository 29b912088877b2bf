// Whether an answer is what it says it is: fields, length and every byte of one version and one variant.
import type { Seen } from './client.ts'
import { type Emission, selectedBy } from './origin.ts'
import type { Plan } from './plan.ts'
import { bytesOf, CREDENTIALS, etagOf, type Identity, lastModifiedOf, nameOf, sizeOf, variantsOf } from './resource.ts'

/** The number of the origin's answer that this one goes back to, by an extension of Cache-Control. */
export function serialOf({ headers }: Seen): number | undefined {
  const [, digits] = /x-serial=(\d+)/.exec(headers['cache-control'] ?? '') ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** What is wrong with an answer that goes back to `emission`; undefined: nothing. */
export function faultOf(
  seen: Seen,
  emission: Emission,
  plan: Plan,
  fields: Readonly<Record<string, string>>
): string | undefined {
  const { identity, serial } = emission
  const { headers, status } = seen
  if (headers['x-serial'] !== undefined && headers['x-serial'] !== `${serial}`) {
    return `its fields are of two answers, ${headers['x-serial']} and ${serial}`
  }
  if (![200, 206, 304].includes(emission.status)) {
    if (status !== emission.status) return `it has the status ${status}, the origin's was ${emission.status}`
    if (emission.status === 416) return undefined
    return plan.kind === 'head' ? contentFault(seen) : bodyFault(seen, identity, 0, 10)
  }
  const isShort = plan.kind === 'post' && !plan.answersForGet
  if (!isShort) {
    const fault = validatorFault(seen, identity)
    if (fault !== undefined) return fault
  }
  switch (status) {
    case 200:
      return isShort ? bodyFault(seen, identity, 0, 5) : wholeFault(seen, identity, plan)
    case 206:
      return partFault(seen, identity, plan, fields)
    case 304:
      return notModifiedFault(seen, identity, fields)
    default:
      return `it has the status ${status}, the origin's was ${emission.status}`
  }
}

function validatorFault({ headers, status }: Seen, identity: Identity): string | undefined {
  const expected = {
    etag: etagOf(identity),
    'last-modified': lastModifiedOf(identity),
    ...(status === 304 ? {} : { 'x-identity': nameOf(identity) })
  }
  for (const [name, value] of Object.entries(expected)) {
    if (headers[name] !== value) return `its ${name} is ${headers[name]}, of another version or variant than ${value}`
  }
  return undefined
}

function wholeFault(seen: Seen, identity: Identity, { kind }: Plan): string | undefined {
  const size = sizeOf(identity)
  if (kind !== 'head') return bodyFault(seen, identity, 0, size) ?? trailerFault(seen, identity)
  const length = seen.headers['content-length']
  if (length !== undefined && length !== `${size}`) return `Content-Length is ${length}, not ${size}`
  return contentFault(seen)
}

function contentFault({ chunks, status }: Seen): string | undefined {
  return chunks.length > 0 ? `an answer to HEAD, ${status}, has content` : undefined
}

function partFault(
  seen: Seen,
  identity: Identity,
  { range, kind }: Plan,
  fields: Readonly<Record<string, string>>
): string | undefined {
  if (kind !== 'get' || range === undefined) return 'it is a part, and none was asked for'
  const size = sizeOf(identity)
  const selected = selectedBy(range, size)
  if (typeof selected !== 'object') return `it is a part, and ${range} selects none of ${size} bytes`
  const ifRange = fields['if-range']
  if (ifRange !== undefined && ifRange !== etagOf(identity) && ifRange !== lastModifiedOf(identity)) {
    return `it is a part, and If-Range asked for another version than ${nameOf(identity)}`
  }
  if (ifRange?.startsWith('W/')) return 'it is a part, and If-Range had a weak validator'
  const expected = `bytes ${selected.start}-${selected.end - 1}/${size}`
  const contentRange = seen.headers['content-range']
  if (contentRange !== expected) return `Content-Range is ${contentRange}, not ${expected}`
  return bodyFault(seen, identity, selected.start, selected.end)
}

function notModifiedFault(
  seen: Seen,
  identity: Identity,
  fields: Readonly<Record<string, string>>
): string | undefined {
  if (seen.chunks.length > 0) return 'a 304 has content'
  const noneMatch = fields['if-none-match']
  const tag = etagOf(identity)
  if (noneMatch !== undefined)
    return noneMatch === tag ? undefined : `it is a 304, and the client has ${noneMatch}, not ${tag}`
  const since = fields['if-modified-since']
  if (since === undefined) return 'it is a 304, and the client has nothing'
  const modified = lastModifiedOf(identity)
  return modified !== undefined && Date.parse(modified) <= Date.parse(since)
    ? undefined
    : `it is a 304, and what the client has is of ${since}, before ${modified}`
}

function bodyFault(seen: Seen, identity: Identity, start: number, end: number): string | undefined {
  const length = seen.headers['content-length']
  if (length !== undefined && length !== `${end - start}`) return `Content-Length is ${length}, not ${end - start}`
  const body = Buffer.concat(seen.chunks)
  if (body.byteLength > end - start) return `it has ${body.byteLength} bytes, not ${end - start}`
  if (seen.end === 'complete' && body.byteLength < end - start) {
    return `it ends after ${body.byteLength} of ${end - start} bytes, as if that were all`
  }
  const expected = bytesOf(identity, start, start + body.byteLength)
  if (body.equals(expected)) return undefined
  const at = body.findIndex((byte, i) => byte !== expected[i])
  const other = originOf(body.subarray(at, at + 64), identity, start + at)
  return `from byte ${start + at} on it is not ${nameOf(identity)}, but ${other}`
}

/** Whose bytes these are. */
function originOf(bytes: Uint8Array, { resource, version: latest }: Identity, start: number): string {
  for (let version = 1; version <= latest + 10; version++) {
    for (const variant of variantsOf(resource)) {
      for (const credential of [...CREDENTIALS, 'nobody']) {
        const identity = { resource, version, variant, credential }
        if (bytesOf(identity, start, start + bytes.byteLength).equals(bytes)) return nameOf(identity)
      }
    }
  }
  return 'nothing that the origin has given'
}

function trailerFault({ trailers }: Seen, identity: Identity): string | undefined {
  const trailer = trailers['x-trailer']
  return trailer === undefined || trailer === nameOf(identity)
    ? undefined
    : `its trailer is ${trailer}, not ${nameOf(identity)}`
}
