/** A fenced block of a Markdown document. */
export interface CodeBlock {
  /** What follows the fence: ts, sh, ... */
  readonly language: string
  readonly code: string
  /** Of its first line, from 1. */
  readonly line: number
  /** The nearest heading above. */
  readonly heading: string
}

export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = []
  let heading = ''
  let open: { language: string; line: number; lines: string[] } | undefined
  markdown.split('\n').forEach((text, index) => {
    const fence = /^```(\w*)$/.exec(text)
    if (open !== undefined && fence !== null) {
      blocks.push({ language: open.language, code: `${open.lines.join('\n')}\n`, line: open.line, heading })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(text)
    } else if (fence !== null) {
      open = { language: fence[1] ?? '', line: index + 2, lines: [] }
    } else {
      heading = /^#+ (.*)$/.exec(text)?.[1] ?? heading
    }
  })
  if (open !== undefined) throw new Error(`the block at line ${open.line} has no end`)
  return blocks
}

/** What stands under a heading, up to the next of its level or above; throws where there is no such heading. */
export function sectionOf(markdown: string, heading: string): string {
  const lines = markdown.split('\n')
  const start = lines.findIndex(line => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (start === -1) throw new Error(`no heading "${heading}"`)
  const level = lines[start]?.indexOf(' ') ?? 0
  const length = lines.slice(start + 1).findIndex(line => /^#+ /.test(line) && line.indexOf(' ') <= level)
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n')
}

/** The body rows of the section's first table, as cells; a `\|` is a part of its cell. */
export function tableRows(section: string): readonly (readonly string[])[] {
  const lines = section.split('\n')
  const first = lines.findIndex(line => line.startsWith('|'))
  if (first === -1) throw new Error('no table')
  const rows = lines.slice(first)
  const length = rows.findIndex(line => !line.startsWith('|'))
  return rows.slice(2, length === -1 ? undefined : length).map(cellsOf)
}

function cellsOf(row: string): string[] {
  return row
    .slice(1, row.lastIndexOf('|'))
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim().replaceAll('\\|', '|'))
}

/** Every `code span` of a text, without its backticks; fenced blocks are left out. */
export function codeSpans(text: string): readonly string[] {
  return [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(match => match[1] ?? '')
}
