import { Buffer } from 'node:buffer'
import { fieldsOf } from '../../lib/rfc9111/fields.ts'
import type { FieldLine, FieldLines } from '../../lib/rfc9111/types.ts'

/** Header fields as undici's handlers get them. */
export type HeaderObject = Record<string, string | string[] | undefined>

/** Field lines from what undici gives: the raw lines for their order and case; where an interceptor below has changed
 * `headers` alone, those. Values are strings of bytes (latin1), as undici makes them. */
export function linesFrom(headers: HeaderObject, raw: unknown): FieldLines {
  if (Array.isArray(raw)) {
    const lines = linesFromRaw(raw)
    if (agree(lines, headers)) return lines
  }
  const lines: FieldLine[] = []
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (Array.isArray(value)) for (const member of value) lines.push([name, String(member)])
    else if (value !== undefined) lines.push([name, String(value)])
  }
  return lines
}

/** Pairs of name and value, each a Buffer or a string; a value may be a list, as wrapped handlers make them. */
export function linesFromRaw(raw: readonly unknown[]): FieldLines {
  const lines: FieldLine[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = text(raw[i])
    const value = raw[i + 1]
    if (Array.isArray(value)) for (const member of value) lines.push([name, text(member)])
    else lines.push([name, text(value)])
  }
  return lines
}

function text(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value)
}

function agree(lines: FieldLines, headers: HeaderObject): boolean {
  const fields = fieldsOf(lines)
  const names = Object.keys(headers)
  if (names.length !== Object.keys(fields).length) return false
  return names.every(name => {
    const a = fields[name]
    const b = headers[name]
    return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((v, i) => v === b[i]))
  })
}

/** As undici parses them: lower-case names, an array where a name has several lines. A fresh object each time. */
export function toHeaderObject(lines: FieldLines): HeaderObject {
  const headers: HeaderObject = {}
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    const known = Object.hasOwn(headers, key) ? headers[key] : undefined
    if (known === undefined) define(headers, key, value)
    else if (typeof known === 'string') headers[key] = [known, value]
    else known.push(value)
  }
  return headers
}

function define(headers: HeaderObject, key: string, value: string): void {
  if (key !== '__proto__') headers[key] = value
  else Object.defineProperty(headers, key, { value, enumerable: true, configurable: true, writable: true })
}

/** A flat list of names and values, which every handler of every undici takes. */
export function toRawHeaders(lines: FieldLines): Buffer[] {
  const raw: Buffer[] = []
  for (const [name, value] of lines) raw.push(Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'))
  return raw
}
