import { optionError } from '../../lib/errors.ts'
import { normalTag } from '../../lib/rfc9111/origin.ts'

/** The tag to delete by, as entries carry it: `origin:https://host/` is `origin:https://host`. A TypeError with code
 * ERR_CACHE_OPTION for what is no string, and for `origin:` with anything but an origin, which would remove nothing. */
export function checkedTag(tag: string): string {
  const normal = typeof tag === 'string' ? normalTag(tag) : undefined
  if (normal === undefined) throw optionError('tag', "a string, with an origin behind 'origin:'", tag)
  return normal
}
