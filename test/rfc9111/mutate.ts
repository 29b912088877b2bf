// npx tsx test/rfc9111/mutate.ts [file ...] [--list]
//
// Changes one thing at a time in the engine (or in those of its files whose name contains a word given) and runs the
// rules and the unit tests on what comes of it: each change has to fail one of them. Nothing is written: the changed
// sources live in memory, in two processes of their own. Changes that no test can tell from the original, whatever it
// tries, are listed with the reason in mutate-equivalents.json; any other that survives is printed, and is a failure.
import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import ts from 'typescript'

const HERE = dirname(fileURLToPath(import.meta.url))
const ENGINE = join(HERE, '../../lib/rfc9111')
const EQUIVALENTS = join(HERE, 'mutate-equivalents.json')

const PROCESSES = 2
const TIMEOUT_MS = 20_000

interface Mutant {
  /** The file's name in the engine. */
  readonly file: string
  /** The whole of it, changed. */
  readonly text: string
  /** What tells it from all others, and stays when lines move: file, function, change. */
  readonly id: string
  readonly line: number
}

interface Verdict {
  readonly mutant: Mutant
  /** The test that failed, or what else went wrong; undefined: it survived. */
  readonly killedBy: string | undefined
}

// --- The changes -----------------------------------------------------------------------------------------------------

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

function mutantsOf(file: string, text: string): Mutant[] {
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

// --- A process that runs the tests -----------------------------------------------------------------------------------

type Evaluate = (exports: object, require: (specifier: string) => unknown, module: { exports: object }) => void

interface TestCase {
  readonly name: string
  readonly run: () => void
}

const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2023,
  esModuleInterop: true
}

/** Runs the rules and the unit tests on the engine, a file of which may be another. */
class TestBench {
  readonly #evaluates = new Map<string, Evaluate>()
  /** The tests that failed before, by number, the latest first: they are likely to fail again. */
  #killers: number[] = []
  readonly #require = createRequire(import.meta.url)
  readonly #entries = [
    join(HERE, 'rules.test.ts'),
    ...readdirSync(join(HERE, 'units')).map(name => join(HERE, 'units', name))
  ]

  /** The name of the first test that fails; undefined where none does. */
  firstFailure(path?: string, text?: string): string | undefined {
    const tests: TestCase[] = []
    const modules = new Map<string, { exports: object }>()
    const describe = (_name: string, body: () => void) => body()
    const test = (name: string, run: () => void) => void tests.push({ name, run })
    const changed = path === undefined || text === undefined ? undefined : compile(path, text)
    const load = (file: string): object => {
      const known = modules.get(file)
      if (known !== undefined) return known.exports
      const module = { exports: {} }
      modules.set(file, module)
      const evaluate = file === path && changed !== undefined ? changed : this.#evaluateOf(file)
      const require = (specifier: string): unknown => {
        if (specifier === 'node:test') return { describe, test }
        return specifier.startsWith('.') ? load(resolve(dirname(file), specifier)) : this.#require(specifier)
      }
      evaluate(module.exports, require, module)
      return module.exports
    }
    let at = 'loading'
    let latest: number | undefined
    try {
      for (const entry of this.#entries) load(entry)
      for (const number of new Set([...this.#killers, ...tests.keys()])) {
        const { name, run } = tests[number] ?? { name: '', run: () => {} }
        at = name
        latest = number
        run()
      }
      return undefined
    } catch {
      if (latest !== undefined) this.#killers = [latest, ...this.#killers.filter(number => number !== latest)]
      return at
    }
  }

  #evaluateOf(file: string): Evaluate {
    let evaluate = this.#evaluates.get(file)
    if (evaluate === undefined) {
      evaluate = compile(file, readFileSync(file, 'utf8'))
      this.#evaluates.set(file, evaluate)
    }
    return evaluate
  }
}

function compile(file: string, text: string): Evaluate {
  const { outputText } = ts.transpileModule(text, { compilerOptions: OPTIONS, fileName: file })
  return compileFunction(outputText, ['exports', 'require', 'module'], { filename: file }) as Evaluate
}

function serve(): void {
  const bench = new TestBench()
  bench.firstFailure()
  process.on('message', ({ file, text }: Mutant) => {
    let killedBy: string | undefined
    try {
      killedBy = bench.firstFailure(join(ENGINE, file), text)
    } catch (error) {
      killedBy = `compiling: ${error}`
    }
    process.send?.({ killedBy })
  })
  process.send?.('ready')
}

// --- The one that asks -----------------------------------------------------------------------------------------------

async function judgeAll(mutants: readonly Mutant[]): Promise<Verdict[]> {
  const queue = [...mutants]
  const verdicts: Verdict[] = []
  const work = async () => {
    let child = await start()
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const killedBy = await ask(child, mutant)
      verdicts.push({ mutant, killedBy })
      if (!child.connected || child.killed) child = await start()
      if (verdicts.length % 100 === 0) console.error(`${verdicts.length} of ${mutants.length}`)
    }
    child.disconnect()
  }
  await Promise.all(Array.from({ length: PROCESSES }, work))
  return verdicts
}

function start(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return new Promise((ready, fail) => {
    child.once('message', () => {
      child.removeAllListeners()
      ready(child)
    })
    child.once('exit', code => fail(new Error(`the process that runs the tests ended with ${code}`)))
  })
}

function ask(child: ChildProcess, mutant: Mutant): Promise<string | undefined> {
  return new Promise(done => {
    const settle = (killedBy: string | undefined) => {
      clearTimeout(timer)
      child.removeAllListeners()
      done(killedBy)
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      settle('running for ever')
    }, TIMEOUT_MS)
    child.once('message', ({ killedBy }: { killedBy?: string }) => settle(killedBy))
    child.once('exit', () => settle('breaking down'))
    child.send(mutant)
  })
}

async function main(args: readonly string[]): Promise<number> {
  const wanted = args.filter(argument => !argument.startsWith('-'))
  const files = readdirSync(ENGINE).filter(
    name => name.endsWith('.ts') && (wanted.length === 0 || wanted.some(word => name.includes(word)))
  )
  const failure = new TestBench().firstFailure()
  if (failure !== undefined) {
    console.error(`without any change this test fails: ${failure}`)
    return 1
  }
  const mutants = files.flatMap(file => mutantsOf(file, readFileSync(join(ENGINE, file), 'utf8')))
  const verdicts = await judgeAll(mutants)

  const reasons: Record<string, string> = JSON.parse(readFileSync(EQUIVALENTS, 'utf8'))
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined).map(({ mutant }) => mutant)
  const unexplained = survivors.filter(({ id }) => reasons[id] === undefined)
  const outdated = Object.keys(reasons).filter(
    id => files.includes(basename(id.slice(0, id.indexOf(' ')))) && !survivors.some(mutant => mutant.id === id)
  )
  if (args.includes('--list')) {
    for (const { mutant, killedBy } of verdicts) console.log(`${mutant.id}\t${killedBy ?? 'survives'}`)
  }
  for (const { id, line } of unexplained) console.log(`survives, line ${line}: ${id}`)
  for (const id of outdated) console.log(`listed as equivalent, but killed or gone: ${id}`)
  const killed = verdicts.length - survivors.length
  const equivalent = survivors.length - unexplained.length
  console.log(`${verdicts.length} changes: ${killed} killed, ${equivalent} equivalent, ${unexplained.length} survived`)
  return unexplained.length + outdated.length === 0 ? 0 : 1
}

if (process.argv.includes('--serve')) serve()
else process.exitCode = await main(process.argv.slice(2))
