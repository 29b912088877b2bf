// The package as it would be published.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { SOURCES } from './public-tests.ts'

const root = dirname(import.meta.dirname)
const directory = join(root, 'node_modules/.cache/packed')
/** What the tarball is made of, and what makes it. */
const FILES = [
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'tsup.config.ts'],
  ...['README.md', 'CHANGELOG.md', 'ARCHITECTURE.md', 'SECURITY.md']
]

/** Builds and packs the package; its tarball. One that was made of the same files is used again. */
export function packPackage(): string {
  const name = `undici-http-cache-${manifest.version}.tgz`
  const made = join(directory, digestOfFiles())
  if (!existsSync(join(made, name))) {
    const before = existsSync(directory) ? readdirSync(directory).map(name => join(directory, name)) : []
    const unfinished = mkdtempSync(join(tmpdir(), 'undici-http-cache-'))
    const args = ['pack', '--pack-destination', unfinished] // builds first: see "prepack"
    const shell = process.platform === 'win32'
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', shell })
    if (status !== 0) throw new Error(`npm pack: ${stdout}${stderr}`)
    for (const each of before) rmSync(each, { recursive: true, force: true })
    cpSync(unfinished, made, { recursive: true })
    rmSync(unfinished, { recursive: true })
  }
  return join(made, name)
}

function digestOfFiles(): string {
  const sources = [...SOURCES, 'docs'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
  )
  const hash = createHash('sha256')
  for (const file of [...FILES.map(name => join(root, name)), ...sources].sort()) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex').slice(0, 16)
}
