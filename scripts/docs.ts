// npm run docs [-- --check]
//
// Writes the tables of the documentation that are made from the sources, each between its two markers:
//   <!-- reasons -->
//   ...
//   <!-- /reasons -->
// With --check it writes nothing, and fails where a table is stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES, REASONS } from 'undici-http-cache'

const root = dirname(import.meta.dirname)

interface Table {
  readonly file: string
  /** Of its markers. */
  readonly name: string
  readonly make: () => string
}

const TABLES: readonly Table[] = [
  { file: 'docs/reasons.md', name: 'reasons', make: reasons },
  { file: 'docs/errors.md', name: 'errors', make: errors }
]

/** The documents whose tables are stale, with their text as it should be. */
export function staleDocuments(): ReadonlyMap<string, string> {
  const stale = new Map<string, string>()
  for (const { file, name, make } of TABLES) {
    const before = stale.get(file) ?? readFileSync(join(root, file), 'utf8')
    const after = between(before, name, make())
    if (after !== before) stale.set(file, after)
  }
  return stale
}

function between(text: string, name: string, content: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const start = text.indexOf(open)
  const end = text.indexOf(close)
  if (start === -1 || end < start) throw new Error(`no place for ${name}`)
  return `${text.slice(0, start + open.length)}\n${content}\n${text.slice(end)}`
}

/** In the order of the table; the sections link to the RFCs. */
function reasons(): string {
  const rows = Object.entries(REASONS).map(
    ([reason, { outcomes, section, meaning }]) =>
      `| \`${reason}\` | ${outcomes.join(', ')} | ${section ?? ''} | ${meaning.replaceAll('|', '\\|')} |`
  )
  return ['| Reason | Outcome | Section | Meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function errors(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
  return ['| Code | Where, and what it means |', '|---|---|', ...rows].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stale = staleDocuments()
  const isCheck = process.argv.includes('--check')
  for (const [file, text] of stale) {
    if (!isCheck) writeFileSync(join(root, file), text)
    console.log(`${file} ${isCheck ? 'is stale: npm run docs' : 'written'}`)
  }
  if (isCheck && stale.size > 0) process.exitCode = 1
}
