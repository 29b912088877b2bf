import { Buffer } from 'node:buffer'
import type { Answer } from '../../lib/rfc9111/answer.ts'
import type { FieldLines } from '../../lib/rfc9111/types.ts'
import type { ResponseHead } from './downstream-handler.ts'
import { type HeaderObject, toHeaderObject, toRawHeaders } from './header-lines.ts'

/** The part of a header section that is made once from an answer's lines, and used for each reply. */
interface Template {
  /** Holds `age` and `cache-status` from the start, so that a copy and two assignments make the headers. */
  readonly headers: HeaderObject
  /** The names in `headers` whose values are arrays, which are copied as well. */
  readonly lists: readonly string[]
  /** The members of Cache-Status from caches nearer to the origin. */
  readonly upstreamStatus: readonly string[]
  readonly lines: FieldLines
  raw: PackedRaw | undefined
}

/** The bytes of names and values in one buffer, and the offset at which each ends. */
interface PackedRaw {
  readonly bytes: Buffer
  readonly ends: readonly number[]
}

const TEMPLATES_KEPT = 1024

/** The templates of the answers used last, one or two thousand of them: memory stays bounded. */
let young = new Map<FieldLines, Template>()
let old = new Map<FieldLines, Template>()

/** The header section of an answer: the stored lines, those of this reply, Age and Cache-Status. */
export class AnswerHead implements ResponseHead {
  readonly statusCode: number
  readonly statusText: string
  readonly #template: Template
  readonly #ownLines: FieldLines
  readonly #ageSeconds: number | undefined
  readonly #status: string | undefined

  /** `status` is this cache's member of Cache-Status; undefined: none is sent. */
  constructor(answer: Answer, status: string | undefined) {
    this.statusCode = answer.statusCode
    this.statusText = answer.statusText
    this.#template = templateOf(answer.lines)
    this.#ownLines = answer.ownLines
    this.#ageSeconds = answer.sendsAge ? answer.ageSeconds : undefined
    this.#status = status
  }

  headers(): HeaderObject {
    const { headers, lists, upstreamStatus } = this.#template
    const copy = { ...headers }
    for (const name of lists) copy[name] = [...(headers[name] ?? [])]
    for (const [name, value] of this.#ownLines) copy[name.toLowerCase()] = value
    if (this.#ageSeconds === undefined) delete copy['age']
    else copy['age'] = `${this.#ageSeconds}`
    if (this.#status !== undefined) {
      copy['cache-status'] = upstreamStatus.length === 0 ? this.#status : [...upstreamStatus, this.#status]
    } else if (upstreamStatus.length === 0) delete copy['cache-status']
    return copy
  }

  rawHeaders(): Buffer[] {
    const template = this.#template
    template.raw ??= packRaw(template.lines)
    const raw = unpackRaw(template.raw)
    for (const [name, value] of this.#ownLines) raw.push(Buffer.from(name), Buffer.from(value))
    if (this.#ageSeconds !== undefined) raw.push(Buffer.from('Age'), Buffer.from(`${this.#ageSeconds}`))
    if (this.#status !== undefined) raw.push(Buffer.from('Cache-Status'), Buffer.from(this.#status, 'latin1'))
    return raw
  }
}

function templateOf(lines: FieldLines): Template {
  const known = young.get(lines)
  if (known !== undefined) return known
  const template = old.get(lines) ?? makeTemplate(lines)
  if (young.size >= TEMPLATES_KEPT) {
    old = young
    young = new Map()
  }
  young.set(lines, template)
  return template
}

function makeTemplate(lines: FieldLines): Template {
  const headers = toHeaderObject(lines)
  const lists = Object.keys(headers).filter(name => Array.isArray(headers[name]))
  const upstream = headers['cache-status']
  // Assigned, not spread into another object: those of the same names then have one shape to V8, and are quickly copied.
  headers['age'] = '0'
  headers['cache-status'] ??= ''
  const upstreamStatus = upstream === undefined ? [] : [upstream].flat()
  return { headers, lists, upstreamStatus, lines, raw: undefined }
}

function packRaw(lines: FieldLines): PackedRaw {
  const raw = toRawHeaders(lines)
  let end = 0
  return { bytes: Buffer.concat(raw), ends: raw.map(({ length }) => (end += length)) }
}

/** Makes new buffers by one copy, so that nobody can change the template through them. */
function unpackRaw({ bytes, ends }: PackedRaw): Buffer[] {
  const copy = Buffer.from(bytes)
  const raw: Buffer[] = []
  let start = 0
  for (const end of ends) {
    raw.push(copy.subarray(start, end))
    start = end
  }
  return raw
}
