/** Something to time. */
export interface Subject {
  readonly name: string
  /** Does one operation, or as many as `operations` says. */
  run(): Promise<unknown>
  readonly operations?: number
}

export interface Comparison {
  /** Microseconds an operation, the median of the rounds. */
  readonly medians: ReadonlyMap<string, number>
  /** Microseconds an operation, in each round. */
  readonly rounds: ReadonlyMap<string, readonly number[]>
  /** The last subject's median divided by the first's: how many times faster the first is. */
  readonly ratio: number
}

/** Times subjects in turn, round after round, so that a drift of the machine meets them all alike. */
export async function compare(
  subjects: readonly Subject[],
  { rounds, iterations }: { rounds: number; iterations: number }
): Promise<Comparison> {
  const times = new Map<string, number[]>(subjects.map(({ name }) => [name, []]))
  for (const subject of subjects) await timed(subject, Math.ceil(iterations / 2))
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) times.get(subject.name)?.push(await timed(subject, iterations))
  }
  const medians = new Map([...times].map(([name, values]) => [name, median(values)]))
  const [first = Number.NaN] = medians.values()
  const last = [...medians.values()].at(-1) ?? Number.NaN
  return { medians, rounds: times, ratio: last / first }
}

async function timed(subject: Subject, iterations: number): Promise<number> {
  const start = process.hrtime.bigint()
  for (let i = 0; i < iterations; i++) await subject.run()
  return Number(process.hrtime.bigint() - start) / 1000 / iterations / (subject.operations ?? 1)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]]
  return (low + high) / 2
}
