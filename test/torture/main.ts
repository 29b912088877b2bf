// npm run torture [-- --seed X] [--store memory] [--exchanges 5000] [--actors 24] [--runs 1] [--only 17]
//
// Random exchanges through two caches over one store (all stores by default, one after the other), each held to the model:
// a violation is printed with the seed, the exchange and its plan. The same seed gives the same plans; what coincides with
// what is up to the machine. `--runs`: so many seeds, the first given or random. `--only`: that exchange alone.
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { STORE_NAMES, type StoreName, whyNot } from './stores.ts'
import { torture } from './torture.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    store: { type: 'string', multiple: true },
    exchanges: { type: 'string', default: '5000' },
    actors: { type: 'string', default: '24' },
    runs: { type: 'string', default: '1' },
    only: { type: 'string' },
    tally: { type: 'boolean', default: false }
  }
})
const names = (values.store ?? STORE_NAMES) as readonly StoreName[]
for (const name of names) {
  if (STORE_NAMES.includes(name)) continue
  console.error(`no store ${name}: there are ${STORE_NAMES.join(', ')}`)
  process.exit(2)
}
let violations = 0
for (let run = 0; run < Number(values.runs); run++) {
  const seed = run === 0 && values.seed !== undefined ? values.seed : randomUUID().slice(0, 8)
  for (const store of names) violations += await tortured(seed, store)
}
process.exitCode = violations > 0 ? 1 : 0

async function tortured(seed: string, store: StoreName): Promise<number> {
  const why = whyNot(store)
  if (why !== undefined) {
    console.log(`${store}: skipped, ${why}`)
    return 0
  }
  process.stdout.write(`${store}, --seed ${seed}: `)
  const only = values.only === undefined ? {} : { only: Number(values.only) }
  const options = { seed, store, exchanges: Number(values.exchanges), actors: Number(values.actors), ...only }
  const report = await torture(options)
  const { exchanges, seconds } = report
  console.log(`${exchanges} exchanges in ${seconds.toFixed(1)} s, ${report.violations.length} violations`)
  for (const violation of report.violations) console.log(`\n${violation}`)
  if (values.tally) for (const [what, count] of [...report.tally].sort()) console.log(`  ${count} ${what}`)
  return report.violations.length
}
