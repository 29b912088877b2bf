import type { RequestDirectives } from './directives.ts'
import type { Judgement } from './judgement.ts'
import type { Policy } from './types.ts'

/** Whether the response forbids its own reuse once stale, a successful validation apart. §4.2.4
 * Laxer than §5.2.2.10: the `proxy-revalidate` that `s-maxage` implies gives way to a `stale-while-revalidate`
 * or `stale-if-error` beside it (`permitted`), which is how origins write for shared caches. */
export function forbidsStale({ directives }: Judgement, policy: Policy, permitted = false): boolean {
  if (directives.noCache || directives.mustRevalidate) return true
  if (!policy.shared) return false
  return directives.proxyRevalidate || (directives.sMaxage !== undefined && !permitted)
}

/** RFC 5861 §3: seconds after the lifetime's end, 0 where it is not permitted. */
export function staleWhileRevalidateSeconds(judgement: Judgement, policy: Policy): number {
  const seconds = judgement.directives.staleWhileRevalidate ?? policy.staleWhileRevalidateSeconds
  return seconds === undefined || forbidsStale(judgement, policy, true) ? 0 : seconds
}

/** RFC 5861 §4: seconds after the lifetime's end, 0 where it is not permitted. The response's word or the policy's;
 * a request may widen it, never what the response forbids. */
export function staleIfErrorSeconds(judgement: Judgement, policy: Policy, request?: RequestDirectives): number {
  const seconds = judgement.directives.staleIfError ?? policy.staleIfErrorSeconds
  if (forbidsStale(judgement, policy, seconds !== undefined)) return 0
  return Math.max(seconds ?? 0, request?.staleIfError ?? 0)
}

/** §5.2.1.2: whether the request accepts a response that went stale `staleForMs` ago. */
export function acceptsStale(
  request: RequestDirectives,
  staleForMs: number,
  judgement: Judgement,
  policy: Policy
): boolean {
  return request.maxStale !== undefined && staleForMs <= request.maxStale * 1000 && !forbidsStale(judgement, policy)
}
