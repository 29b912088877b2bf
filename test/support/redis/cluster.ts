// A cluster of three servers, and a master with a replica that a Sentinel watches over.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { RedisServer } from './server.ts'

const SLOTS = 16_384
const WITHIN_MS = 20_000

/** Three masters with a third of the slots each. */
export class RedisCluster implements AsyncDisposable {
  readonly servers: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers
  }

  static async start(): Promise<RedisCluster> {
    const args = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no']
    const servers: RedisServer[] = []
    for (let i = 0; i < 3; i++) servers.push(await RedisServer.start({ args }))
    const cluster = new RedisCluster(servers)
    await cluster.#join()
    return cluster
  }

  /** For `cluster` of a store, and for ioredis. */
  get nodes(): { readonly host: string; readonly port: number }[] {
    return this.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]()
  }

  async #join(): Promise<void> {
    const [first] = this.servers
    const share = Math.ceil(SLOTS / this.servers.length)
    for (const [i, server] of this.servers.entries()) {
      await server.with(async client => {
        await client.cluster('ADDSLOTSRANGE', i * share, Math.min(SLOTS, (i + 1) * share) - 1)
        await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
        if (server !== first && first !== undefined) await client.cluster('MEET', '127.0.0.1', first.port)
      })
    }
    for (const server of this.servers) await server.with(client => until(() => this.#isWhole(client)))
  }

  async #isWhole(client: Redis): Promise<boolean> {
    const info = String(await client.cluster('INFO'))
    const nodes = String(await client.cluster('NODES'))
    return info.includes('cluster_state:ok') && nodes.match(/ connected \d/g)?.length === this.servers.length
  }
}

export const MASTER_NAME = 'cache'

/** A master, a replica of it, and one Sentinel, which promotes the replica where the master has been silent for half a
 * second. */
export class SentinelPair implements AsyncDisposable {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinel: RedisServer
  readonly #directory: string

  private constructor(master: RedisServer, replica: RedisServer, sentinel: RedisServer, directory: string) {
    this.master = master
    this.replica = replica
    this.sentinel = sentinel
    this.#directory = directory
  }

  static async start(): Promise<SentinelPair> {
    const master = await RedisServer.start()
    const replica = await RedisServer.start({ args: ['--replicaof', `127.0.0.1 ${master.port}`] })
    const directory = mkdtempSync(join(tmpdir(), 'sentinel-'))
    const configuration = join(directory, 'sentinel.conf')
    const lines = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 500`,
      `sentinel failover-timeout ${MASTER_NAME} 3000`
    ]
    writeFileSync(configuration, `${lines.join('\n')}\n`)
    const sentinel = await RedisServer.start({ args: [configuration, '--sentinel'] })
    const pair = new SentinelPair(master, replica, sentinel, directory)
    await sentinel.with(client =>
      until(async () => String(await client.call('SENTINEL', 'MASTER', MASTER_NAME)).includes('num-slaves,1'))
    )
    await replica.with(client => until(async () => (await client.info()).includes('master_link_status:up')))
    return pair
  }

  /** What ioredis finds the master by. */
  get options(): { readonly sentinels: { host: string; port: number }[]; readonly name: string } {
    return { sentinels: [{ host: '127.0.0.1', port: this.sentinel.port }], name: MASTER_NAME }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.sentinel, this.replica, this.master]) await server[Symbol.asyncDispose]()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Asks again until it is so. */
export async function until(condition: () => Promise<boolean>, withinMs = WITHIN_MS): Promise<void> {
  for (const end = Date.now() + withinMs; !(await condition()); await delay(30)) {
    if (Date.now() > end) throw new Error(`not so within ${withinMs} ms: ${condition}`)
  }
}
