import type { DispatchOptions } from './dispatch-options.ts'
import type { DownstreamHandler } from './downstream-handler.ts'

/** undici from 8.13 on has a hook among the options of a request: dispatchers call it while the request waits for a
 * connection, with a function that takes it out of their queue. No package can import the symbol that it stands under. */
const HOOK = 'queued abort'

type Cancel = (reason: Error) => void
type Hook = (cancel: Cancel) => void

/** What may take a request out of the queue: those who want what it brings have all left. */
export interface Queued {
  onQueued(cancel: Cancel): void
}

/** The options with a hook of the cache's own: an aborted caller leaves, and its request is taken out of the queue only by
 * `queued`, since others may wait for what it brings. `client`: the caller; undefined: it aborts in another way. */
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
