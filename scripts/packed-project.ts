// A folder in which the tests of public behaviour run on the packed package, and the package's sources are not.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import manifest from '../package.json' with { type: 'json' }
import { isPublic, SOURCES } from './public-tests.ts'
import { undiciVersion } from './registry.ts'
import { packPackage } from './tarball.ts'

/** What `import` of the package loads: its ES modules, or what `require` loads. */
export type Format = 'esm' | 'cjs'

const root = dirname(import.meta.dirname)
const LEFT_OUT = new Set(['.git', 'node_modules', 'dist', 'coverage', ...SOURCES])

/** A module hook: `import` of the package is resolved as `require` of it would be. */
const AS_COMMONJS = `
import * as module from 'node:module'
const hooks = \`export function resolve(specifier, context, next) {
  if (!/^undici-http-cache(\\\\/|$)/.test(specifier)) return next(specifier, context)
  return next(specifier, { ...context, conditions: context.conditions.map(c => (c === 'import' ? 'require' : c)) })
}\`
const url = 'data:text/javascript,' + encodeURIComponent(hooks)
if (module.registerHooks) module.registerHooks(await import(url))
else module.register(url)
`

export class PackedProject implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'undici-http-cache-packed-'))

  /** `undici` as in undiciPackage(). */
  constructor(undici: string) {
    try {
      this.#copyTests()
      this.#install(undici)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** The environment in which that Node runs tests on what that format loads. Throws where it would be something else. */
  environment(node: string, format: Format): NodeJS.ProcessEnv {
    const environment: NodeJS.ProcessEnv = { ...process.env, PATH: dirname(node) + delimiter + process.env['PATH'] }
    if (format === 'cjs') {
      const hook = pathToFileURL(join(this.directory, 'as-commonjs.mjs')).href
      environment['NODE_OPTIONS'] = `${environment['NODE_OPTIONS'] ?? ''} --import ${hook}`.trim()
    }
    this.#check(node, environment, format)
    return environment
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 })
  }

  /** Everything that the tests of public behaviour need, so that what is not the package cannot be loaded in its place. */
  #copyTests(): void {
    const tests = join(root, 'test') + sep
    const filter = (source: string) => {
      if (dirname(source) === root) return !LEFT_OUT.has(basename(source))
      return !(source.startsWith(tests) && source.endsWith('.test.ts')) || isPublic(relative(tests, source))
    }
    cpSync(root, this.directory, { recursive: true, filter })
    // The package's own name would mean this folder, and with `paths` the sources.
    this.#write('package.json', { ...manifest, name: 'packed-project', private: true })
    const { paths: _, ...compilerOptions } = readCompilerOptions()
    this.#write('tsconfig.json', { compilerOptions })
    writeFileSync(join(this.directory, 'as-commonjs.mjs'), AS_COMMONJS)
  }

  /** The tarball, with undici and the optional peers, as a user would; and beside them what tests need. */
  #install(undici: string): void {
    const peers = Object.keys(manifest.peerDependenciesMeta).map(
      name => `${name}@${versionOf(join(root, 'node_modules', name))}`
    )
    const installed = mkdtempSync(join(this.directory, 'installed-'))
    writeFileSync(join(installed, 'package.json'), '{ "private": true }\n')
    const packages = [packPackage(), `undici@${undiciVersion(undici)}`, ...peers]
    const { status, stdout, stderr } = spawnSync(
      'npm',
      ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages],
      { cwd: installed, encoding: 'utf8', shell: process.platform === 'win32' }
    )
    if (status !== 0) throw new Error(`npm install ${packages.join(' ')}: ${stdout}${stderr}`)
    cpSync(join(installed, 'node_modules'), join(this.directory, 'node_modules'), { recursive: true })
    rmSync(installed, { recursive: true })
    const present = new Set(packagesIn(join(this.directory, 'node_modules')))
    for (const name of packagesIn(join(root, 'node_modules'))) {
      const link = join(this.directory, 'node_modules', name)
      if (present.has(name)) continue
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), link, 'junction')
    }
    // What scripts/test.ts remembers from run to run.
    const cache = join(root, 'node_modules/.cache')
    mkdirSync(cache, { recursive: true })
    symlinkSync(cache, join(this.directory, 'node_modules/.cache'), 'junction')
  }

  /** Whether tests in the folder get the packed package, whichever way they load it, in this format and no other. */
  #check(node: string, env: NodeJS.ProcessEnv, format: Format): void {
    const names = Object.keys(manifest.exports).map(path => path.replace('.', manifest.name))
    const script = `
      for (const name of ${JSON.stringify(names)}) if (!name.endsWith('.json')) await import(name)
      console.log(JSON.stringify(${JSON.stringify(names)}.map(name => import.meta.resolve(name))))`
    const file = join(this.directory, 'test', 'probe.ts')
    writeFileSync(file, script)
    const { stdout, stderr } = spawnSync(node, ['--import', 'tsx', file], {
      cwd: this.directory,
      env,
      encoding: 'utf8'
    })
    const packed = pathToFileURL(join(realpathSync(this.directory), 'node_modules', manifest.name)).href
    const extension = format === 'cjs' ? '.cjs' : '.js'
    const isPacked = (url: string) =>
      url.startsWith(`${packed}/dist/`) ? url.endsWith(extension) : url === `${packed}/package.json`
    const urls: string[] = stdout === '' ? [] : JSON.parse(stdout)
    if (urls.length !== names.length || !urls.every(isPacked)) {
      throw new Error(`not the packed package as ${format}: ${stdout}${stderr}`)
    }
    rmSync(file)
  }

  #write(name: string, content: object): void {
    writeFileSync(join(this.directory, name), `${JSON.stringify(content, null, 2)}\n`)
  }
}

function readCompilerOptions(): Record<string, unknown> {
  const text = readFileSync(join(root, 'tsconfig.json'), 'utf8').replace(/^\s*\/\/.*$/gm, '')
  return JSON.parse(text).compilerOptions
}

function versionOf(directory: string): string {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).version
}

function packagesIn(directory: string): string[] {
  return readdirSync(directory).flatMap(name => {
    if (name.startsWith('.')) return []
    return name.startsWith('@') ? readdirSync(join(directory, name)).map(each => `${name}/${each}`) : [name]
  })
}
