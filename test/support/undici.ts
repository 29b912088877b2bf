// Which undici the tests run on: they hold on 7 and on 8, and what one of them does not have is skipped by name.
import { createRequire } from 'node:module'
import { interceptors } from 'undici'

const { version } = createRequire(import.meta.url)('undici/package.json') as { version: string }

/** Such as '7.30.2'. */
export const undiciVersion = version

export const undiciMajor = Number(version.split('.')[0])

/** Such as 20. */
export const nodeMajor = Number(process.versions.node.split('.')[0])

type InterceptorName = keyof typeof interceptors

/** What a test says of itself in `{ skip }` where this undici has no such interceptor; false where it has. */
export function missing(name: InterceptorName): string | false {
  return typeof interceptors[name] === 'function' ? false : `undici ${version} has no ${name} interceptor`
}
