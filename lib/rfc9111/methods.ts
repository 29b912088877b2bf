/** Registered as safe: "essentially read-only". RFC 9110 §9.2.1 and the IANA registry of methods. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PRI', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])

/** Whether a request can be expected to change nothing; a method whose safety is unknown counts as unsafe. §4.4 */
export function isSafe(method: string): boolean {
  return SAFE.has(method)
}
