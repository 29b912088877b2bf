import process from 'node:process'
import { propertyOf } from './foreign-values.ts'

/** The `code` of each warning. */
const CODE = 'UNDICI_HTTP_CACHE_STORE'
const MAX_WARNINGS = 20
/** So much of a message is looked at, and so much is said. Characters. */
const MAX_READ = 1000
const MAX_SAID = 300

/** A URL, percent-encoded or escaped as in JSON as well. */
const ADDRESS = /([a-z][a-z\d+.-]*)(?::|%3a)(?:\\?\/|%2f){2}(\S*)/gi
/** Its host and port, where nothing that could be a credential stands before them. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?=[/?#]|[:,;.)'"]*$)/i
const USER_INFO = /\S+@/g
const QUERY = /\?\S+/g
const SCHEMED_CREDENTIAL = /\b(basic|bearer|digest|negotiate)\s+\S+/gi
const NAMED_CREDENTIAL =
  /([\w-]*(?:authorization|cookie|passw|pwd|secret|token|signature|credential|api-?_?key)\w*["']?\s*[:=]\s*)\S.*/gi
// biome-ignore lint/suspicious/noControlCharactersInRegex: what moves the cursor of a terminal, or turns the text around
const NOT_PRINTED = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
const WORD = /^[\w.-]{1,64}$/

/** Pairs of operation and code that have been told, of all copies of this package in the process. */
const TOLD: unique symbol = Symbol.for('undici-http-cache.told') as never

/** Tells of a store's fault by a warning of the process, for those who have no listener of their own: the first of each pair
 * of operation and code, and at most 20. What it says of the error has no query or credential of a URL in it. */
export function warnOfFault(error: unknown, operation: string): void {
  const told = toldPairs()
  if (told.size >= MAX_WARNINGS) return
  const code = codeOf(error)
  const pair = `${operation} ${code}`
  if (told.has(pair)) return
  told.add(pair)
  const text = textOf(error)
  const message = `the store failed to ${operation}: ${code}${text === '' ? '' : `, ${text}`}`
  const last = told.size === MAX_WARNINGS ? ' This is the last such warning of this process.' : ''
  process.emitWarning(
    `${message}. Requests go on without it. Further ones of this kind are told to the option onStoreError only.${last}`,
    { type: 'CacheWarning', code: CODE }
  )
}

function toldPairs(): Set<string> {
  const holder = globalThis as { [TOLD]?: Set<string> }
  holder[TOLD] ??= new Set()
  return holder[TOLD]
}

/** `code`, or else `name`, where it is a word. */
function codeOf(error: unknown): string {
  for (const property of ['code', 'name']) {
    const value = propertyOf(error, property)
    if ((typeof value === 'string' || typeof value === 'number') && WORD.test(String(value))) return String(value)
  }
  return 'a fault'
}

function textOf(error: unknown): string {
  const text = typeof error === 'string' ? error : propertyOf(error, 'message')
  return typeof text === 'string' ? redacted(text) : ''
}

/** On one line, of limited length, and without what may be secret. */
function redacted(text: string): string {
  // Not half of a word: the other half could have shown what it is.
  const start = text.length > MAX_READ ? text.slice(0, MAX_READ).replace(/\S*$/, '…') : text
  const said = start
    .replace(/\s+/g, ' ')
    .replace(NOT_PRINTED, escaped)
    .replace(ADDRESS, (_address, scheme: string, rest: string) => `${scheme}://${hostIn(rest)}`)
    .replace(USER_INFO, '…@')
    .replace(QUERY, '?…')
    .replace(SCHEMED_CREDENTIAL, '$1 …')
    .replace(NAMED_CREDENTIAL, '$1…')
    .trim()
  return said.length > MAX_SAID ? `${said.slice(0, MAX_SAID)}…` : said
}

function hostIn(rest: string): string {
  const host = rest.includes('@') ? undefined : HOST.exec(rest)?.[0]
  if (host === undefined) return '…'
  return host.length === rest.length ? host : `${host}/…`
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
