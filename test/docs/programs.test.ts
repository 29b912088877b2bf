// The documentation is run: each block of TypeScript becomes a file of a project that depends on this package, is compiled
// with the project's strictness, and run. `// ...` behind a console.log is what it has to print.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import manifest from '../../package.json' with { type: 'json' }
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { documents, root, sourceText } from './documents.ts'
import { startExampleOrigin } from './example-origin.ts'
import { type CodeBlock, codeBlocks } from './markdown.ts'

interface Block extends CodeBlock {
  /** The document that it stands in. */
  readonly document: string
}

const blocks = documents().flatMap(document =>
  codeBlocks(sourceText(document)).map((block): Block => ({ ...block, document }))
)
/** Where programs are tests, which a test runner runs; they are compiled alone. */
const NOT_RUN = 'docs/writing-a-store.md'
const compiled = blocks.filter(({ language }) => language === 'ts')
const programs = compiled.filter(({ document }) => document !== NOT_RUN)
/** Programs that need a server which is not installed everywhere. */
const needsRedis = ({ code }: CodeBlock) => code.includes('/stores/redis')
const loopback = pathToFileURL(join(import.meta.dirname, '../support/loopback.ts')).href

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
  const port = await freePort() // for the servers that programs start
  for (const block of compiled) writeFileSync(join(project, fileOf(block)), block.code.replaceAll('8080', `${port}`))
  printed = await runPrograms()
})

after(() => rmSync(project, { recursive: true, force: true }))

describe('the documentation', () => {
  it('has programs, and shell commands, and nothing else in fences', () => {
    assert.ok(programs.some(({ document }) => document === 'README.md'))
    assert.ok(programs.some(({ document }) => document === 'docs/recipes.md'))
    assert.deepEqual(
      blocks.filter(({ language }) => language !== 'ts' && language !== 'sh'),
      []
    )
  })

  it('has programs that compile', () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', project])
    assert.equal(status, 0, inDocument(stdout.toString()))
  })

  for (const block of programs) {
    const skip = needsRedis(block) && missingRedis
    it(`has a program in ${block.document}, line ${block.line}, that prints what its comments say`, {
      skip
    }, () => {
      const expected = block.code.split('\n').flatMap(printedBy)
      const lines = printed.get(fileOf(block))
      if (expected.length > 0) assert.deepEqual(lines, expected)
      else assert.match(lines?.[0] ?? '', /^(?!threw)./, 'prints something, or nobody could tell that it works')
    })
  }

  it('names only npm scripts that exist', () => {
    const text = documents().map(sourceText).join('\n')
    const names = [...text.matchAll(/npm (?:run ([\w:]+)|(test))/g)].map(([, script, test]) => script ?? test ?? '')
    assert.deepEqual(
      ['demo', 'test'].filter(name => !names.includes(name)),
      []
    )
    for (const name of names) assert.ok(name in manifest.scripts, name)
  })
})

/** docs/stores/file.md becomes docs-stores-file.md-line-12.ts. */
function fileOf({ document, line }: Block): string {
  return `${document.replaceAll('/', '-')}-line-${line}.ts`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The comment behind a console.log; one without a comment is a fault of the document. */
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
    const child = spawn(process.execPath, args, { cwd: project, env, timeout: 90_000 })
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    assert.equal(status, 0, inDocument(stdout + stderr))
    return new Map(
      stdout
        .split(/^=== /m)
        .slice(1)
        .map(output => {
          const [file = '', ...lines] = inDocument(output).trimEnd().split('\n')
          return [file, lines]
        })
    )
  } finally {
    await origin.close()
  }
}

/** Messages with the documents and their lines in place of the files made from them. */
function inDocument(messages: string): string {
  return messages.replaceAll(/[^\s(/]*-line-(\d+)\.ts[:(](\d+)/g, (file, start: string, line: string) => {
    return `${file.replace(/-line-.*/, '')}:${Number(start) + Number(line) - 1}`
  })
}
