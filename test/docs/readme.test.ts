// The README is run: each block of TypeScript becomes a file of a project that depends on this package, is compiled with
// the project's strictness, and run. `// ...` behind a console.log is what it has to print.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import manifest from '../../package.json' with { type: 'json' }
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { startExampleOrigin } from './example-origin.ts'
import { type CodeBlock, codeBlocks } from './markdown.ts'

const root = dirname(dirname(import.meta.dirname))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = codeBlocks(readme)
const programs = blocks.filter(({ language }) => language === 'ts')
/** Programs that need a server which is not installed everywhere. */
const needsRedis = ({ code }: CodeBlock) => code.includes('/stores/redis')
const loopback = pathToFileURL(join(import.meta.dirname, 'loopback.ts')).href

/** Runs the programs one after the other, each with a line before it; what one throws is that one's affair alone. */
const RUNNER = `
for (const file of process.argv.slice(2)) {
  process.stdout.write('=== ' + file + '\\n')
  try {
    await import('./' + file)
  } catch (error) {
    process.stdout.write('threw ' + error.stack + '\\n')
  }
}`

let project: string
/** What each program has printed. */
let printed: ReadonlyMap<string, readonly string[]>

before(async () => {
  project = mkdtempSync(join(tmpdir(), 'readme-'))
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'), 'junction')
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n')
  // The package's name means its sources, as it does in this repository.
  const tsconfig = { extends: join(root, 'tsconfig.json'), include: ['*.ts'] }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(tsconfig))
  writeFileSync(join(project, 'run.mjs'), RUNNER)
  for (const block of programs) writeFileSync(join(project, fileOf(block)), block.code)
  for (const { language, code, line } of codeBlocks(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))) {
    if (language === 'ts') writeFileSync(join(project, `architecture-${line}.ts`), code)
  }
  printed = await runPrograms()
})

after(() => rmSync(project, { recursive: true, force: true }))

describe('the README', () => {
  it('has programs, and shell commands, and nothing else in fences', () => {
    assert.notEqual(programs.length, 0)
    assert.deepEqual(
      blocks.filter(({ language }) => language !== 'ts' && language !== 'sh'),
      []
    )
  })

  it('has programs that compile, as has ARCHITECTURE.md', () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', project])
    assert.equal(status, 0, inReadme(stdout.toString()))
  })

  for (const block of programs) {
    const skip = needsRedis(block) && missingRedis
    it(`has a program under "${block.heading}", line ${block.line}, that prints what its comments say`, {
      skip
    }, () => {
      const expected = block.code.split('\n').flatMap(printedBy)
      const lines = printed.get(fileOf(block))
      if (expected.length > 0) assert.deepEqual(lines, expected)
      else assert.match(lines?.[0] ?? '', /^(?!threw)./, 'prints something, or nobody could tell that it works')
    })
  }

  it('names only npm scripts that exist', () => {
    const names = [...readme.matchAll(/npm (?:run ([\w:]+)|(test))/g)].map(([, script, test]) => script ?? test ?? '')
    assert.deepEqual(
      ['demo', 'test'].filter(name => !names.includes(name)),
      []
    )
    for (const name of names) assert.ok(name in manifest.scripts, name)
  })
})

function fileOf({ line }: CodeBlock): string {
  return `line-${line}.ts`
}

/** The comment behind a console.log; one without a comment is a fault of the README. */
function printedBy(line: string): string[] {
  if (!line.includes('console.log(')) return []
  const comment = /^\s*console\.log\(.*\) \/\/ (.+)$/.exec(line)?.[1]
  assert.ok(comment !== undefined, `${line.trim()} does not say what it prints`)
  return [comment]
}

/** Runs the programs against an origin on loopback, in a process that has to end by itself. */
async function runPrograms(): Promise<ReadonlyMap<string, readonly string[]>> {
  const origin = await startExampleOrigin()
  await using redis = missingRedis === false && programs.some(needsRedis) ? await RedisServer.start() : undefined
  try {
    const runnable = programs.filter(block => redis !== undefined || !needsRedis(block))
    const args = ['--import', 'tsx', '--import', loopback, 'run.mjs', ...runnable.map(fileOf)]
    const env = { ...process.env, EXAMPLE_ORIGIN_PORT: `${origin.port}`, EXAMPLE_REDIS_PORT: `${redis?.port}` }
    const child = spawn(process.execPath, args, { cwd: project, env, timeout: 60_000 })
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    assert.equal(status, 0, inReadme(stdout + stderr))
    return new Map(
      stdout
        .split(/^=== /m)
        .slice(1)
        .map(output => {
          const [file = '', ...lines] = inReadme(output).trimEnd().split('\n')
          return [file, lines]
        })
    )
  } finally {
    await origin.close()
  }
}

/** Messages with README.md and its lines in place of the files made from it. */
function inReadme(messages: string): string {
  return messages.replaceAll(/[^\s(]*line-(\d+)\.ts[:(](\d+)/g, (_, start: string, line: string) => {
    return `README.md:${Number(start) + Number(line) - 1}`
  })
}
