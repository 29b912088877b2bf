import { optionError } from '../lib/errors.ts'
import { sameOriginUri } from '../lib/rfc9111/cache-key.ts'
import { namedOrigin, originTag } from '../lib/rfc9111/origin.ts'
import { checkedTag } from '../stores/shared/tags.ts'
import type { FlightRegistry } from './single-flight/flight-registry.ts'
import type { StoreGuard } from './store-access/store-guard.ts'

/** What `purge()` takes: a URL, of which every variant is removed; a tag, with which everything that carries it is removed; or
 * an origin, with which everything that came from it is removed. */
export type PurgeTarget =
  | { readonly url: string | URL; readonly tag?: never; readonly origin?: never }
  | { readonly tag: string; readonly url?: never; readonly origin?: never }
  | { readonly origin: string | URL; readonly url?: never; readonly tag?: never }

interface PurgeServices {
  readonly flights: FlightRegistry
  readonly guard: StoreGuard
}

/** Removes what is stored for a target; undefined: everything. Rejects where the store could not remove all of it, and with
 * a TypeError (ERR_CACHE_OPTION) for a bad target. */
export async function purge(services: PurgeServices, target: PurgeTarget | undefined): Promise<void> {
  if (target === undefined) return purgeAll(services)
  const names = typeof target === 'object' && target !== null ? Object.keys(target) : []
  if (names.length === 1) {
    const { url, tag, origin } = target as { readonly url: string; readonly tag: string; readonly origin: string }
    if (names[0] === 'url') return purgeUrl(services, url)
    if (names[0] === 'tag') return purgeTag(services, tag)
    if (names[0] === 'origin') return purgeOrigin(services, origin)
  }
  const given = names.length === 0 ? target : `{ ${names.join(', ')} }`
  throw optionError('purge target', '{ url }, { tag } or { origin }, or nothing for everything', given)
}

async function purgeUrl({ flights, guard }: PurgeServices, url: string | URL): Promise<void> {
  const text = String(url)
  const key = URL.canParse(text) ? sameOriginUri(text, text) : undefined
  if (key === undefined) throw optionError('url', 'an absolute http(s) URL', url)
  // Both as URL normalises it and as it was written: `{ origin, path }` sends the latter.
  const keys = [...new Set([key, text, text.replace(/#.*$/s, '')])]
  for (const each of keys) flights.overtake(each)
  await Promise.all(keys.map(each => guard.purge(each)))
}

async function purgeTag({ flights, guard }: PurgeServices, tag: string): Promise<void> {
  const carried = checkedTag(tag)
  flights.overtakeTagged(carried)
  await guard.purgeTag(carried)
}

async function purgeOrigin(services: PurgeServices, origin: string | URL): Promise<void> {
  const named = namedOrigin(String(origin))
  if (named === undefined) throw optionError('origin', "an origin such as 'https://host'", origin)
  await purgeTag(services, originTag(named))
}

async function purgeAll({ flights, guard }: PurgeServices): Promise<void> {
  flights.overtake()
  await guard.purgeAll()
}
