// Packages of the registry that only some runs need. They are kept in node_modules/.cache.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The undici 8 of the tests. As a dependency it would make `npm ci` warn on Node 20, on which it does not load. */
const UNDICI_8 = '8.13.1'

const root = dirname(import.meta.dirname)

/** The folder of undici: '7' is the one of package.json, '8' the one above, anything else an exact version. */
export function undiciPackage(version: string): string {
  if (version === '7') return join(root, 'node_modules/undici')
  return fetchPackage('undici', version === '8' ? UNDICI_8 : version)
}

/** Its exact version. */
export function undiciVersion(version: string): string {
  return JSON.parse(readFileSync(join(undiciPackage(version), 'package.json'), 'utf8')).version
}

/** The program of a major version of Node: its newest release, or the running one where that is one. */
export function nodeBinary(major: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const windows = process.platform === 'win32'
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`
  return join(fetchPackage(name, major), windows ? 'bin/node.exe' : 'bin/node')
}

/** The folder of a package, fetched the first time. */
export function fetchPackage(name: string, version: string): string {
  const directory = join(root, 'node_modules/.cache/registry', `${name}@${version}`)
  const fetched = join(directory, 'node_modules', name)
  if (!existsSync(fetched)) {
    mkdirSync(directory, { recursive: true })
    const args = ['install', '--prefix', directory, '--no-save', '--no-audit', '--no-fund', `${name}@${version}`]
    const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' })
    if (status !== 0) throw new Error(`npm install ${name}@${version}: ${stderr}`)
  }
  return fetched
}
