/** Colours only for people who see them: https://no-color.org */
const hasColours = process.stdout.isTTY && !process.env['NO_COLOR']

export const bold = paint(1, 22)
export const dim = paint(2, 22)
export const green = paint(32, 39)
export const yellow = paint(33, 39)

function paint(on: number, off: number): (text: string) => string {
  return text => (hasColours ? `\x1b[${on}m${text}\x1b[${off}m` : text)
}

export interface Column {
  readonly title: string
  readonly width: number
  readonly align?: 'left' | 'right'
}

/** A table that is printed row by row, as the rows come about. */
export class Table {
  readonly #columns: readonly Column[]

  constructor(columns: readonly Column[]) {
    this.#columns = columns
  }

  printHead(): void {
    this.printRow(
      this.#columns.map(({ title }) => title),
      bold
    )
    console.log(dim(this.#columns.map(({ width }) => '─'.repeat(width)).join('  ')))
  }

  printRow(cells: readonly string[], paint = (text: string) => text): void {
    const padded = this.#columns.map(({ width, align }, i) => {
      const cell = cells[i] ?? ''
      return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
    })
    console.log(paint(padded.join('  ').trimEnd()))
  }
}
