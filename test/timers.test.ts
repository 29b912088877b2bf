import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const FOLDERS = ['lib', 'interceptors', 'stores', 'serializers']

const TIMERS = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']
/** From where each is to be imported. */
const MODULES = new Map<string, readonly string[]>([
  ...TIMERS.map(name => [name, ['node:timers', 'node:timers/promises']] as const),
  // Sinon replaces its `now`.
  ['performance', []] as const
])
/** What promises take the place of. */
const NEVER = new Set(['queueMicrotask', 'nextTick', 'hrtime'])

/** Where a file takes from the globals what test runners replace for a while. */
function replaceable(text: string): string[] {
  const file = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true)
  const imported = new Set<string>()
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue
    const named = statement.importClause?.namedBindings
    if (named === undefined || !ts.isNamedImports(named)) continue
    for (const { name } of named.elements) {
      if (MODULES.get(name.text)?.includes(statement.moduleSpecifier.text)) imported.add(name.text)
    }
  }
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      if (NEVER.has(node.text)) found.push(node.text)
      if (MODULES.has(node.text) && !imported.has(node.text) && !isProperty(node)) found.push(node.text)
    }
    // Kept, it would outlive the Date that it belongs to.
    const isDateNow = ts.isPropertyAccessExpression(node) && node.getText() === 'Date.now'
    if (isDateNow && !(ts.isCallExpression(node.parent) && node.parent.expression === node)) found.push('Date.now')
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** Whether it names a property of something; what is taken off a global object is none of ours. */
function isProperty(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isImportSpecifier(parent)) return true
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return parent.expression.getText() !== 'globalThis'
  return (ts.isPropertySignature(parent) || ts.isPropertyAssignment(parent)) && parent.name === node
}

function filesOf(folder: string): { file: string; text: string }[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && name !== 'event-loop.ts')
    .map(name => join(ROOT, folder, name))
    .map(path => ({ file: relative(ROOT, path).replaceAll(sep, '/'), text: readFileSync(path, 'utf8') }))
}

for (const folder of FOLDERS) {
  test(`${folder}/ takes timers and durations from modules of Node, not from the globals that test runners replace`, () => {
    const files = filesOf(folder)
    assert(files.length > 0)
    assert.deepEqual(
      files.flatMap(({ file, text }) => replaceable(text).map(name => `${file}: ${name}`)),
      []
    )
  })
}

describe('what test runners replace is found', () => {
  const WRONG = [
    'setTimeout(f, 1)',
    'globalThis.setTimeout(f, 1)',
    'f(setImmediate)',
    'const { clearTimeout } = globalThis',
    "import { setTimeout } from './timers.ts'; setTimeout(f, 1)",
    "import { setTimeout as sleep } from 'node:timers/promises'; setTimeout(f, 1)",
    'queueMicrotask(f)',
    'process.nextTick(f)',
    'process.hrtime.bigint()',
    'performance.now()',
    "import { performance } from 'node:perf_hooks'; performance.now()",
    'const now = options.now ?? Date.now'
  ]
  for (const text of WRONG) test(text, () => assert.notDeepEqual(replaceable(text), []))
})

describe('what test runners leave alone is not found fault with', () => {
  const RIGHT = [
    "import { setTimeout } from 'node:timers'; setTimeout(f, 1)",
    "import { monotonicMs } from '../lib/event-loop.ts'; monotonicMs()",
    "import { setTimeout as sleep } from 'node:timers/promises'; await sleep(1)",
    'const now = () => Date.now()',
    'socket.setTimeout(1)',
    '// setTimeout(f, 1)'
  ]
  for (const text of RIGHT) test(text, () => assert.deepEqual(replaceable(text), []))
})
