import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { describe, test } from 'node:test'
import ts from 'typescript'
import { ROOMS, roomOf, roomTable, writtenRoomTable } from '../../scripts/rooms.ts'
import { importCircles, importsOf, sourceFiles, visitNodes } from '../../scripts/source-imports.ts'

/** What the engine has no use for: clocks, chance and the world. */
const FORBIDDEN_NAMES = new Set([
  ...['performance', 'process', 'crypto', 'console', 'fetch', 'Buffer', 'globalThis', 'require', 'Temporal'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']
])
const FORBIDDEN_MEMBERS = new Set(['Date.now', 'Math.random', 'import.meta'])

/** What is wrong with the imports of a file of the package, as readable lines. */
function wrongImports(file: string, text: string): string[] {
  const room = roomOf(file)
  const wrong: string[] = []
  for (const { specifier, target, typesOnly } of importsOf(file, text)) {
    if (target === undefined) {
      if (!room.packages) wrong.push(`${file} imports ${specifier}`)
      continue
    }
    if (posix.basename(target).startsWith('index.')) wrong.push(`${file} imports the index ${target}`)
    const allowed = [...room.values, ...(typesOnly ? (room.types ?? []) : [])]
    const isAllowed = roomOf(target) === room || allowed.some(start => target.startsWith(start))
    if (!isAllowed) wrong.push(`${file} imports ${typesOnly ? 'types of ' : ''}${target}`)
  }
  return wrong
}

/** Clocks, chance and the world, where a file of the engine names them. */
function impurities(text: string): string[] {
  const found: string[] = []
  visitNodes(text, node => {
    if (ts.isIdentifier(node) && FORBIDDEN_NAMES.has(node.text) && !isMemberName(node)) found.push(node.text)
    if (ts.isPropertyAccessExpression(node) || ts.isMetaProperty(node)) {
      const name = node.getText().replaceAll(/\s|\?/g, '')
      if (FORBIDDEN_MEMBERS.has(name)) found.push(name)
    }
    if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0) {
      found.push('new Date()')
    }
    if (ts.isCallExpression(node) && node.expression.getText() === 'Date') found.push('Date()')
  })
  return found
}

function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isPropertySignature(parent) && parent.name === node) ||
    (ts.isPropertyAssignment(parent) && parent.name === node)
  )
}

describe('imports go one way', () => {
  const files = sourceFiles()
  for (const room of ROOMS) {
    test(`from ${room.path}`, () => {
      const own = files.filter(({ file }) => roomOf(file) === room)
      assert(own.length > 0)
      assert.deepEqual(
        own.flatMap(({ file, text }) => wrongImports(file, text)),
        []
      )
    })
  }

  test('from each room to rooms further down', () => {
    for (const [index, { path, values, types = [] }] of ROOMS.entries()) {
      const above = ROOMS.slice(0, index).filter(room => [...values, ...types].includes(room.path))
      assert.deepEqual(
        above.map(room => room.path),
        [],
        path
      )
    }
  })

  test('and in no circle, types counted', () => {
    const graph = new Map(
      files.map(({ file, text }) => [file, importsOf(file, text).flatMap(({ target }) => target ?? [])])
    )
    assert.deepEqual(importCircles(graph), [])
  })

  test('as ARCHITECTURE.md shows: see npm run rooms', () => assert.equal(writtenRoomTable(), roomTable()))
})

test('a circle of imports is found', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['b', 'e']],
    ['d', []],
    ['e', ['e']]
  ])
  assert.deepEqual(importCircles(graph), [['b', 'c'], ['e']])
})

test('the engine reads no clock and no world', () => {
  const files = sourceFiles(['lib/rfc9111'])
  assert(files.length > 0)
  for (const { file, text } of files) assert.deepEqual(impurities(text), [], file)
})

describe('what is not allowed is found', () => {
  const WRONG: readonly (readonly [file: string, text: string])[] = [
    ['lib/rfc9111/age.ts', "import { readFileSync } from 'node:fs'"],
    ['lib/rfc9111/age.ts', "import type { Dispatcher } from 'undici'"],
    ['lib/rfc9111/age.ts', "import { CacheError } from '../errors.ts'"],
    ['lib/rfc9111/age.ts', "import type { CacheStore } from '../../stores/store.ts'"],
    ['lib/rfc9111/age.ts', "import 'node:fs'"],
    ['lib/rfc9111/age.ts', "export * from '../errors.ts'"],
    ['lib/rfc9111/age.ts', "const fs = await import('node:fs')"],
    ['lib/rfc9111/age.ts', "const fs = require('node:fs')"],
    ['lib/rfc9111/age.ts', "import fs = require('node:fs')"],
    ['lib/rfc9111/age.ts', "type Stats = import('node:fs').Stats"],
    ['lib/errors.ts', "import { judge } from './rfc9111/judgement.ts'"],
    ['lib/cached-client.ts', "import { CacheError } from './index.ts'"],
    ['interceptors/request/partition.ts', "import type { CacheOptions } from '../options.ts'"],
    ['interceptors/request/partition.ts', "import type { Flight } from '../single-flight/flight.ts'"],
    ['interceptors/replay/tick-budget.ts', "import type { Flight } from '../single-flight/flight.ts'"],
    ['interceptors/undici/http2.ts', "import type { CacheStore } from '../../stores/store.ts'"],
    ['interceptors/undici/http2.ts', "import type { Context } from '../request/request-context.ts'"],
    ['interceptors/outcome/outcome.ts', "import type { Head } from '../undici/downstream-handler.ts'"],
    ['interceptors/store-access/store-guard.ts', "import type { Outcome } from '../outcome/outcome.ts'"],
    ['interceptors/cache.ts', "import { CachedClient } from '../lib/cached-client.ts'"],
    ['interceptors/cache.ts', "import { ObjectSerializer } from '../serializers/object.ts'"],
    ['interceptors/cache.ts', "import { cacheInterceptor } from './index.ts'"],
    ['stores/memory.ts', "import { judge } from '../lib/rfc9111/judgement.ts'"],
    ['stores/memory.ts', "import { type Entry, judge } from '../lib/rfc9111/judgement.ts'"],
    ['stores/memory.ts', "import judge, { type Entry } from '../lib/rfc9111/judgement.ts'"],
    ['stores/memory.ts', "import * as types from '../lib/rfc9111/types.ts'"],
    ['stores/memory.ts', "export { judge } from '../lib/rfc9111/judgement.ts'"],
    ['stores/memory.ts', "import type { CacheOptions } from '../interceptors/options.ts'"],
    ['serializers/object.ts', "import { judge } from '../lib/rfc9111/judgement.ts'"],
    ['serializers/object.ts', "import type { CacheStore } from '../stores/store.ts'"],
    ['serializers/object.ts', "import { optionError } from '../lib/index.ts'"]
  ]
  for (const [file, text] of WRONG) {
    test(`${file}: ${text}`, () => assert.notDeepEqual(wrongImports(file, text), []))
  }

  const IMPURE = [
    'Date.now()',
    'const { now } = { now: Date . now }',
    'Date?.now()',
    'new Date()',
    'new Date',
    'Date()',
    'Math.random()',
    'performance.now()',
    'process.hrtime()',
    'crypto.randomUUID()',
    'globalThis.Date',
    'setTimeout(f, 1)',
    'f(setImmediate)',
    'import.meta.url'
  ]
  for (const text of IMPURE) test(text, () => assert.notDeepEqual(impurities(text), []))
})

describe('what is allowed is not found fault with', () => {
  const RIGHT: readonly (readonly [file: string, text: string])[] = [
    ['lib/rfc9111/age.ts', "import { firstValue } from './fields.ts'"],
    ['lib/cached-client.ts', "import { Client } from 'undici'"],
    ['interceptors/cache.ts', "import type { Serializer } from '../serializers/serializer.ts'"],
    ['interceptors/cache.ts', "import { judge } from '../lib/rfc9111/judgement.ts'"],
    ['interceptors/origin/broadcast.ts', "import type { Flight } from '../single-flight/flight.ts'"],
    ['stores/memory.ts', "import type { Entry } from '../lib/rfc9111/types.ts'"],
    ['stores/memory.ts', "import { type Entry } from '../lib/rfc9111/types.ts'"],
    ['stores/memory.ts', "export type { Entry } from '../lib/rfc9111/types.ts'"],
    ['stores/memory.ts', "import { CacheError } from '../lib/errors.ts'"],
    ['stores/undici.ts', "import { judge } from '../lib/rfc9111/judgement.ts'"]
  ]
  for (const [file, text] of RIGHT) test(`${file}: ${text}`, () => assert.deepEqual(wrongImports(file, text), []))

  const PURE = [
    'new Date(0)',
    '// Date.now()',
    "'process'",
    'directives.process',
    'Date.UTC(2026, 0)',
    'Math.max(1, 2)'
  ]
  for (const text of PURE) test(text, () => assert.deepEqual(impurities(text), []))
})
