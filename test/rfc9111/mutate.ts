// npx tsx test/rfc9111/mutate.ts [file ...] [--list]
//
// Changes one thing at a time in the engine (or in those of its files whose name contains a word given) and runs the
// rules and the unit tests on what comes of it: each change has to fail one of them. Nothing is written: the changed
// sources live in memory, in two processes of their own. Changes that no test can tell from the original, whatever it
// tries, are listed with the reason in mutate-equivalents.json; any other that survives is printed, and is a failure.
import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestBench } from './mutation/bench.ts'
import { type Mutant, mutantsOf } from './mutation/changes.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
const ENGINE = join(HERE, '../../lib/rfc9111')
const EQUIVALENTS = join(HERE, 'mutate-equivalents.json')

const PROCESSES = 2
const TIMEOUT_MS = 20_000

interface Verdict {
  readonly mutant: Mutant
  /** The test that failed, or what else went wrong; undefined: it survived. */
  readonly killedBy: string | undefined
}

/** A process of its own: it runs the tests on each change that it is sent. */
function serve(): void {
  const bench = new TestBench()
  bench.firstFailure()
  process.on('message', ({ file, text }: Mutant) => {
    let killedBy: string | undefined
    try {
      killedBy = bench.firstFailure(join(ENGINE, file), text)
    } catch (error) {
      killedBy = `compiling: ${error}`
    }
    process.send?.({ killedBy })
  })
  process.send?.('ready')
}

async function judgeAll(mutants: readonly Mutant[]): Promise<Verdict[]> {
  const queue = [...mutants]
  const verdicts: Verdict[] = []
  const work = async () => {
    let child = await start()
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const killedBy = await ask(child, mutant)
      verdicts.push({ mutant, killedBy })
      if (!child.connected || child.killed) child = await start()
      if (verdicts.length % 100 === 0) console.error(`${verdicts.length} of ${mutants.length}`)
    }
    child.disconnect()
  }
  await Promise.all(Array.from({ length: PROCESSES }, work))
  return verdicts
}

function start(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return new Promise((ready, fail) => {
    child.once('message', () => {
      child.removeAllListeners()
      ready(child)
    })
    child.once('exit', code => fail(new Error(`the process that runs the tests ended with ${code}`)))
  })
}

function ask(child: ChildProcess, mutant: Mutant): Promise<string | undefined> {
  return new Promise(done => {
    const settle = (killedBy: string | undefined) => {
      clearTimeout(timer)
      child.removeAllListeners()
      done(killedBy)
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      settle('running for ever')
    }, TIMEOUT_MS)
    child.once('message', ({ killedBy }: { killedBy?: string }) => settle(killedBy))
    child.once('exit', () => settle('breaking down'))
    child.send(mutant)
  })
}

async function main(args: readonly string[]): Promise<number> {
  const wanted = args.filter(argument => !argument.startsWith('-'))
  const files = readdirSync(ENGINE).filter(
    name => name.endsWith('.ts') && (wanted.length === 0 || wanted.some(word => name.includes(word)))
  )
  const failure = new TestBench().firstFailure()
  if (failure !== undefined) {
    console.error(`without any change this test fails: ${failure}`)
    return 1
  }
  const mutants = files.flatMap(file => mutantsOf(file, readFileSync(join(ENGINE, file), 'utf8')))
  const verdicts = await judgeAll(mutants)

  const reasons: Record<string, string> = JSON.parse(readFileSync(EQUIVALENTS, 'utf8'))
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined).map(({ mutant }) => mutant)
  const unexplained = survivors.filter(({ id }) => reasons[id] === undefined)
  const outdated = Object.keys(reasons).filter(
    id => files.includes(basename(id.slice(0, id.indexOf(' ')))) && !survivors.some(mutant => mutant.id === id)
  )
  if (args.includes('--list')) {
    for (const { mutant, killedBy } of verdicts) console.log(`${mutant.id}\t${killedBy ?? 'survives'}`)
  }
  for (const { id, line } of unexplained) console.log(`survives, line ${line}: ${id}`)
  for (const id of outdated) console.log(`listed as equivalent, but killed or gone: ${id}`)
  const killed = verdicts.length - survivors.length
  const equivalent = survivors.length - unexplained.length
  console.log(`${verdicts.length} changes: ${killed} killed, ${equivalent} equivalent, ${unexplained.length} survived`)
  return unexplained.length + outdated.length === 0 ? 0 : 1
}

if (process.argv.includes('--serve')) serve()
else process.exitCode = await main(process.argv.slice(2))
