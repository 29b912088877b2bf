import { subscribe } from 'node:diagnostics_channel'
import type { ClientHttp2Stream } from 'node:http2'

interface Told {
  readonly stream: ClientHttp2Stream & { readonly _readableState: { readonly ended: boolean } }
}

/** Closed before its end had come: reset, or its connection lost. */
const cut = new WeakSet<object>()
let isWatching = false
let isListening = false
/** Whether this Node tells of streams: from 22.17 and 24.2 on. */
let hasTold = false
let responding: ClientHttp2Stream | undefined

/** Listens for connections by HTTP/2, once in a process, and only from the first one on to their streams. */
export function watchForHttp2(): void {
  if (isWatching) return
  isWatching = true
  subscribe('undici:client:connected', message => {
    const { socket } = message as { socket?: { alpnProtocol?: unknown } }
    if (socket?.alpnProtocol === 'h2') listen()
  })
}

/** The stream whose header section is being told just now; undefined where Node does not say. */
export function respondingStream(): object | undefined {
  listen()
  return responding
}

/** Whether the end of a stream was END_STREAM, and all of it was read; undefined where this Node gives no sign of it.
 * A reset with NO_ERROR or CANCEL looks like an end to undici. RFC 9113 §8.1 */
export function hasEnded(stream: object | undefined): boolean | undefined {
  if (stream === undefined) return hasTold ? false : undefined
  return !cut.has(stream) && (stream as ClientHttp2Stream).readableLength === 0
}

function listen(): void {
  if (isListening) return
  isListening = true
  subscribe('http2.client.stream.finish', message => {
    hasTold = true
    const { stream } = message as Told
    stream.prependOnceListener('response', () => {
      responding = stream
      // After all others have heard of it.
      void Promise.resolve().then(() => {
        if (responding === stream) responding = undefined
      })
    })
  })
  subscribe('http2.client.stream.close', message => {
    hasTold = true
    const { stream } = message as Told
    if (!stream._readableState.ended) cut.add(stream)
  })
}
