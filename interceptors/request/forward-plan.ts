import type { Completion } from '../../lib/rfc9111/completion.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'
import { NO_REVALIDATION } from '../../lib/rfc9111/decide-response.ts'
import type { Entry, Request } from '../../lib/rfc9111/types.ts'
import type { Revalidation } from '../../lib/rfc9111/validation.ts'
import type { Position, Stored } from '../../stores/store.ts'
import type { Reason } from '../outcome/reasons.ts'
import { type DispatchOptions, withFields } from '../undici/dispatch-options.ts'
import type { RequestContext } from './request-context.ts'

/** With what a request goes to the origin, and why. */
export interface ForwardPlan {
  readonly forward: ForwardReason
  readonly reason: Reason
  readonly revalidation: Revalidation
  readonly stored: readonly Stored[]
  /** What was found and cannot be used, as its body is gone: only to be removed where the origin has replaced it. */
  readonly found?: readonly Stored[]
  /** The rest of a stored part is asked for, in place of what the client asked for. */
  readonly completion?: Completion | undefined
  readonly asOf: Position
}

const NO_STORED: readonly Stored[] = []

/** Nothing stored, nothing to validate. */
export function planFor(forward: ForwardReason, reason: Reason): ForwardPlan {
  return { forward, reason, revalidation: NO_REVALIDATION, stored: NO_STORED, asOf: undefined }
}

/** What the request was planned with of what is stored; undefined: the entry is not of it. */
export function storedOf({ stored }: ForwardPlan, { id }: Entry): Stored | undefined {
  return stored.find(({ entry }) => entry.id === id)
}

/** Whether the request may be sent once more: for the origin's response, or for what is lost of a stored one. */
export function mayAskAgain({ revalidation, completion }: ForwardPlan): boolean {
  return revalidation.candidates.length > 0 || completion !== undefined
}

/** What is sent for a request: its own options, but for what the plan asks for in its place. */
export function optionsToSend(
  { opts }: RequestContext,
  request: Request | undefined,
  plan: ForwardPlan
): DispatchOptions {
  const { completion, revalidation } = plan
  const { conditions } = revalidation
  if (request !== undefined && completion !== undefined) {
    return { ...opts, headers: withFields(request.fields, ['range', 'if-range'], completion.fields) }
  }
  if (request === undefined || conditions.length === 0) return opts
  // The client's own date would bring a 304 that says nothing of what is stored.
  const replaced = ['if-modified-since', ...conditions.map(([name]) => name.toLowerCase())]
  return { ...opts, headers: withFields(request.fields, replaced, conditions) }
}
