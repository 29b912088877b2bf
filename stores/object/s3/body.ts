import type { Dispatcher } from 'undici'

/** A response's body whose `return()` lets go of the connection, before the first `next()` as well. */
export function responseBody({ body }: Dispatcher.ResponseData): AsyncIterable<Uint8Array> {
  // Destroyed by a signal, it would tell the process.
  body.on('error', () => {})
  return {
    [Symbol.asyncIterator]() {
      const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]()
      return {
        next: () => pieces.next(),
        async return() {
          body.destroy()
          return { done: true, value: undefined }
        }
      }
    }
  }
}
