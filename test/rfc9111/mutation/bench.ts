import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import ts from 'typescript'

const TESTS = dirname(dirname(fileURLToPath(import.meta.url)))

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
export class TestBench {
  readonly #evaluates = new Map<string, Evaluate>()
  /** The tests that failed before, by number, the latest first: they are likely to fail again. */
  #killers: number[] = []
  readonly #require = createRequire(import.meta.url)
  readonly #entries = [
    join(TESTS, 'rules.test.ts'),
    ...readdirSync(join(TESTS, 'units')).map(name => join(TESTS, 'units', name))
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
