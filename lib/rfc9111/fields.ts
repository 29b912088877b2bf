import type { FieldLines, Fields } from './types.ts'

const indexes = new WeakMap<FieldLines, Fields>()

/** Field values by lower-case name, computed once for each list of lines. RFC 9110 §5.2 */
export function fieldsOf(lines: FieldLines): Fields {
  let fields = indexes.get(lines)
  if (fields === undefined) {
    fields = indexLines(lines)
    indexes.set(lines, fields)
  }
  return fields
}

function indexLines(lines: FieldLines): Fields {
  const fields = new FieldsInProgress()
  for (const [name, value] of lines) addFieldLine(fields, name.toLowerCase(), value)
  return fields
}

/** Fields being collected. An object made by Object.create(null) would be a dictionary to the engine, and slow. */
export class FieldsInProgress {
  [name: string]: string | string[] | undefined
}
Object.setPrototypeOf(FieldsInProgress.prototype, null)
// No field name finds anything inherited.
delete (FieldsInProgress.prototype as { constructor?: unknown }).constructor

/** Adds a line of the field with that lower-case name. */
export function addFieldLine(fields: FieldsInProgress, key: string, value: string): void {
  const known = fields[key]
  if (known === undefined) fields[key] = value
  else if (typeof known === 'string') fields[key] = [known, value]
  else known.push(value)
}

/** All lines of a field as one value, joined by a comma; undefined where the field is absent. RFC 9110 §5.3 */
export function combinedValue(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  return value === undefined || typeof value === 'string' ? value : value.join(', ')
}

/** The value of a field's first line; undefined where the field is absent. */
export function firstValue(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  return value === undefined || typeof value === 'string' ? value : value[0]
}

/** The members of a comma-separated list, trimmed, empty ones dropped; commas in quoted strings do not separate.
 * An unfinished quoted string reaches to the end of the value, unless `unfinished` has it split. RFC 9110 §5.6.1 */
export function listMembers(value: string, unfinished: 'whole' | 'split' = 'whole'): string[] {
  return listParts(value, unfinished).filter(part => part !== '')
}

/** The same with the empty ones. */
export function listParts(value: string, unfinished: 'whole' | 'split' = 'whole'): string[] {
  if (!value.includes('"')) return value.split(',').map(trimWhitespace)
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let i = 0; i < value.length; i++) {
    const character = value[i]
    if (quoted && character === '\\') i++
    else if (character === '"') quoted = !quoted
    else if (!quoted && character === ',') {
      parts.push(value.slice(start, i))
      start = i + 1
    }
  }
  const rest = value.slice(start)
  return (quoted && unfinished === 'split' ? parts.concat(rest.split(',')) : [...parts, rest]).map(trimWhitespace)
}

/** RFC 9110 §5.6.2 */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
}

/** Lower-case field names of a list such as Vary's or Connection's; what is no name is kept as it is. */
export function listedNames(fields: Fields, name: string): string[] {
  const value = combinedValue(fields, name)
  return value === undefined ? [] : listMembers(value).map(member => member.toLowerCase())
}

/** Without OWS at either end; String.trim would take more than HTTP's two characters. RFC 9110 §5.6.3 */
export function trimWhitespace(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isWhitespace(value.charCodeAt(start))) start++
  while (end > start && isWhitespace(value.charCodeAt(end - 1))) end--
  return start === 0 && end === value.length ? value : value.slice(start, end)
}

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** The content of a quoted string with its escapes resolved; undefined for anything else. RFC 9110 §5.6.4 */
export function unquote(value: string): string | undefined {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return undefined
  const content = value.slice(1, -1)
  if (!/^(?:[^"\\]|\\.)*$/.test(content)) return undefined
  return content.replace(/\\(.)/g, '$1')
}
