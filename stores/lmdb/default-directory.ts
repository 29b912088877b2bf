import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** `$XDG_CACHE_HOME/undici-http-cache/lmdb`, or below `~/.cache`. A relative $XDG_CACHE_HOME is to be ignored. */
export function defaultDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: home } = environment
  const caches = home !== undefined && isAbsolute(home) ? home : join(homedir(), '.cache')
  return join(caches, 'undici-http-cache', 'lmdb')
}
