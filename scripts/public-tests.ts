// Which test files test public behaviour: those that load nothing of the package but what it exports. The others load
// files of the sources, or read them (with `typescript`), themselves or through a file of test/ that they load or start.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ts from 'typescript'

const root = dirname(import.meta.dirname)
/** The folders whose files make the package. */
export const SOURCES = ['lib', 'interceptors', 'stores', 'serializers']

/** Every test file, as its path under test/. */
export function testFiles(): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.test.ts'))
    .sort()
}

const known = new Map<string, boolean>()

/** Whether a file of test/ can run without the sources. */
export function isPublic(testFile: string): boolean {
  return runsWithoutSources(join(root, 'test', testFile))
}

function runsWithoutSources(file: string): boolean {
  const before = known.get(file)
  if (before !== undefined) return before
  known.set(file, true) // where files load each other, the others decide
  const verdict = literalsOf(file).every(text => {
    if (text === 'typescript') return false
    const named = join(dirname(file), text)
    if (!named.endsWith('.ts') || !existsSync(named)) return true
    const [folder = ''] = relative(root, named).split(sep)
    return !SOURCES.includes(folder) && runsWithoutSources(named)
  })
  known.set(file, verdict)
  return verdict
}

/** The string literals of a file: what it imports, and the names of the scripts that it starts. Types are left out. */
function literalsOf(file: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || isTypeOnly(node)) return
    if (ts.isStringLiteralLike(node)) found.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest))
  return found
}

/** An import or export that is not there at run time. */
function isTypeOnly(node: ts.Node): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  return ts.isImportDeclaration(node) && node.importClause?.isTypeOnly === true
}
