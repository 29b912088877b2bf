import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers'
import { isUint8Array } from 'node:util/types'
import { type Guarded, guarded } from '../store-access/guarded.ts'
import type { DispatchOptions } from '../undici/dispatch-options.ts'

/** Tells whether the request has content: the cache then takes no part, since content is not in the key. RFC 9110 §9.3.1
 * undici gives each pipeline() a stream before anything can be written to it, so for a stream this is known one turn of the
 * event loop later, by promise. Nothing is read from it. */
export function hasContent({ body }: DispatchOptions): Guarded<boolean> {
  if (body === undefined || body === null) return false
  if (typeof body === 'string') return body !== ''
  if (isReadable(body)) return guarded(isNotEmpty(body), true)
  return !isUint8Array(body) || body.byteLength > 0
}

/** Makes the options of a request whose stream has turned out to be empty. The stream is read to its end. */
export function withoutContent(opts: DispatchOptions): DispatchOptions {
  if (isReadable(opts.body)) opts.body.resume()
  return { ...opts, body: null }
}

function isNotEmpty(body: StatefulReadable): Promise<boolean> {
  return new Promise(resolve => {
    // Nobody else listens yet; undici reads `errored` later.
    body.on('error', ignore)
    setImmediate(() => {
      body.off('error', ignore)
      const { ended, length, errored } = body._readableState
      resolve(!ended || length > 0 || (errored ?? null) !== null)
    })
  })
}

function ignore(): void {}

/** Has Node's internal state of a stream: nothing else tells that the end has been pushed. undici reads it as well. */
interface StatefulReadable extends Readable {
  readonly _readableState: { readonly ended: boolean; readonly length: number; readonly errored?: Error | null }
}

function isReadable(body: unknown): body is StatefulReadable {
  const { _readableState: state, pipe } = body as { _readableState?: unknown; pipe?: unknown }
  return typeof state === 'object' && state !== null && typeof pipe === 'function'
}
