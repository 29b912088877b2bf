import ts from 'typescript'

export interface Mutant {
  /** The file's name in the engine. */
  readonly file: string
  /** The whole of it, changed. */
  readonly text: string
  /** What tells it from all others, and stays when lines move: file, function, change. */
  readonly id: string
  readonly line: number
}

interface Change {
  readonly node: ts.Node
  readonly replacement: string
}

const SWAPPED_OPERATORS: { readonly [operator: string]: readonly string[] } = {
  '===': ['!=='],
  '!==': ['==='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '+=': ['-=']
}
const LOGICAL_OPERATORS = new Set(['&&', '||', '??'])
const SWAPPED_METHODS: { readonly [name: string]: string } = {
  max: 'min',
  min: 'max',
  some: 'every',
  every: 'some',
  startsWith: 'endsWith',
  endsWith: 'startsWith'
}
/** Methods whose call can be left out, so that what they were called on takes its place. */
const SKIPPED_METHODS = new Set(['toLowerCase', 'sort', 'slice', 'filter', 'trim', 'replace'])
/** Functions whose call can be left out, so that their argument takes its place. */
const SKIPPED_FUNCTIONS = new Set(['Math.floor', 'trimWhitespace', 'onOneLine'])

function changesOf(source: ts.SourceFile): Change[] {
  const changes: Change[] = []
  const text = (node: ts.Node) => node.getText(source)
  const add = (node: ts.Node, ...replacements: string[]) => {
    for (const replacement of replacements) changes.push({ node, replacement })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return

    if (ts.isIfStatement(node)) add(node.expression, 'true', 'false')
    else if (ts.isConditionalExpression(node)) add(node.condition, 'true', 'false')
    else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) add(node.expression, 'false')
    else if (ts.isForStatement(node) && node.condition !== undefined) add(node.condition, 'false')
    else if (ts.isExpressionStatement(node)) add(node, ';')
    else if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken.getText(source)
      const { left, right } = node
      if (LOGICAL_OPERATORS.has(operator)) add(node, text(left), text(right))
      for (const other of SWAPPED_OPERATORS[operator] ?? []) add(node, `${text(left)} ${other} ${text(right)}`)
    } else if (ts.isPrefixUnaryExpression(node)) {
      const isSign = node.operator === ts.SyntaxKind.ExclamationToken || node.operator === ts.SyntaxKind.MinusToken
      if (isSign) add(node, text(node.operand))
    } else if (ts.isNumericLiteral(node)) {
      const value = Number(node.text)
      add(node, `${value + 1}`, `(${value - 1})`)
    } else if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      add(node, JSON.stringify(`${node.text}~`))
    } else if (ts.isTemplateExpression(node)) {
      add(node, "''")
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'false')
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'true')
    else if (ts.isRegularExpressionLiteral(node)) add(node, ...changedPatterns(node.text))
    else if (ts.isArrayLiteralExpression(node)) {
      const elements = node.elements.map(text)
      for (const i of elements.keys()) add(node, `[${elements.filter((_, other) => other !== i).join(', ')}]`)
    } else if (ts.isObjectLiteralExpression(node)) {
      const members = node.properties.map(text)
      for (const i of members.keys()) add(node, `({${members.filter((_, other) => other !== i).join(', ')}})`)
    } else if (ts.isCallExpression(node)) {
      const { expression, arguments: given } = node
      if (SKIPPED_FUNCTIONS.has(text(expression)) && given[0] !== undefined) add(node, text(given[0]))
      if (ts.isPropertyAccessExpression(expression)) {
        const name = expression.name.text
        if (SKIPPED_METHODS.has(name)) add(node, text(expression.expression))
        const other = SWAPPED_METHODS[name]
        if (other !== undefined) add(expression.name, other)
        if (text(expression.expression) === 'Math' && given.length > 1) add(node, ...given.map(text))
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return changes
}

function changedPatterns(literal: string): string[] {
  const end = literal.lastIndexOf('/')
  const pattern = literal.slice(1, end)
  const flags = literal.slice(end + 1)
  const changed: string[] = []
  if (pattern.startsWith('^')) changed.push(`/${pattern.slice(1)}/${flags}`)
  if (pattern.endsWith('$')) changed.push(`/${pattern.slice(0, -1)}/${flags}`)
  for (const flag of flags) changed.push(`/${pattern}/${flags.replace(flag, '')}`)
  return changed
}

/** The engine's file with one thing changed, for each thing. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const seen = new Map<string, number>()
  return changesOf(source).map(({ node, replacement }) => {
    const change = `${oneLine(node.getText(source))} -> ${oneLine(replacement)}`
    const id = `${file} ${enclosingName(node)}: ${change}`
    const times = (seen.get(id) ?? 0) + 1
    seen.set(id, times)
    const start = node.getStart(source)
    const changed = text.slice(0, start) + enclose(node, replacement) + text.slice(node.end)
    const line = source.getLineAndCharacterOfPosition(start).line + 1
    return { file, text: changed, id: times === 1 ? id : `${id} (${times})`, line }
  })
}

/** A changed expression stays one operand of what it is in. */
function enclose(node: ts.Node, replacement: string): string {
  const { parent } = node
  const isOperand = ts.isBinaryExpression(node) && (ts.isBinaryExpression(parent) || ts.isConditionalExpression(parent))
  return isOperand || ts.isRegularExpressionLiteral(node) ? `(${replacement})` : replacement
}

function enclosingName(node: ts.Node): string {
  for (let at = node.parent; at !== undefined; at = at.parent) {
    if ((ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at)) && at.name !== undefined) return at.name.getText()
    if (ts.isVariableDeclaration(at) && ts.isSourceFile(at.parent.parent.parent)) return at.name.getText()
  }
  return 'module'
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}
