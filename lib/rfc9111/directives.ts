import { combinedValue, listMembers, trimWhitespace, unquote } from './fields.ts'
import type { Fields } from './types.ts'

/** The directives of a response. Times are whole seconds, >= 0; a malformed one counts as 0, the stale side. §5.2.2 */
export interface ResponseDirectives {
  readonly maxAge: number | undefined
  readonly sMaxage: number | undefined
  readonly staleWhileRevalidate: number | undefined
  readonly staleIfError: number | undefined
  readonly noStore: boolean
  /** Unqualified; the qualified form only names fields. */
  readonly noCache: boolean
  readonly noCacheFields: readonly string[]
  /** Unqualified; the qualified form only names fields. */
  readonly private: boolean
  readonly privateFields: readonly string[]
  readonly public: boolean
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly mustUnderstand: boolean
  readonly immutable: boolean
  /** Whether they came from a field of the target list: then Expires and Cache-Control are silent. RFC 9213 §2.2 */
  readonly targeted: boolean
  /** Whether Cache-Control has a member that is none. What it meant to say of a lifetime is not known then. */
  readonly damaged: boolean
}

/** The directives of a request; a malformed number counts as the strictest. §5.2.1 */
export interface RequestDirectives {
  readonly maxAge: number | undefined
  /** Infinity where it has no value: any staleness will do. */
  readonly maxStale: number | undefined
  readonly minFresh: number | undefined
  readonly staleIfError: number | undefined
  readonly noCache: boolean
  readonly noStore: boolean
  readonly onlyIfCached: boolean
}

/** A directive's argument: undefined where it has none. */
export type DirectiveMap = ReadonlyMap<string, string | undefined>

const MAX_DELTA_SECONDS = 2_147_483_648

/** A request that says nothing. */
export const NO_REQUEST_DIRECTIVES: RequestDirectives = requestDirectivesOf(new Map())

/** §5.2, with Pragma where there is no Cache-Control (§5.4). */
export function requestDirectives(fields: Fields): RequestDirectives {
  const value = combinedValue(fields, 'cache-control')
  if (value !== undefined) {
    const { map, damage } = parseDirectives(value)
    if (damage !== undefined) addRestrictions(map, damage)
    return requestDirectivesOf(map, damage)
  }
  const pragma = combinedValue(fields, 'pragma')
  if (pragma === undefined || !hasWord(pragma, NO_CACHE)) return NO_REQUEST_DIRECTIVES
  return { ...NO_REQUEST_DIRECTIVES, noCache: true }
}

/** The directives of Cache-Control alone; RFC 9213's fields come before it. */
export function cacheControlDirectives(fields: Fields): ResponseDirectives {
  const value = combinedValue(fields, 'cache-control')
  if (value === undefined) return responseDirectivesOf(new Map(), false)
  const { map, damage } = parseDirectives(value)
  return responseDirectivesOf(map, false, damage)
}

/** `damage`: what could not be read of the field. There `no-store`, `no-cache` and `private` are obeyed where they can be
 * read as a word, and nothing grants anything. */
export function responseDirectivesOf(map: DirectiveMap, targeted: boolean, damage?: string): ResponseDirectives {
  const noCache = damage !== undefined && hasWord(damage, NO_CACHE) ? [] : fieldNames(map, 'no-cache')
  const isPrivate = damage !== undefined && hasWord(damage, PRIVATE) ? [] : fieldNames(map, 'private')
  return {
    maxAge: seconds(map, 'max-age', 0),
    sMaxage: seconds(map, 's-maxage', 0),
    staleWhileRevalidate: seconds(map, 'stale-while-revalidate', 0),
    staleIfError: seconds(map, 'stale-if-error', 0),
    noStore: map.has('no-store') || (damage !== undefined && hasWord(damage, NO_STORE)),
    noCache: noCache?.length === 0,
    noCacheFields: noCache ?? [],
    private: isPrivate?.length === 0,
    privateFields: isPrivate ?? [],
    public: map.has('public'),
    mustRevalidate: map.has('must-revalidate'),
    proxyRevalidate: map.has('proxy-revalidate'),
    mustUnderstand: map.has('must-understand'),
    immutable: map.has('immutable'),
    targeted,
    damaged: damage !== undefined
  }
}

function requestDirectivesOf(map: DirectiveMap, damage?: string): RequestDirectives {
  return {
    maxAge: seconds(map, 'max-age', 0),
    maxStale: map.has('max-stale') && map.get('max-stale') === undefined ? Infinity : seconds(map, 'max-stale', 0),
    minFresh: seconds(map, 'min-fresh', Infinity),
    staleIfError: seconds(map, 'stale-if-error', 0),
    noCache: map.has('no-cache') || (damage !== undefined && hasWord(damage, NO_CACHE)),
    noStore: map.has('no-store') || (damage !== undefined && hasWord(damage, NO_STORE)),
    onlyIfCached: map.has('only-if-cached')
  }
}

/** Directives that may name fields. */
const QUALIFIABLE = new Set(['no-cache', 'private'])

/** A member with what separates it from the one before: a token, alone or with a token or a quoted string. §5.2 */
const MEMBER =
  /[ \t,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*"))?[ \t]*(?=,|$)/sy
const NOTHING_MORE = /[ \t,]*$/y

/** What a field says, and what follows from its first member on that is none. */
interface Parsed {
  readonly map: Map<string, string | undefined>
  /** undefined: nothing is damaged. */
  readonly damage: string | undefined
}

/** Of several directives of one name the first counts (§4.2.1); but all the fields do that several name, and one that
 * names none is about the whole response. */
function parseDirectives(value: string): Parsed {
  const map = new Map<string, string | undefined>()
  const named = new Map<string, string[]>()
  let at = 0
  for (;;) {
    MEMBER.lastIndex = at
    const member = MEMBER.exec(value)
    if (member === null) break
    at = MEMBER.lastIndex
    const name = (member[1] ?? '').toLowerCase()
    const argument = member[2]
    const isFirst = !map.has(name)
    if (isFirst) map.set(name, argument)
    if (!QUALIFIABLE.has(name)) continue
    if (namedFields(argument).length === 0) map.set(name, undefined)
    else if (isFirst) named.set(name, [argument ?? ''])
    else named.get(name)?.push(argument ?? '')
  }
  for (const [name, fields] of named) if (map.get(name) !== undefined) map.set(name, fields.join(', '))
  NOTHING_MORE.lastIndex = at
  return { map, damage: NOTHING_MORE.test(value) ? undefined : value.slice(at) }
}

/** Whether a directive can be read in what is damaged, wherever it stands. */
function hasWord(damage: string, word: RegExp): boolean {
  return word.test(damage)
}

const NO_STORE = wordOf('no-store')
const NO_CACHE = wordOf('no-cache')
const PRIVATE = wordOf('private')

function wordOf(name: string): RegExp {
  return new RegExp(`(?<![!#$%&'*+.^_\`|~0-9A-Za-z-])${name}(?![!#$%&'*+.^_\`|~0-9A-Za-z-])`, 'i')
}

/** Directives of a request that ask for more than it says without them. */
const RESTRICTING = new Set(['max-age', 'min-fresh', 'only-if-cached'])

/** What a request says where its field is damaged may only restrict. */
function addRestrictions(map: Map<string, string | undefined>, damage: string): void {
  for (const member of listMembers(damage, 'split')) {
    const equals = member.indexOf('=')
    const name = (equals === -1 ? member : trimWhitespace(member.slice(0, equals))).toLowerCase()
    if (!RESTRICTING.has(name) || map.has(name)) continue
    map.set(name, equals === -1 ? undefined : trimWhitespace(member.slice(equals + 1)))
  }
}

/** A non-negative integer, quoted or not, at most 2^31. §1.2.2, §5.2 */
function seconds(map: DirectiveMap, name: string, malformed: number): number | undefined {
  if (!map.has(name)) return undefined
  const argument = map.get(name) ?? ''
  return parseDeltaSeconds(unquote(argument) ?? argument) ?? malformed
}

/** §1.2.2. Whole seconds, at most 2^31; undefined for anything but digits. */
export function parseDeltaSeconds(text: string): number | undefined {
  return /^\d+$/.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : undefined
}

/** Lower-case field names of a qualified directive; none where it is unqualified; undefined where it is absent. */
function fieldNames(map: DirectiveMap, name: string): readonly string[] | undefined {
  return map.has(name) ? namedFields(map.get(name)) : undefined
}

/** A single unquoted name is no valid argument, yet its meaning is plain; one that is damaged names no fields. §5.2 */
function namedFields(argument: string | undefined): readonly string[] {
  if (argument === undefined) return []
  const names = listMembers(argument).flatMap(member => listMembers(unquote(member) ?? member))
  return names.some(name => name.includes('"')) ? [] : names.map(name => name.toLowerCase())
}
