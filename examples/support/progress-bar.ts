const WIDTH = 40

/** A bar on one line of a terminal; elsewhere, one line for each quarter. */
export class ProgressBar {
  readonly #total: number
  #done = 0
  #shownPercent = 0

  constructor(total: number) {
    this.#total = total
  }

  advance(bytes: number): void {
    this.#done += bytes
    const percent = Math.floor((100 * this.#done) / this.#total)
    const step = process.stdout.isTTY ? 1 : 25
    if (percent < this.#shownPercent + step) return
    this.#shownPercent = percent
    const filled = Math.round((WIDTH * percent) / 100)
    const line = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${`${percent}`.padStart(3)} %`
    process.stdout.write(process.stdout.isTTY ? `\r${line}${percent === 100 ? '\n' : ''}` : `${line}\n`)
  }
}
