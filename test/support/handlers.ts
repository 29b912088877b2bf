// Handlers of both APIs, written by hand, that keep what they hear and do what they are told in each callback.
//
//   const { handler, heard } = handlerOf('modern', (at, control) => { if (at === 'head') control.pause() })
//   dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler)
//   await heard.over
import type { Dispatcher } from 'undici'
import type { AnyHandler } from '../../interceptors/undici/handler-adapter.ts'

/** The new API's handlers, and those of undici 7 and before. */
export type Api = 'modern' | 'legacy'

export const APIS: readonly Api[] = ['modern', 'legacy']

/** The callbacks, by what they tell in either API. */
export type Callback = 'start' | 'info' | 'head' | 'data' | 'end' | 'error'

export interface Control {
  pause(): void
  resume(): void
  abort(reason?: Error): void
}

/** Called in each callback; what it throws the callback throws. */
export type Reaction = (at: Callback, control: Control, heard: Heard) => void

export interface Heard {
  /** In order, a run of data as one. */
  readonly calls: Callback[]
  /** Each chunk as it came. */
  readonly chunks: Buffer[]
  context: Record<string, unknown> | undefined
  statusCode: number | undefined
  statusMessage: string | undefined
  /** undefined to a legacy handler. */
  headers: Record<string, string | string[] | undefined> | undefined
  rawHeaders: Buffer[] | undefined
  trailers: unknown
  error: Error | undefined
  /** Once it has ended or failed; undefined before. */
  ended: 'end' | 'error' | undefined
  readonly body: string
  /** Fulfilled at the first end or error. */
  readonly over: Promise<void>
  readonly control: Control
}

export interface Handling {
  readonly handler: AnyHandler
  readonly heard: Heard
}

export function handlerOf(api: Api, react: Reaction = () => {}): Handling {
  return api === 'modern' ? modernHandler(react) : legacyHandler(react)
}

function modernHandler(react: Reaction): Handling {
  let controller: Dispatcher.DispatchController | undefined
  const { heard, hear } = hearing(react, {
    pause: () => controller?.pause(),
    resume: () => controller?.resume(),
    abort: reason => controller?.abort(reason as Error)
  })
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(given, context) {
      controller = given
      heard.context = context
      hear('start')
    },
    onResponseStart(given, statusCode, headers, statusMessage) {
      if (statusCode >= 200) Object.assign(heard, { statusCode, headers, statusMessage, rawHeaders: given.rawHeaders })
      hear(statusCode < 200 ? 'info' : 'head')
    },
    onResponseData(_given, chunk) {
      heard.chunks.push(chunk)
      hear('data')
    },
    onResponseEnd(_given, trailers) {
      heard.trailers = trailers
      hear('end')
    },
    onResponseError(_given, error) {
      heard.error = error
      hear('error')
    }
  }
  return { handler: handler as AnyHandler, heard }
}

function legacyHandler(react: Reaction): Handling {
  let paused = false
  let resume = (): void => {}
  let abort = (_reason?: Error): void => {}
  const { heard, hear } = hearing(react, {
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
      resume()
    },
    abort: reason => abort(reason)
  })
  const handler = {
    onConnect(given: typeof abort, context: Record<string, unknown>) {
      abort = given
      heard.context = context
      hear('start')
    },
    onHeaders(statusCode: number, rawHeaders: Buffer[], given: () => void, statusMessage: string) {
      resume = given
      if (statusCode >= 200) Object.assign(heard, { statusCode, rawHeaders, statusMessage })
      hear(statusCode < 200 ? 'info' : 'head')
      return !paused
    },
    onData(chunk: Buffer) {
      heard.chunks.push(chunk)
      hear('data')
      return !paused
    },
    onComplete(trailers: Buffer[]) {
      heard.trailers = trailers
      hear('end')
    },
    onError(error: Error) {
      heard.error = error
      hear('error')
    }
  }
  return { handler: handler as unknown as AnyHandler, heard }
}

function hearing(react: Reaction, control: Control): { heard: Heard; hear(at: Callback): void } {
  let settle = (): void => {}
  const over = new Promise<void>(resolve => {
    settle = resolve
  })
  const heard: Heard = {
    calls: [],
    chunks: [],
    context: undefined,
    statusCode: undefined,
    statusMessage: undefined,
    headers: undefined,
    rawHeaders: undefined,
    trailers: undefined,
    error: undefined,
    ended: undefined,
    get body() {
      return Buffer.concat(heard.chunks).toString()
    },
    over,
    control
  }
  return {
    heard,
    hear(at) {
      if (at !== 'data' || heard.calls.at(-1) !== 'data') heard.calls.push(at)
      if (at === 'end' || at === 'error') {
        heard.ended = at
        settle()
      }
      react(at, control, heard)
    }
  }
}

/** A raw list as undici parses it: lower-case names, an array where a name has several lines. */
export function parseRaw(raw: readonly unknown[] | undefined): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (let i = 0; i < (raw?.length ?? 0); i += 2) {
    const name = String(raw?.[i]).toLowerCase()
    const value = Buffer.from(raw?.[i + 1] as Buffer).toString('latin1')
    const known = headers[name]
    headers[name] = known === undefined ? value : [known, value].flat()
  }
  return headers
}
