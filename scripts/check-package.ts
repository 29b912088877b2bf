// npm run check:package
//
// Packs the package as it would be published, and holds the tarball to what its users will do with it.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { undiciVersion } from './registry.ts'
import { checkSourceMaps } from './source-maps.ts'
import { packPackage } from './tarball.ts'

const root = dirname(import.meta.dirname)
const directory = mkdtempSync(join(tmpdir(), 'undici-http-cache-'))
const windows = process.platform === 'win32'

/** The ways in which TypeScript finds a package and its types: what it is given, the sources, and what they become. */
const RESOLUTIONS = [
  {
    options: { module: 'nodenext' },
    sources: ['consumer.mts', 'consumer.cts'],
    made: ['consumer.mjs', 'consumer.cjs']
  },
  // Bundlers', from a module; the import stays as it is, and Node resolves it.
  { options: { module: 'esnext', moduleResolution: 'bundler' }, sources: ['bundled.mts'], made: ['bundled.mjs'] },
  // Without `exports`.
  {
    options: { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' },
    sources: ['classic.ts'],
    made: ['classic.js']
  }
]

try {
  console.log('pack')
  const tarball = packPackage()

  console.log('publint')
  bin('publint/src/cli.js', ['run', '--strict', tarball], root)

  console.log('are the types wrong?')
  bin('@arethetypeswrong/cli/dist/index.js', [tarball, '--profile', 'strict', '--no-definitely-typed'], root)

  const consumers = ['7', '8'].map(major => makeConsumer(major, tarball))
  consumers.forEach(checkConsumer)
  consumers.forEach(checkSubpaths)
  for (const { project } of consumers.filter(({ runs }) => runs)) {
    console.log('source maps')
    checkSourceMaps(project)
  }
  console.log('the package is fit to publish')
} finally {
  rmSync(directory, { recursive: true, force: true })
}

interface Consumer {
  project: string
  undici: string
  /** undici 8 compiles everywhere, and runs from Node 22.19 on. */
  runs: boolean
}

/** A project that has installed the tarball and this undici, and nothing else. */
function makeConsumer(major: string, tarball: string): Consumer {
  const version = undiciVersion(major)
  const project = join(directory, `undici-${major}`)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n')
  install(project, [tarball, `undici@${version}`])
  const loads = spawnSync(process.execPath, ['--eval', 'require("undici")'], { cwd: project })
  return { project, undici: version, runs: loads.status === 0 }
}

/** Compiles test/package/consumer.ts in each of these ways, then runs it. */
function checkConsumer({ project, undici, runs }: Consumer): void {
  console.log(`a consumer with undici ${undici}: ${runs ? 'compile and run' : 'compile'}`)
  for (const { options, sources: files, made } of RESOLUTIONS) {
    for (const file of files) copyFileSync(join(root, 'test/package/consumer.ts'), join(project, file))
    const compilerOptions = {
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
      ...options
    }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    bin('typescript/bin/tsc', ['--project', project], project)
    if (runs) for (const file of made) run(process.execPath, [file], project)
  }
}

/** Once the optional peers are there, every subpath loads, and gives both formats the same names. */
function checkSubpaths({ project, undici, runs }: Consumer): void {
  if (!runs) return
  const peers = Object.keys(manifest.peerDependenciesMeta)
  const subpaths = Object.keys(manifest.exports).filter(subpath => subpath !== './package.json')
  console.log(`${subpaths.length} subpaths with undici ${undici}`)
  install(
    project,
    peers.map(peer => `${peer}@${readJson(join(root, 'node_modules', peer, 'package.json')).version}`)
  )
  const script = `
    import assert from 'node:assert/strict'
    import { createRequire } from 'node:module'
    const require = createRequire(process.cwd() + '/project.js')
    for (const subpath of ${JSON.stringify(subpaths)}) {
      const specifier = subpath.replace('.', 'undici-http-cache')
      const names = Object.keys(await import(specifier))
      assert.notEqual(names.length, 0, specifier)
      assert.deepEqual(Object.keys(require(specifier)).sort(), names.sort(), specifier)
    }`
  run(process.execPath, ['--input-type=module', '--eval', script], project)
}

function install(project: string, packages: string[]): void {
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], project)
}

/** Runs a tool of node_modules by its script. */
function bin(script: string, args: string[], cwd: string): void {
  run(process.execPath, [join(root, 'node_modules', script), ...args], cwd)
}

/** Silent unless it fails. */
function run(command: string, args: string[], cwd: string): void {
  const shell = windows && command === 'npm'
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, shell, encoding: 'utf8' })
  if (status === 0) return
  console.error(stdout + stderr)
  throw new Error(`${command} ${args.join(' ')}: exit status ${status}`)
}

function readJson(path: string): { version: string } {
  return JSON.parse(readFileSync(path, 'utf8'))
}
