// Real Redis servers on loopback, each on a free port with a folder of its own, stopped by their own pid.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

const READY_WITHIN_MS = 15_000

/** The program that tests start: `REDIS_SERVER` names another, such as valkey-server. */
export const redisServer = process.env['REDIS_SERVER'] ?? 'redis-server'

const isInstalled = spawnSync(redisServer, ['--version']).status === 0
const HOW_TO_INSTALL = `no ${redisServer}: apt-get install -y --no-install-recommends redis-server`

/** For `{ skip }` of what needs a server; false where it is there. Where CI is set, tests run, and fail, without it. */
export const missingRedis: string | false = isInstalled || process.env['CI'] !== undefined ? false : HOW_TO_INSTALL

export interface RedisServerOptions {
  /** Arguments of the server beside those it always gets, such as `['--maxmemory', '20mb']`. */
  readonly args?: readonly string[]
  /** A program other than `redisServer`. */
  readonly program?: string
  /** Ports that its own plus this many must be free as well; a cluster's bus takes 10000 above. */
  readonly port?: number
}

/** One server; what it holds is lost when it stops. */
export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly #args: readonly string[]
  readonly #program: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'redis-'))
  #child: ChildProcess | undefined

  private constructor(port: number, { args = [], program = redisServer }: RedisServerOptions) {
    this.port = port
    this.#args = args
    this.#program = program
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    if (!isInstalled) throw new Error(HOW_TO_INSTALL)
    const server = new RedisServer(options.port ?? (await freePort()), options)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Again, on the same port, once it was killed. */
  async start(): Promise<void> {
    const fixed = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    // A sentinel wants its configuration first.
    const [first = '', ...rest] = this.#args
    const args = first.endsWith('.conf') ? [first, ...rest, ...fixed.slice(0, 4)] : [...fixed, ...this.#args]
    this.#child = spawn(this.#program, args, { cwd: this.#directory, stdio: 'ignore' })
    await this.#ready()
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Runs with a client of its own. */
  async with<T>(run: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url, { maxRetriesPerRequest: 1 })
    client.on('error', () => {})
    try {
      return await run(client)
    } finally {
      client.disconnect()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async #ready(): Promise<void> {
    for (const end = Date.now() + READY_WITHIN_MS; Date.now() < end; await delay(15)) {
      if (this.#child?.exitCode != null) break
      const client = new Redis(this.url, { retryStrategy: () => null, maxRetriesPerRequest: 0, lazyConnect: true })
      client.on('error', () => {})
      try {
        await client.connect()
        await client.ping()
        return
      } catch {
        // Not yet.
      } finally {
        client.disconnect()
      }
    }
    throw new Error(`${this.#program} on port ${this.port} does not answer`)
  }
}

/** A port that is free now, such that a cluster's bus, 10000 above, is one too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as { port: number }
    probe.close()
    await once(probe, 'close')
    // Below what the system hands out by itself, so that nobody else is given it meanwhile.
    const candidate = 10_240 + ((port * 7919 + process.pid * 104_729) % 20_000)
    if ((await isFree(candidate)) && (await isFree(candidate + 10_000))) return candidate
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  const free = new Promise<boolean>(resolve => {
    probe.once('error', () => resolve(false))
    probe.once('listening', () => resolve(true))
  })
  probe.listen(port, '127.0.0.1')
  if (!(await free)) return false
  probe.close()
  await once(probe, 'close')
  return true
}
