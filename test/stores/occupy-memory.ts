// Stores many responses of one shape, as the interceptor does, and says what they occupy: run by memory-size.test.ts with
// --expose-gc.
import { randomUUID } from 'node:crypto'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { readOptions } from '../../interceptors/options.ts'
import { decideRequest } from '../../lib/rfc9111/decide-request.ts'
import { decideResponse, NO_REVALIDATION } from '../../lib/rfc9111/decide-response.ts'
import type { FieldLine, Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import { serializers } from '../serializers/serializers.ts'

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
  /** What the body consists of; 'x' by default. */
  readonly body?: string
  readonly count: number
}

export interface Measure {
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

function linesOf(shape: Shape, index: number): FieldLine[] {
  const lines: FieldLine[] = [
    [fresh('Cache-Control'), fresh('public, max-age=3600')],
    [fresh('Date'), fresh(new Date(NOW_MS - (index % 1000) * 1000).toUTCString())],
    [fresh('Content-Length'), fresh(`${shape.bodyBytes}`)]
  ]
  if (shape.vary) lines.push([fresh('Vary'), fresh('Accept-Encoding, Accept-Language')])
  if (shape.valueBytes !== undefined)
    lines.push([fresh('Content-Security-Policy'), fresh('x'.repeat(shape.valueBytes))])
  while (lines.length < shape.lines) {
    lines.push([fresh(`X-Header-Number-${lines.length}`), fresh(`a value of usual length, ${index}`)])
  }
  return lines
}

function requestOf(shape: Shape, index: number): Request {
  const key = fresh(`https://www.example.com/some/usual/path/to/a/resource-${index}?with=query`)
  const fields = Object.assign(
    Object.create(null),
    shape.vary ? { 'accept-encoding': 'gzip, br', 'accept-language': 'en' } : {}
  )
  return { method: 'GET', key, targetUri: key, fields, partition: '' }
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
  const segments = [{ start: 0, end: shape.bodyBytes, bodyId: decision.entry.id }]
  void writer?.commit({ ...decision.entry, trailers: [], completeLength: shape.bodyBytes, segments })
}

function serve(shape: Shape, from: MemoryStore, index: number): void {
  const request = requestOf(shape, index)
  const found = from.get(request.key, names => variantKey(request, names))
  if (decideRequest(request, found, policy, NOW_MS).kind !== 'hit') throw new Error('no hit')
}

/** Heap and what is outside of it, after all that can be collected has been. */
function occupiedBytes(): number {
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function measure(shape: Shape): Measure {
  const serializer = serializers.find(({ name }) => name === shape.serializer)
  const memory = new MemoryStore({ maxSizeBytes: 1e12, ...(serializer === undefined ? {} : { serializer }) })
  // What the process needs once is not the entries'.
  const warmUp = new MemoryStore(serializer === undefined ? {} : { serializer })
  for (let i = 0; i < 200; i++) store(shape, warmUp, i)
  for (let i = 0; i < 200; i++) serve(shape, warmUp, i)
  warmUp.close()
  const before = occupiedBytes()
  for (let i = 0; i < shape.count; i++) store(shape, memory, i)
  const storedBytes = occupiedBytes() - before
  for (let i = 0; i < shape.count; i++) serve(shape, memory, i)
  const servedBytes = occupiedBytes() - before
  const { sizeBytes, entryCount } = memory
  if (entryCount !== shape.count) throw new Error(`${entryCount} entries`)
  return { name: shape.name, sizeBytes, storedBytes, servedBytes }
}

const shapes: Shape[] = JSON.parse(process.argv[2] ?? '[]')
// Code that is compiled meanwhile would be counted with the first of them.
for (const shape of shapes.slice(0, 1)) measure(shape)
for (const shape of shapes) process.stdout.write(`${JSON.stringify(measure(shape))}\n`)
