import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionError } from '../../lib/errors.ts'
import { isUrl } from '../../lib/foreign-values.ts'

/** The option `directory`, a path or a file: URL, as an absolute path. Throws a TypeError with ERR_CACHE_OPTION. */
export function acceptDirectory(value: unknown): string {
  if (isUrl(value) && value.protocol === 'file:') return fileURLToPath(value.href)
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return resolve(value)
  throw optionError('directory', 'a path or a file: URL', value)
}

/** The option `fs`: what has the methods of `node:fs/promises` that are asked for, or has that as `promises`, as `node:fs`
 * does. Throws a TypeError with ERR_CACHE_OPTION. */
export function acceptFileSystem<T>(value: unknown, methods: readonly (keyof T & string)[]): T {
  const promises: unknown = Object(value).promises ?? value
  const missing = methods.filter(name => typeof Object(promises)[name] !== 'function')
  if (missing.length === 0) return promises as T
  throw optionError('fs', `like node:fs/promises (it has no ${missing.join(', ')})`, value)
}

/** The folder of this package in $XDG_CACHE_HOME, or in ~/.cache. XDG Base Directory Specification: a relative path in
 * $XDG_CACHE_HOME is ignored. */
export function cacheDirectory(): string {
  const { XDG_CACHE_HOME: home } = process.env
  const caches = home !== undefined && isAbsolute(home) ? home : join(homedir(), '.cache')
  return join(caches, 'undici-http-cache')
}
