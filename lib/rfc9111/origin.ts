/** What the tag of an origin begins with: every entry carries the one of its own. */
const ORIGIN_TAG = 'origin:'

/** The origin that a text names, in its normal form: an http or https URL without a path (or with `/` alone), query,
 * fragment and credentials; undefined for anything else. RFC 6454 §6.2 */
export function namedOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, origin, href } = new URL(text)
  return /^https?:$/.test(protocol) && href === `${origin}/` ? origin : undefined
}

/** The tag by which everything of the origin of a URI is found. */
export function originTag(uri: string): string {
  return ORIGIN_TAG + new URL(uri).origin
}

/** The tag as entries carry it: of an origin, the one in its normal form; undefined for one that begins as the tag of an
 * origin, and names none, which no entry carries. */
export function normalTag(tag: string): string | undefined {
  if (!tag.startsWith(ORIGIN_TAG)) return tag
  const origin = namedOrigin(tag.slice(ORIGIN_TAG.length))
  return origin === undefined ? undefined : ORIGIN_TAG + origin
}

/** The origin that a tag in its normal form stands for; undefined for other tags. */
export function originOfTag(tag: string): string | undefined {
  return tag.startsWith(ORIGIN_TAG) ? tag.slice(ORIGIN_TAG.length) : undefined
}
