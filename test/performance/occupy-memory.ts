// Stores many responses of one shape, as the interceptor does, and says what they occupy: run by memory-size.test.ts with
// --expose-gc.
import { randomUUID } from 'node:crypto'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { readOptions } from '../../interceptors/options.ts'
import { decideRequest } from '../../lib/rfc9111/decide-request.ts'
import { decideResponse, NO_REVALIDATION } from '../../lib/rfc9111/decide-response.ts'
import type { FieldLine, Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import { serializers } from '../support/serializers.ts'

export interface Shape {
  readonly name: string
  readonly lines: number
  readonly bodyBytes: number
  /** Bytes of each write; the whole body at once by default. */
  readonly chunkBytes?: number
  readonly serializer?: string
  readonly vary?: boolean
  /** Of one field value. */
  readonly valueBytes?: number
  /** Of each of these field names. */
  readonly nameBytes?: number
  /** How many names Vary has, of so many characters. */
  readonly varyNames?: readonly [count: number, length: number]
  /** Field names, names in Vary and origins are those of no other response. */
  readonly own?: true
  /** Of the path. */
  readonly pathBytes?: number
  /** Of the partition, and what its characters are; 'x' by default. */
  readonly partitionBytes?: number
  readonly partition?: string
  /** How many responses there are of one key. */
  readonly variants?: number
  readonly tags?: readonly [count: number, length: number]
  readonly trailers?: number
  readonly segments?: number
  /** What a Cache-Control has beyond the usual directives. */
  readonly directives?: string
  /** Each string is a part of one so many characters long, which is garbage but for it. */
  readonly cutFrom?: number
  /** What the body consists of; 'x' by default. */
  readonly body?: string
  readonly count: number
  /** Of the store, which has to evict; no bound by default. */
  readonly maxSizeBytes?: number
}

export interface Measure {
  readonly count: number
  readonly name: string
  readonly sizeBytes: number
  readonly storedBytes: number
  readonly servedBytes: number
}

const NOW_MS = Date.UTC(2026, 10, 23)
const policy: Policy = readOptions({}).policy

/** A string of its own, as those from a socket are. */
function fresh(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** A part of a long string, as what a parser has found is. */
function cut(text: string, shape: Shape): string {
  if (shape.cutFrom === undefined) return fresh(text)
  return fresh(text + ' '.repeat(shape.cutFrom)).slice(0, text.length)
}

function nameOf(index: number, length: number): string {
  return `x${index.toString(36).padStart(length - 1, '0')}`
}

function linesOf(shape: Shape, index: number): FieldLine[] {
  const lines: FieldLine[] = [
    [fresh('Cache-Control'), fresh(`public, max-age=3600${shape.directives ?? ''}`)],
    [fresh('Date'), fresh(new Date(NOW_MS - (index % 1000) * 1000).toUTCString())],
    [fresh('Content-Length'), fresh(`${shape.bodyBytes}`)]
  ]
  if (shape.vary) lines.push([fresh('Vary'), fresh('Accept-Encoding, Accept-Language')])
  if (shape.varyNames !== undefined) {
    const [count, length] = shape.varyNames
    const first = shape.own === true ? index * count : 0
    lines.push([fresh('Vary'), fresh(Array.from({ length: count }, (_, i) => nameOf(first + i, length)).join(', '))])
  }
  if (shape.valueBytes !== undefined)
    lines.push([fresh('Content-Security-Policy'), fresh('x'.repeat(shape.valueBytes))])
  while (lines.length < shape.lines) {
    lines.push([
      fresh(
        `X-Header-Number-${lines.length}${shape.own === true ? `-${index}-` : ''}`.padEnd(shape.nameBytes ?? 0, 'x')
      ),
      fresh(`a value of usual length, ${index}`)
    ])
  }
  return lines
}

function requestOf(shape: Shape, index: number): Request {
  const { variants = 1, pathBytes = 0, partitionBytes = 0 } = shape
  const path = `/some/usual/path/to/a/resource-${Math.floor(index / variants)}?with=query`
  const key = `https://www.example${shape.own === true ? index : ''}.com${cut(path.padEnd(pathBytes, 'x'), shape)}`
  const fields = Object.assign(
    Object.create(null),
    shape.vary ? { 'accept-encoding': 'gzip, br', 'accept-language': `en-${index}` } : {}
  )
  // Its own from the first character on: V8 may make equal strings one.
  const partition = partitionBytes === 0 ? '' : `${index}`.concat((shape.partition ?? 'x').repeat(partitionBytes))
  return { method: 'GET', key, targetUri: key, fields, partition }
}

function store(shape: Shape, into: MemoryStore, index: number): void {
  const request = requestOf(shape, index)
  const response = {
    statusCode: 200,
    statusText: fresh('OK'),
    lines: linesOf(shape, index),
    requestTimeMs: NOW_MS + index,
    responseTimeMs: NOW_MS + index + 0.5
  }
  const decision = decideResponse({ request, response, revalidation: NO_REVALIDATION, entryId: randomUUID() }, policy)
  if (decision.kind !== 'store') throw new Error(decision.reason)
  const writer = into.put(decision.entry)
  const chunkBytes = shape.chunkBytes ?? shape.bodyBytes
  for (let given = 0; given < shape.bodyBytes; given += chunkBytes) {
    void writer?.write(new Uint8Array(Buffer.alloc(Math.min(chunkBytes, shape.bodyBytes - given), shape.body ?? 'x')))
  }
  const parts = Array.from({ length: shape.segments ?? 0 }, (_, i) => ({ start: i * 10, end: i * 10 + 9 }))
  const segments = parts.length === 0 ? [{ start: 0, end: shape.bodyBytes }] : parts
  const [tagCount, tagLength] = shape.tags ?? [0, 0]
  const own = Array.from({ length: tagCount }, (_, i) => fresh(nameOf(index * 10_000 + i, tagLength)))
  const trailers = Array.from(
    { length: shape.trailers ?? 0 },
    (_, i): FieldLine => [fresh(`X-Trailer-${i}`), fresh('value')]
  )
  const tags = own.length === 0 ? decision.entry.tags : [...decision.entry.tags, ...own]
  void writer?.commit({ ...decision.entry, trailers, completeLength: shape.bodyBytes, segments, tags })
}

function serve(shape: Shape, from: MemoryStore, index: number): void {
  const request = requestOf(shape, index)
  const found = from.get(request.key, names => variantKey(request, names))
  const { kind, reason } = decideRequest(request, found, policy, NOW_MS + 60_000)
  if (kind !== 'hit' && shape.segments === undefined) throw new Error(`${shape.name}: ${kind}, ${reason}, ${index}`)
}

/** Heap and what is outside of it, after all that can be collected has been. */
function occupiedBytes(): number {
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function measure(shape: Shape): Measure {
  const serializer = serializers.find(({ name }) => name === shape.serializer)
  const { maxSizeBytes = 1e12 } = shape
  const memory = new MemoryStore({ maxSizeBytes, ...(serializer === undefined ? {} : { serializer }) })
  // What the process needs once is not the entries'.
  const warmUp = new MemoryStore(serializer === undefined ? {} : { serializer })
  for (let i = 0; i < 200; i++) store(shape, warmUp, i)
  for (let i = 0; i < 200; i++) serve(shape, warmUp, i)
  warmUp.close()
  const before = occupiedBytes()
  for (let i = 0; i < shape.count; i++) store(shape, memory, i)
  const storedBytes = occupiedBytes() - before
  for (let i = 0; i < shape.count && shape.maxSizeBytes === undefined; i++) serve(shape, memory, i)
  const servedBytes = occupiedBytes() - before
  const { sizeBytes, entryCount } = memory
  if (entryCount !== shape.count && shape.maxSizeBytes === undefined) throw new Error(`${entryCount} entries`)
  return { name: shape.name, count: shape.count, sizeBytes, storedBytes, servedBytes }
}

const shapes: Shape[] = JSON.parse(process.argv[2] ?? '[]')
// Code that is compiled meanwhile would be counted with the first of them.
for (const shape of shapes.slice(0, 1)) measure(shape)
for (const shape of shapes) process.stdout.write(`${JSON.stringify(measure(shape))}\n`)
