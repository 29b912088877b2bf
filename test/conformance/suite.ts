// A checkout of https://github.com/http-tests/cache-tests: its tests, its engine, and how it reads a result.
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { register } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** `browser` is the suite's name for a private cache behind fetch, `proxy` for everything else. */
export type Mode = 'browser' | 'proxy'
export type CacheType = 'private' | 'shared'
/** `true`, or an error's name and message. */
export type Result = true | readonly [name: string, message: string]
export type Results = Readonly<Record<string, Result>>

export const STATUSES = ['pass', 'fail', 'dependency', 'setup', 'retry', 'harness', 'skipped'] as const
export type Status = (typeof STATUSES)[number]

/** How the suite shows each status; what a kind shows otherwise is in `symbolOf`. */
const SYMBOLS: Readonly<Record<Status, string>> = {
  pass: '✅',
  fail: '⛔️',
  dependency: '⚪️',
  setup: '🔹',
  retry: '↻',
  harness: '⁉️',
  skipped: '-'
}

/** What a test asks: conformance, reuse that a cache may do, or a question; apart for caches in front of an origin. */
export const KINDS = ['required', 'optimal', 'check', 'cdn-required', 'cdn-optimal', 'cdn-check'] as const
export type Kind = (typeof KINDS)[number]

export interface Test {
  readonly id: string
  readonly name: string
  readonly kind?: 'required' | 'optimal' | 'check'
  readonly depends_on?: readonly string[]
  readonly browser_only?: boolean
  readonly browser_skip?: boolean
  readonly cdn_only?: boolean
  /** Prints each message. */
  dump?: boolean
}

type Fetch = (url: string, init: object) => Promise<unknown>
type Handler = (path: string[], request: IncomingMessage, response: ServerResponse) => void

export class Suite {
  readonly directory: string
  readonly tests: ReadonlyMap<string, Test>

  private constructor(directory: string, tests: readonly Test[]) {
    this.directory = directory
    this.tests = new Map(tests.map(test => [test.id, test]))
  }

  /** `undefined` where the directory holds no checkout. */
  static async load(directory: string): Promise<Suite | undefined> {
    if (!existsSync(join(directory, 'test-engine'))) return undefined
    register('./hooks.mjs', import.meta.url, { data: pathToFileURL(directory).href })
    const { default: groups } = await import(pathToFileURL(join(directory, 'tests/index.mjs')).href)
    return new Suite(
      directory,
      groups.flatMap((group: { tests: Test[] }) => group.tests)
    )
  }

  /** Runs tests through a fetch, `chunk` of them side by side, against an origin of the suite's own. */
  async run(tests: readonly Test[], fetch: Fetch, mode: Mode, chunk: number): Promise<Results> {
    const load = (path: string) => import(pathToFileURL(join(this.directory, 'test-engine', path)).href)
    const [runner, config, test, state] = await Promise.all([
      load('client/runner.mjs'),
      load('server/handle-config.mjs'),
      load('server/handle-test.mjs'),
      load('server/handle-state.mjs')
    ])
    const origin = await startOrigin({ config: config.default, test: test.default, state: state.default })
    try {
      Object.assign(globalThis, { fetch }) // the suite takes it from there
      await runner.runTests([{ tests }], mode === 'browser', origin.base, chunk)
      return runner.getResults()
    } finally {
      await origin.close()
    }
  }

  /** As cache-tests.fyi does, a test whose dependency did not pass says nothing, unless `alone`. */
  statusOf(id: string, results: Results, alone = false): Status {
    const result = results[id]
    if (result === undefined) return 'skipped'
    const dependencies = alone ? [] : (this.tests.get(id)?.depends_on ?? [])
    if (dependencies.some(other => this.statusOf(other, results) !== 'pass')) return 'dependency'
    if (result === true) return 'pass'
    const [name, message] = result
    if (name === 'Setup') return message === 'retry' ? 'retry' : 'setup'
    return name === 'AbortError' ? 'harness' : 'fail'
  }

  /** The symbol with which the suite shows a status: one that is not required is not wrong. */
  symbolOf(id: string, status: Status): string {
    const kind = this.tests.get(id)?.kind
    if (kind === 'check' && status === 'pass') return 'Y'
    if (kind === 'check' && status === 'fail') return 'N'
    return kind === 'optimal' && status === 'fail' ? '⚠️' : SYMBOLS[status]
  }
}

/** The suite's rule is by mode alone; a private cache in proxy mode leaves out what is said of shared caches only. */
export function applies(test: Test, mode: Mode, type: CacheType): boolean {
  if (mode === 'browser') return !test.cdn_only && !test.browser_skip
  if (type === 'private' && (test.cdn_only || /\bshared\b/i.test(test.name))) return false
  return !test.browser_only
}

export function kindOf(test: Test): Kind {
  const kind = test.kind ?? 'required'
  return test.cdn_only ? `cdn-${kind}` : kind
}

/** The suite's own server listens on every interface and a fixed port; this one on a free port of loopback. */
async function startOrigin(handlers: Record<string, Handler>): Promise<{ base: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const [name = '', ...rest] = (request.url ?? '').replace(/\?.*/, '').split('/').slice(1)
    const handler = handlers[name]
    if (handler === undefined) response.writeHead(404).end()
    else handler(rest, request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    base: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    }
  }
}
