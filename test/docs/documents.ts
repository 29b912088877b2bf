// The documents of the project, and the texts of its files.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const root = dirname(dirname(import.meta.dirname))

/** README.md, ARCHITECTURE.md, SECURITY.md, and everything in docs/. */
export function documents(): readonly string[] {
  const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.md'))
    .map(file => `docs/${file.replaceAll('\\', '/')}`)
  return ['README.md', 'ARCHITECTURE.md', 'SECURITY.md', ...pages.sort()]
}

export function sourceText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
