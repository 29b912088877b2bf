import { executionAsyncResource } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { ClientHttp2Stream } from 'node:http2'

/** Whether `push(null)` has been called: by END_STREAM, or by Node after the stream was closed. */
type Stream = ClientHttp2Stream & { readonly _readableState: { readonly ended: boolean } }

/** Closed before END_STREAM had come: reset, or its connection lost. */
const cut = new WeakSet<object>()
const watched = new WeakSet<object>()
let isListening = false
let responding: Stream | undefined

/** The stream whose header section is being told just now; undefined where that cannot be known, as when an interceptor hands
 * the header section on later. */
export function respondingStream(): object | undefined {
  listen()
  return responding ?? emittingStream()
}

/** Whether the end of a stream was END_STREAM, and all of it was read; undefined where the stream is not known. A reset with
 * NO_ERROR or CANCEL looks like an end to undici. RFC 9113 §8.1 */
export function hasEnded(stream: object | undefined): boolean | undefined {
  if (stream === undefined) return undefined
  return !cut.has(stream) && (stream as Stream).readableLength === 0
}

/** Node tells of streams from 22.17 and 24.2 on. Not before the first response by HTTP/2: most processes have none. */
function listen(): void {
  if (isListening) return
  isListening = true
  subscribe('http2.client.stream.finish', message => {
    const { stream } = message as { stream: Stream }
    // undici has asked for the same event, when it sent the request: one is called before its listener, one after it.
    stream.prependOnceListener('response', () => {
      responding = stream
    })
    stream.once('response', () => {
      responding = undefined
    })
  })
  subscribe('http2.client.stream.close', message => noteClosed((message as { stream: Stream }).stream))
}

/** The same where Node does not tell, by what an older Node does, which changes no more: the event `response` is emitted by a
 * `nextTick` with the stream among its arguments, and as a stream is closed, its listeners for `timeout` are removed. */
function emittingStream(): object | undefined {
  const args = (executionAsyncResource() as { args?: unknown } | undefined)?.args
  if (!Array.isArray(args) || args[1] !== 'response') return undefined
  const stream: Stream = args[0]
  if (watched.has(stream)) return stream
  if (stream.closed !== false) return undefined
  watched.add(stream)
  // A second listener: streams do not tell of the removal of the only one.
  stream.on('timeout', ignore)
  stream.on('removeListener', noteRemoval)
  return stream
}

function ignore(): void {}

function noteRemoval(this: Stream, name: string | symbol): void {
  if (name === 'timeout' && this.closed) noteClosed(this)
}

function noteClosed(stream: Stream): void {
  if (!stream._readableState.ended) cut.add(stream)
}
