import type { DispatchOptions } from './dispatch-options.ts'
import type { DownstreamHandler } from './downstream-handler.ts'

/** The description of the symbol under which undici, from 8.13 on, has a hook among the options of a request: dispatchers call
 * it while the request waits for a connection, with a function that takes it out of their queue. No package can import it. */
const HOOK = 'queued abort'

type Cancel = (reason: Error) => void
type Hook = (cancel: Cancel) => void

/** Takes a request out of the queue once nobody waits for its response any more. */
export interface Queued {
  onQueued(cancel: Cancel): void
}

/** Replaces the hook by one of the cache's own: an abort ends the caller's part alone, and only `queued` takes the request out of
 * the queue, since others may wait for its response. `client`: the caller; undefined: it aborts in another way. */
export function withQueuedAbort(
  opts: DispatchOptions,
  client: DownstreamHandler | undefined,
  queued: Queued
): DispatchOptions {
  for (const name of Object.getOwnPropertySymbols(opts)) {
    if (name.description !== HOOK) continue
    const given = (opts as unknown as Record<symbol, Hook | undefined>)[name]
    const hook: Hook = cancel => {
      queued.onQueued(cancel)
      if (client !== undefined) given?.(reason => client.abort(reason))
    }
    return Object.assign({}, opts, { [name]: hook })
  }
  return opts
}
