import type { Section } from './types.ts'

/** What a cache does with a request: serves it from the store (fresh, stale, or confirmed by the origin), forwards it
 * (having looked for a stored response, or without that), or refuses it with 504. */
export type OutcomeName = 'hit' | 'stale' | 'revalidated' | 'miss' | 'bypass' | 'unsatisfiable'

/** What a reason stands for. */
export interface ReasonFacts {
  /** What can come of a request for this reason. */
  readonly outcomes: readonly OutcomeName[]
  /** The section it rests on; a decision may rest on a more exact one. undefined: it is not a rule of HTTP. */
  readonly section: Section | undefined
  /** Whether the next response for the same request will probably not be stored either: requests for it do not wait for
   * each other then. */
  readonly predictsNext: boolean
  /** Whether others who ask for the same thing can share the response, though it is not stored. */
  readonly allowsSharing: boolean
  /** One sentence in Markdown. */
  readonly meaning: string
}

/** The reasons of the engine's decisions, as responses are explained by them. */
export const RULE_REASONS = {
  // Why the store answers
  fresh: reason('hit', '§4.2', 'The stored response is fresh.'),
  'max-stale': reason('stale', '§5.2.1.2', 'The stored response is stale, and the request accepts it by `max-stale`.'),
  'stale-while-revalidate': reason(
    'stale',
    'RFC 5861 §3',
    'The stored response is stale, and is being fetched anew in the background.'
  ),
  'stale-if-error': reason(
    'stale',
    'RFC 5861 §4',
    'The server failed, and the stored response may stand in although it is stale.'
  ),
  disconnected: reason(
    ['stale', 'unsatisfiable'],
    '§4.2.4',
    "The server could not be reached, and `whenDisconnected` is `'stale'`: the stored response, or 504."
  ),
  'only-if-cached': reason(
    'unsatisfiable',
    '§5.2.1.7',
    'The request accepts nothing but a stored response, and none can be used: 504.'
  ),
  validated: reason('revalidated', '§4.3.4', 'The server confirmed the stored response with 304.'),
  // Why the server is asked
  'uri-miss': reason('miss', '§2', 'Nothing is stored for the URL.'),
  'vary-miss': reason('miss', '§4.1', 'Only other variants are stored for the URL.'),
  'head-only': reason('miss', '§4', 'Only a response to HEAD is stored.'),
  partial: reason(
    'miss',
    '§3.3',
    'Only a part is stored: the server was asked for what is missing, or for all that the request wants.'
  ),
  stale: reason('miss', '§4.2', 'The stored response was stale, and the server sent another.'),
  'no-cache': reason('miss', '§5.2.2.4', 'The stored response says `no-cache`, and the server sent another.'),
  'request-no-cache': reason(
    'miss',
    '§5.2.1.4',
    'The request says `no-cache` (or `pragma: no-cache`), and the server sent another response.'
  ),
  'request-max-age': reason(
    'miss',
    '§5.2.1.1',
    "The stored response is older than the request's `max-age`, and the server sent another."
  ),
  'request-min-fresh': reason(
    'miss',
    '§5.2.1.3',
    "The stored response is not fresh for as long as the request's `min-fresh`, and the server sent another."
  ),
  // Why the response is not stored
  'no-store': refusal('§5.2.2.5', 'The response says `no-store`.'),
  'no-freshness': refusal(
    '§3',
    'The response could never be used again: it has no validator, and no lifetime that can be read.'
  ),
  private: refusal('§5.2.2.7', 'The response says `private`, and the cache is shared.'),
  authorization: refusal(
    '§3.5',
    'The request has `Authorization`, the cache is shared, and the response does not permit it.'
  ),
  'set-cookie': refusal(
    '§7.3',
    'The response has `Set-Cookie`, the cache is shared, and nothing permits it (`storeSetCookie`).'
  ),
  cookie: refusal('§7.3', 'The request has `Cookie`, the cache is shared, and the response states no lifetime.'),
  'vary-star': refusal('§4.1', 'The response says `Vary: *`, or its `Vary` has a member that is not a field name.'),
  status: refusal('§3', 'The status cannot be stored: 304, 416, or above 599.'),
  'unusable-part': refusal('§3.3', 'The 206 is not one part of a known version at a known place.'),
  'larger-part': refusal(
    '§3.4',
    'As much or more of that version is stored already, or too much to be copied; it stays, and is brought up to date.'
  ),
  'malformed-field': refusal('RFC 9110 §5.5', 'A header field has a name or characters that HTTP does not allow.'),
  'status-not-listed': refusal('§3', 'The status is not one of `statusCodes`.'),
  'must-understand': refusal(
    '§5.2.2.3',
    'The response says `must-understand`, and the cache does not know its status.'
  ),
  'not-modified': refusal('§4.3.3', "The server answered the caller's own condition with 304."),
  head: refusal('§4.3.5', 'The response to HEAD brought the stored response to GET up to date.'),
  // Why the cache takes no part
  'request-no-store': refusal('§5.2.1.5', 'The request says `no-store`.', 'bypass'),
  'unsafe-method': reason('bypass', '§4.4', 'The method is unsafe, such as `POST`, `PUT` or `DELETE`.'),
  method: refusal('§3', 'The method is safe, and not one of `methods`.', 'bypass'),
  precondition: reason('bypass', '§4.3.2', 'The request has `If-Match` or `If-Unmodified-Since`.')
}

export type RuleReason = keyof typeof RULE_REASONS

/** Grounds of decisions that no response is explained by: it is stored, or asked for once more. */
export type InnerReason =
  | 'storable'
  | 'part'
  | 'combined'
  | 'completed'
  | 'content-location'
  | 'unidentified-304'
  | 'not-completed'

/** A reason that says nothing of the next response. `section` undefined: it is not a rule of HTTP. */
export function reason(
  outcomes: OutcomeName | readonly OutcomeName[],
  section: Section | undefined,
  meaning: string
): ReasonFacts {
  return { outcomes: [outcomes].flat(), section, predictsNext: false, allowsSharing: false, meaning }
}

/** A reason not to store a response that the next one will probably give as well. */
export function refusal(section: Section | undefined, meaning: string, outcome: OutcomeName = 'miss'): ReasonFacts {
  return { outcomes: [outcome], section, predictsNext: true, allowsSharing: false, meaning }
}
