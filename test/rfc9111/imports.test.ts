import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const FOLDERS = ['lib', 'interceptors', 'stores', 'serializers']

interface Rule {
  /** The files it is about: a path, or the start of one. The first rule that fits a file is its rule. */
  readonly files: string
  /** What they may import: paths, or starts of paths, of this package. */
  readonly values: readonly string[]
  /** What they may import types from, beside that. */
  readonly types?: readonly string[]
  /** Whether they may import packages and modules of Node. */
  readonly packages: boolean
}

const RULES: readonly Rule[] = [
  { files: 'lib/rfc9111/', values: ['lib/rfc9111/'], packages: false },
  { files: 'lib/errors.ts', values: [], packages: false },
  { files: 'lib/event-loop.ts', values: [], packages: true },
  { files: 'lib/time-slices.ts', values: ['lib/event-loop.ts'], packages: false },
  { files: 'lib/fault-warning.ts', values: ['lib/foreign-values.ts'], packages: true },
  { files: 'lib/foreign-values.ts', values: [], packages: false },
  { files: 'lib/option-checks.ts', values: ['lib/errors.ts', 'lib/rfc9111/origin.ts'], packages: false },
  { files: 'lib/', values: ['lib/', 'interceptors/', 'stores/', 'serializers/'], packages: true },
  {
    files: 'interceptors/',
    values: [
      ...['interceptors/', 'lib/rfc9111/', 'lib/errors.ts', 'lib/event-loop.ts', 'lib/fault-warning.ts'],
      ...['lib/foreign-values.ts', 'lib/option-checks.ts', 'lib/time-slices.ts', 'stores/']
    ],
    types: ['serializers/'],
    packages: true
  },
  // undici's contract for stores asks for verdicts, so its adapter judges.
  {
    files: 'stores/undici',
    values: [
      ...['stores/', 'serializers/', 'lib/errors.ts', 'lib/event-loop.ts', 'lib/fault-warning.ts'],
      ...['lib/foreign-values.ts', 'lib/option-checks.ts', 'lib/rfc9111/']
    ],
    packages: true
  },
  {
    files: 'stores/',
    values: [
      ...['stores/', 'serializers/', 'lib/errors.ts', 'lib/event-loop.ts', 'lib/foreign-values.ts'],
      ...['lib/rfc9111/segments.ts', 'lib/rfc9111/precedence.ts', 'lib/rfc9111/origin.ts', 'lib/option-checks.ts']
    ],
    types: ['lib/rfc9111/'],
    packages: true
  },
  { files: 'serializers/', values: ['serializers/', 'lib/errors.ts'], types: ['lib/rfc9111/'], packages: true }
]

/** What the engine has no use for: clocks, chance and the world. */
const FORBIDDEN_NAMES = new Set([
  ...['performance', 'process', 'crypto', 'console', 'fetch', 'Buffer', 'globalThis', 'require', 'Temporal'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']
])
const FORBIDDEN_MEMBERS = new Set(['Date.now', 'Math.random', 'import.meta'])

interface Import {
  readonly specifier: string
  readonly typesOnly: boolean
}

function parse(text: string): ts.SourceFile {
  return ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true)
}

function visit(node: ts.Node, visitor: (node: ts.Node) => void): void {
  visitor(node)
  ts.forEachChild(node, child => visit(child, visitor))
}

function importsOf(text: string): Import[] {
  const imports: Import[] = []
  const add = (specifier: ts.Node | undefined, typesOnly: boolean) => {
    if (specifier === undefined) return
    imports.push({ specifier: ts.isStringLiteralLike(specifier) ? specifier.text : specifier.getText(), typesOnly })
  }
  visit(parse(text), node => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause
      const named = clause?.namedBindings
      const elements = named !== undefined && ts.isNamedImports(named) ? named.elements : undefined
      const each = clause?.name === undefined && elements?.every(({ isTypeOnly }) => isTypeOnly) === true
      add(node.moduleSpecifier, clause?.isTypeOnly === true || each)
    } else if (ts.isExportDeclaration(node)) {
      const elements =
        node.exportClause !== undefined && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : undefined
      add(node.moduleSpecifier, node.isTypeOnly || elements?.every(({ isTypeOnly }) => isTypeOnly) === true)
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, true)
    } else if (ts.isExternalModuleReference(node)) {
      add(node.expression, false)
    } else if (ts.isCallExpression(node)) {
      const { expression } = node
      const loads = expression.kind === ts.SyntaxKind.ImportKeyword || expression.getText() === 'require'
      if (loads) add(node.arguments[0], false)
    }
  })
  return imports
}

/** What is wrong with the imports of a file of the package, as readable lines. */
function wrongImports(file: string, text: string): string[] {
  const rule = RULES.find(({ files }) => file.startsWith(files))
  assert(rule !== undefined, `no rule is about ${file}`)
  const wrong: string[] = []
  for (const { specifier, typesOnly } of importsOf(text)) {
    if (!specifier.startsWith('.')) {
      if (!rule.packages) wrong.push(`${file} imports ${specifier}`)
      continue
    }
    const target = posix.join(posix.dirname(file), specifier)
    const allowed = [...rule.values, ...(typesOnly ? (rule.types ?? []) : [])]
    if (posix.basename(target).startsWith('index.')) wrong.push(`${file} imports the index ${target}`)
    if (!allowed.some(start => target.startsWith(start))) {
      wrong.push(`${file} imports ${typesOnly ? 'types of ' : ''}${target}`)
    }
  }
  return wrong
}

/** Clocks, chance and the world, where a file of the engine names them. */
function impurities(text: string): string[] {
  const found: string[] = []
  visit(parse(text), node => {
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

function filesOf(folder: string): { file: string; text: string }[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(ROOT, folder, name))
    .map(path => ({ file: relative(ROOT, path).replaceAll(sep, '/'), text: readFileSync(path, 'utf8') }))
}

describe('imports go one way', () => {
  for (const folder of FOLDERS) {
    test(`in ${folder}/`, () => {
      const files = filesOf(folder)
      assert(files.length > 0)
      assert.deepEqual(
        files.flatMap(({ file, text }) => wrongImports(file, text)),
        []
      )
    })
  }
})

test('the engine reads no clock and no world', () => {
  const files = filesOf('lib/rfc9111')
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
