import type { FailureDecision } from '../../../lib/rfc9111/decide-failure.ts'
import type { ForwardReason, RequestDecision } from '../../../lib/rfc9111/decide-request.ts'
import type { ResponseDecision } from '../../../lib/rfc9111/decide-response.ts'

// Every outcome of a decision, `kind reason`, with the section it rests on. A row that expects an outcome expects its
// section (and, of a request, its word for Cache-Status) too.

export const REQUEST_OUTCOMES = {
  'bypass method': ['§3', 'method'],
  'bypass precondition': ['§4.3.2', 'bypass'],
  'bypass request-no-store': ['§5.2.1.5', 'bypass'],
  'write-through unsafe-method': ['§4.4', 'method'],
  'hit fresh': ['§4.2'],
  'hit max-stale': ['§5.2.1.2'],
  'hit stale-while-revalidate': ['RFC 5861 §3'],
  'stale-while-revalidate stale-while-revalidate': ['RFC 5861 §3'],
  'revalidate stale': ['§4.2', 'stale'],
  'revalidate no-cache': ['§5.2.2.4', 'stale'],
  'revalidate request-no-cache': ['§5.2.1.4', 'request'],
  'revalidate request-max-age': ['§5.2.1.1', 'request'],
  'revalidate request-min-fresh': ['§5.2.1.3', 'request'],
  'miss uri-miss': ['§2', 'uri-miss'],
  'miss vary-miss': ['§4.1', 'vary-miss'],
  'miss head-only': ['§4', 'miss'],
  'miss partial': ['§3.3', 'partial'],
  'complete partial': ['§3.4', 'partial'],
  'unsatisfiable only-if-cached': ['§5.2.1.7']
} as const satisfies Table<RequestDecision['kind']>

export const RESPONSE_OUTCOMES = {
  'store storable': ['§3'],
  'store content-location': ['RFC 9110 §9.3.3'],
  'store part': ['§3.3'],
  'store combined': ['§3.4'],
  'complete completed': ['§3.4'],
  'complete larger-part': ['§3.4'],
  'freshen validated': ['§4.3.4'],
  'serve-stale stale-if-error': ['RFC 5861 §4'],
  'refetch unidentified-304': ['§4.3.4'],
  'refetch not-completed': ['§3.4'],
  'forward larger-part': ['§3.4'],
  'forward unusable-part': ['§3.3'],
  'forward head': ['§4.3.5'],
  'forward not-modified': ['§4.3.3'],
  'forward unsafe-method': ['§4.4'],
  'forward method': ['§3'],
  'forward status': ['§3'],
  'forward malformed-field': ['RFC 9110 §5.5'],
  'forward status-not-listed': ['§3'],
  'forward must-understand': ['§5.2.2.3'],
  'forward request-no-store': ['§5.2.1.5'],
  'forward no-store': ['§5.2.2.5'],
  'forward vary-star': ['§4.1'],
  'forward no-freshness': ['§3'],
  'forward private': ['§5.2.2.7'],
  'forward authorization': ['§3.5'],
  'forward set-cookie': ['§7.3'],
  'forward cookie': ['§7.3']
} as const satisfies Table<ResponseDecision['kind']>

export const FAILURE_OUTCOMES = {
  'error disconnected': ['§4.2.4'],
  'serve-stale disconnected': ['§4.2.4'],
  'serve-stale stale-if-error': ['RFC 5861 §4'],
  'gateway-timeout disconnected': ['§5.2.2.2']
} as const satisfies Table<FailureDecision['kind']>

export type RequestOutcome = keyof typeof REQUEST_OUTCOMES
export type ResponseOutcome = keyof typeof RESPONSE_OUTCOMES
export type FailureOutcome = keyof typeof FAILURE_OUTCOMES

export type Grounds = readonly [section: string, forward?: ForwardReason]

type Table<Kind extends string> = { readonly [outcome in `${Kind} ${string}`]?: Grounds }
