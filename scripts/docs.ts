// Fills the generated tables of docs/ from the sources: `npm run docs` writes them, `npm run docs -- --check` fails where
// one is out of date. A document says where a table goes by `<!-- generated: name ... -->` and `<!-- /generated -->`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { REASONS } from '../interceptors/outcome/reasons.ts'
import { ERROR_CODES } from '../lib/errors.ts'

const root = dirname(import.meta.dirname)
const REGION = /(<!-- generated: (.+) -->\n)[\s\S]*?(<!-- \/generated -->)/g

const TABLES: Readonly<Record<string, (...args: string[]) => string>> = {
  options: optionsTable,
  reasons: reasonsTable,
  errors: errorsTable,
  departures: departuresTable,
  sections: sectionsTable,
  conformance: conformanceTable
}

/** The documents whose generated tables are out of date, with their text as it should be. */
export function staleDocuments(): ReadonlyMap<string, string> {
  const stale = new Map<string, string>()
  for (const file of readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.md')) continue
    const path = `docs/${file.replaceAll('\\', '/')}`
    const text = filled(read(path))
    if (text !== read(path)) stale.set(path, text)
  }
  return stale
}

/** Throws for a table that does not exist. */
function filled(document: string): string {
  return document.replaceAll(REGION, (_, start: string, call: string, end: string) => {
    const [name = '', ...args] = call.split(' ')
    const make = TABLES[name]
    if (make === undefined) throw new Error(`there is no table ${name}`)
    return `${start}${make(...args)}\n${end}`
  })
}

function optionsTable(path = '', name = ''): string {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
  const declaration = file.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name
  )
  if (declaration === undefined) throw new Error(`no interface ${name} in ${path}`)
  const rows = declaration.members.filter(ts.isPropertySignature).map(member => {
    const documentation = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc)
    if (documentation?.comment === undefined) throw new Error(`${path}: ${member.name.getText()} has no docstring`)
    const fallback = documentation.tags?.find(tag => tag.tagName.text === 'default')
    return [
      code(member.name.getText()),
      code(typeOf(member)),
      oneLine(fallback?.comment),
      oneLine(documentation.comment)
    ]
  })
  return table(['Option', 'Type', 'Default', 'Meaning'], rows)
}

/** The type as it is written, without `readonly`. */
function typeOf({ name, type }: ts.PropertySignature): string {
  if (type === undefined) throw new Error(`${name.getText()} has no type`)
  return type.getText().replaceAll('readonly ', '').replaceAll(/\s+/g, ' ')
}

function reasonsTable(): string {
  const rows = Object.entries(REASONS).map(([reason, { outcomes, section, meaning }]) => [
    code(reason),
    outcomes.join(', '),
    section === undefined ? '' : withRfc(section),
    meaning
  ])
  return table(['Reason', 'Outcome', 'Section', 'Meaning'], rows)
}

function errorsTable(): string {
  const rows = Object.entries(ERROR_CODES).map(([name, meaning]) => [code(name), meaning])
  return table(['Code', 'Where, and what it means'], rows)
}

/** A departure is a comment that begins with its mark, and goes on to its end or the next mark. */
function departuresTable(): string {
  const mark = /(?<mark>(?:Stricter than|Laxer than|Not implemented) \(?(?:RFC \d+ )?§[\d.]*\d)\)?: (?<text>[^\n]*)/g
  const rows = sources().flatMap(path =>
    comments(path).flatMap(comment => {
      const marks = comment.replaceAll(/ (?=(?:Stricter than|Laxer than|Not implemented) \(?(?:RFC \d+ )?§)/g, '\n')
      return [...marks.matchAll(mark)].map(({ groups }) => [
        groups?.['mark'] ?? '',
        code(path),
        capitalised(groups?.['text'] ?? '')
      ])
    })
  )
  return table(['Mark', 'File', 'What, and why'], rows.sort(bySection))
}

/** Which files cite which section. A bare § is of RFC 9111. */
function sectionsTable(): string {
  const files = new Map<string, Set<string>>()
  for (const path of sources()) {
    for (const [, rfc, section = ''] of comments(path)
      .join('\n')
      .matchAll(/(?:RFC (\d+) )?§(\d[\d.]*)/g)) {
      const name = `RFC ${rfc ?? '9111'} §${section.replace(/\.$/, '')}`
      files.set(name, (files.get(name) ?? new Set()).add(path))
    }
  }
  const rows = [...files].map(([section, paths]) => [section, [...paths].map(code).join(', ')])
  return table(['Section', 'Files'], rows.sort(bySection))
}

function conformanceTable(): string {
  const kinds = ['required', 'optimal', 'check'] as const
  const rows = [
    ['private', 'private'],
    ['private, default options', 'private-defaults'],
    ['shared', 'shared'],
    ['shared, default options', 'shared-defaults'],
    ['shared, with a target list', 'shared-cdn']
  ].map(([cache = '', name]) => {
    const { totals } = JSON.parse(read(`test/conformance/results/${name}.json`))
    return [cache, ...kinds.map(kind => `${totals[kind].passed} of ${totals[kind].run}`)]
  })
  return table(['Cache', ...kinds.map(capitalised)], rows)
}

/** The sources of the package, by path from the root. */
function sources(): readonly string[] {
  return ['lib', 'interceptors', 'stores', 'serializers'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts'))
      .map(file => `${folder}/${file.replaceAll('\\', '/')}`)
      .sort()
  )
}

/** The comments of a file, each in one line; neighbouring line comments are one. */
function comments(path: string): readonly string[] {
  const blocks = read(path).matchAll(/\/\*\*([\s\S]*?)\*\/|(?:^[ \t]*\/\/.*\n)+/gm)
  return [...blocks].map(([text, block]) =>
    (block ?? text)
      .replaceAll(/^\s*(?:\/\/|\*) ?/gm, '')
      .replaceAll(/\s+/g, ' ')
      .trim()
  )
}

function bySection([a = '']: readonly string[], [b = '']: readonly string[]): number {
  const key = (cell: string) => (/RFC/.test(cell) ? cell : cell.replace('§', 'RFC 9111 §'))
  const [left, right] = [key(a), key(b)].map(cell => cell.slice(cell.indexOf('RFC')))
  return (left ?? '').localeCompare(right ?? '', 'en', { numeric: true })
}

function withRfc(section: string): string {
  return section.startsWith('§') ? `RFC 9111 ${section}` : section
}

function oneLine(comment: string | ts.NodeArray<ts.JSDocComment> | undefined): string {
  return (ts.getTextOfJSDocComment(comment) ?? '').replaceAll(/\s+/g, ' ').trim()
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

function code(text: string): string {
  return `\`${text}\``
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows.map(row => row.map(cell => cell.replaceAll('|', '\\|')))]
  return lines.map((cells, i) => (i === 1 ? `|${cells.join('|')}|` : `| ${cells.join(' | ')} |`)).join('\n')
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const check = process.argv.includes('--check')
  for (const [path, text] of staleDocuments()) {
    if (!check) writeFileSync(join(root, path), text)
    process.stdout.write(`${path} ${check ? 'is out of date: npm run docs' : 'is written'}\n`)
    if (check) process.exitCode = 1
  }
}
