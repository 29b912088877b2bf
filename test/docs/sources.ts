// What the documentation has to agree with, read from the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import ts from 'typescript'
import manifest from '../../package.json' with { type: 'json' }

export const root = dirname(dirname(import.meta.dirname))

/** The files of the package, by path from the root. */
export function packageFiles(): readonly string[] {
  return ['lib', 'interceptors', 'stores', 'serializers'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts'))
      .map(file => `${folder}/${file.replaceAll('\\', '/')}`)
      .sort()
  )
}

/** Those that are reached from the front door and from the serializers. */
export function shippedFiles(): ReadonlySet<string> {
  const shipped = new Set<string>()
  const follow = (file: string): void => {
    if (shipped.has(file)) return
    shipped.add(file)
    for (const [, specifier = ''] of sourceText(file).matchAll(/ from '(\.[^']+)'/g)) {
      follow(posix.join(posix.dirname(file), specifier))
    }
  }
  follow('lib/index.ts')
  for (const subpath of Object.keys(manifest.exports)) {
    if (subpath.startsWith('./serializers/')) follow(`${subpath.slice('./'.length)}.ts`)
  }
  return shipped
}

export function sourceText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The names of an interface's members, in order. */
export function interfaceMembers(path: string, name: string): readonly string[] {
  const declaration = parse(path).statements.find(
    statement => ts.isInterfaceDeclaration(statement) && statement.name.text === name
  )
  if (declaration === undefined) throw new Error(`no interface ${name} in ${path}`)
  const names = (declaration as ts.InterfaceDeclaration).members.map(({ name }) => name)
  return names.filter(name => name !== undefined && ts.isIdentifier(name)).map(name => (name as ts.Identifier).text)
}

/** Functions that return a reason. */
const REASONING = /reason|recordability/i
/** Types of such words. */
const REASON_TYPE = /Refusal$/

/** Every word that stands as a reason in the sources: a property, parameter or variable of that name, what a
 * function returns that gives reasons, or a word of a type of them. */
export function reasonsInSources(): ReadonlySet<string> {
  const files = packageFiles().filter(file => /^(lib\/rfc9111|interceptors)\//.test(file))
  const sources = files.map(parse)
  const parameters = new Map(sources.flatMap(source => all(source, isFunction).flatMap(reasonParameter)))
  const expressions = sources.flatMap(source => [
    ...all(source, ts.isPropertyAssignment)
      .filter(({ name }) => name.getText() === 'reason')
      .map(({ initializer }) => initializer),
    ...all(source, ts.isVariableDeclaration)
      .filter(({ name }) => name.getText() === 'reason')
      .map(({ initializer }) => initializer),
    ...all(source, ts.isCallExpression).map(call => call.arguments[parameters.get(calleeName(call)) ?? -1]),
    ...all(source, ts.isReturnStatement)
      .filter(statement => REASONING.test(ts.findAncestor(statement, isFunction)?.name?.getText() ?? ''))
      .map(({ expression }) => expression)
  ])
  const types = sources.flatMap(source =>
    all(source, ts.isTypeAliasDeclaration)
      .filter(({ name }) => REASON_TYPE.test(name.text))
      .flatMap(({ type }) => all(type, ts.isLiteralTypeNode))
  )
  const words = types.flatMap(({ literal }) => (ts.isStringLiteral(literal) ? [literal.text] : []))
  return new Set([...expressions.flatMap(literals), ...words])
}

/** The literals that an expression may have as its value. */
function literals(expression: ts.Expression | undefined): string[] {
  if (expression === undefined) return []
  if (ts.isStringLiteral(expression)) return [expression.text]
  if (ts.isConditionalExpression(expression)) return [expression.whenTrue, expression.whenFalse].flatMap(literals)
  return []
}

type NamedFunction = ts.FunctionDeclaration | ts.MethodDeclaration

function isFunction(node: ts.Node): node is NamedFunction {
  return ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)
}

/** A function's name and the index of its parameter `reason`. */
function reasonParameter({ name, parameters }: NamedFunction): [string, number][] {
  const index = parameters.findIndex(parameter => parameter.name.getText() === 'reason')
  return index === -1 || name === undefined ? [] : [[name.getText(), index]]
}

function calleeName({ expression }: ts.CallExpression): string {
  return ts.isPropertyAccessExpression(expression) ? expression.name.getText() : expression.getText()
}

function all<Found extends ts.Node>(node: ts.Node, is: (node: ts.Node) => node is Found): Found[] {
  const found: Found[] = is(node) ? [node] : []
  ts.forEachChild(node, child => {
    found.push(...all(child, is))
  })
  return found
}

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, sourceText(path), ts.ScriptTarget.Latest, true)
}
