import { type ReasonFacts, RULE_REASONS, reason, refusal } from '../../lib/rfc9111/reasons.ts'

/** Every reason that a response is explained by: the rules' own, and what this cache adds to them. A new one is a row here,
 * or in RULE_REASONS where a rule of HTTP gives it. */
export const REASONS = {
  ...RULE_REASONS,
  // Why the store answers
  collapsed: reason('hit', '§4', 'Another request for the same thing was under way, and its response serves this one.'),
  // Why the server is asked
  'body-vanished': reason('miss', undefined, 'The stored body was gone, or damaged.'),
  refetch: reason('miss', '§4.3.3', "The server's 304 was about nothing that is stored; it was asked again."),
  // Why the response is not stored
  'length-unknown': refusal(
    '§3.3',
    'Neither `Content-Length` nor chunked: a complete body could not be told from one cut off.'
  ),
  'too-large': refusal(undefined, '`Content-Length` is larger than the store takes.'),
  redirected: refusal(undefined, 'An interceptor below the cache followed a redirection.'),
  'store-refused': ofTheStore('The store answered at once that it does not take the response.'),
  'store-failed': ofTheStore(
    'The store failed when it was asked for the response, or was to store it; `onStoreError` was told.'
  ),
  'store-given-up': ofTheStore(
    'The store took longer than `storeTimeoutMs`, or has failed so often lately that it is left alone.'
  ),
  // Why the cache takes no part
  'cache-false': reason('bypass', undefined, 'The request has the option `cache: false`.'),
  'request-content': reason(
    'bypass',
    'RFC 9110 §9.3.1',
    'The request is a GET or HEAD with a body. One by `pipeline()` has none where its input ends empty at once.'
  ),
  'origin-not-cached': reason('bypass', undefined, 'The origin is not one of `origins`.'),
  'no-origin': reason('bypass', undefined, 'The request names no origin; see the option `origin`.'),
  'not-understood': reason(
    'bypass',
    undefined,
    'undici will refuse the request, or its path is a whole URL, as for a proxy.'
  ),
  upgrade: reason('bypass', undefined, 'The request is a `CONNECT`, or asks for another protocol.'),
  closed: reason('bypass', undefined, 'The cache has been closed.'),
  'composed-twice': reason(
    'bypass',
    undefined,
    'The request has passed this cache already: its interceptor is composed into one chain twice, and the outer one works.'
  )
}

/** Why a response was served, stored or not stored: a key of REASONS. */
export type Reason = keyof typeof REASONS

/** The store does not take the response: neither does that say anything of the next one, nor does it keep others from
 * sharing this one. */
function ofTheStore(meaning: string): ReasonFacts {
  return { outcomes: ['miss'], section: undefined, predictsNext: false, allowsSharing: true, meaning }
}
