// The files of the package's sources, and what each imports.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import ts from 'typescript'
import { SOURCES } from './public-tests.ts'

const root = dirname(import.meta.dirname)

export interface SourceFile {
  /** Its path in the repository. */
  readonly file: string
  readonly text: string
}

export interface Import {
  readonly specifier: string
  /** The file of this package, where it is one. */
  readonly target?: string
  readonly typesOnly: boolean
}

/** Every file of these folders, or of all. */
export function sourceFiles(folders: readonly string[] = SOURCES): SourceFile[] {
  return folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(root, folder, name))
      .map(path => ({ file: relative(root, path).replaceAll(sep, '/'), text: readFileSync(path, 'utf8') }))
  )
}

/** What a file imports or exports from elsewhere, types and `import()` included. */
export function importsOf(file: string, text: string): Import[] {
  const imports: Import[] = []
  const add = (node: ts.Node | undefined, typesOnly: boolean) => {
    if (node === undefined) return
    const specifier = ts.isStringLiteralLike(node) ? node.text : node.getText()
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : undefined
    imports.push({ specifier, typesOnly, ...(target !== undefined && { target }) })
  }
  visitNodes(text, node => {
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

/** Visits every node of a file. */
export function visitNodes(text: string, visitor: (node: ts.Node) => void): void {
  const visit = (node: ts.Node): void => {
    visitor(node)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true))
}

/** The circles of imports, each as the files that lie on one: sets in which every file reaches every other. */
export function importCircles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...graph.keys()].map(file => [file, reach(graph, file)]))
  const circles = new Map<string, string[]>()
  for (const [file, targets] of reached) {
    if (!targets.has(file)) continue
    const circle = [...targets].filter(target => reached.get(target)?.has(file) === true).sort()
    circles.set(circle.join(), circle)
  }
  return [...circles.values()]
}

/** The files that a file imports, and those that they import, and so on. */
function reach(graph: ReadonlyMap<string, readonly string[]>, file: string): Set<string> {
  const reached = new Set<string>()
  const left = [...(graph.get(file) ?? [])]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    left.push(...(graph.get(next) ?? []))
  }
  return reached
}
