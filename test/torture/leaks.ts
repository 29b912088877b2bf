// What a run leaves behind, beyond what was there before: sockets, timers, descriptors.
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Timers that are unref'd, and the like, are no leak: they keep nothing alive. Undici's own clock is one. */
const PATIENCE_MS = 3_000

export interface Resources {
  /** How many of each kind Node counts. */
  readonly active: ReadonlyMap<string, number>
  /** What each descriptor is; undefined where the system does not tell. */
  readonly descriptors: readonly string[] | undefined
}

export function resourcesNow(): Resources {
  const active = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) active.set(name, (active.get(name) ?? 0) + 1)
  return { active, descriptors: descriptors() }
}

/** What there is more of than before, once it has had the time to go; undefined: nothing. */
export async function leaksSince(before: Resources): Promise<string | undefined> {
  let leaks = difference(before)
  for (
    const end = performance.now() + PATIENCE_MS;
    leaks.length > 0 && performance.now() < end;
    leaks = difference(before)
  ) {
    await sleep(20)
  }
  return leaks.length === 0 ? undefined : leaks.join('; ')
}

function difference(before: Resources): string[] {
  const now = resourcesNow()
  const leaks: string[] = []
  for (const [name, count] of now.active) {
    const more = count - (before.active.get(name) ?? 0)
    if (more > 0) leaks.push(`${more} ${name} more than before`)
  }
  if (now.descriptors !== undefined && before.descriptors !== undefined) {
    const more = now.descriptors.length - before.descriptors.length
    if (more > 0) leaks.push(`${more} descriptors more than before, of ${now.descriptors.join(', ')}`)
  }
  return leaks
}

/** Linux alone tells. */
function descriptors(): string[] | undefined {
  const folder = '/proc/self/fd'
  try {
    return readdirSync(folder).map(name => {
      try {
        return readlinkSync(`${folder}/${name}`)
      } catch {
        return 'a descriptor'
      }
    })
  } catch {
    return undefined
  }
}
