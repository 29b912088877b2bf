// What an origin that serves ranges answers to a request for one.
//
//   await using origin = await startOrigin(request => rangedReply(request, { headers: { etag: '"1"' }, body: 'x' }))
import type { Reply, SeenRequest } from './origin.ts'

/** The reply, or the range of it that is asked for: one of bytes, with its first byte stated, of the version that it has.
 * RFC 9110 §14.2, §13.1.5 */
export function rangedReply({ headers: asked }: Pick<SeenRequest, 'headers'>, reply: Reply): Reply {
  const body = Buffer.from(reply.body ?? '')
  const { headers = {} } = reply
  const ifRange = asked['if-range']
  const isOfVersion = ifRange === undefined || ifRange === headers['etag'] || ifRange === headers['last-modified']
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec((isOfVersion && asked.range) || '') ?? []
  if (first === undefined) return reply
  const start = Number(first)
  const end = last === '' ? body.byteLength : Math.min(Number(last) + 1, body.byteLength)
  if (start >= end) return { status: 416, headers: { 'content-range': `bytes */${body.byteLength}` } }
  const range = `bytes ${start}-${end - 1}/${body.byteLength}`
  return { ...reply, status: 206, headers: { ...headers, 'content-range': range }, body: body.subarray(start, end) }
}
