// An S3 server: one Ceph monitor, one storage daemon in memory and one gateway, all on loopback and in a directory of their
// own. Takes about ten seconds to start, and 300 MB.
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import aws4 from 'aws4'
import { request } from 'undici'

const run = promisify(execFile)
const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin']
const PATH = `${process.env['PATH']}${delimiter}/usr/sbin`
const READY_MS = 60_000

export const credentials = { accessKeyId: 'AK', secretAccessKey: 'SK' }
export const region = 'default'

export interface CephServer extends AsyncDisposable {
  readonly endpoint: string
  makeBucket(name: string): Promise<void>
  /** The uploads of a bucket that are under way, or were left, in XML. */
  listUploads(bucket: string): Promise<string>
}

/** Why there is no server to be had, in one line; undefined where there is. Throws in CI. */
export function whyNoCeph(): string | undefined {
  const missing = PROGRAMS.filter(name => !PATH.split(delimiter).some(folder => existsSync(join(folder, name))))
  if (missing.length === 0) return undefined
  const how = 'apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common'
  const why = `no S3 server (${missing.join(', ')}): ${how}`
  if (process.env['CI']) throw new Error(why)
  return why
}

/** `await using` stops it, and removes the directory; it does not outlive this process either. */
export async function startCeph(): Promise<CephServer> {
  const directory = await mkdtemp(join(tmpdir(), 'ceph-'))
  const [monitorPort, gatewayPort] = await freePorts()
  await Promise.all(['mon', 'osd', 'log'].map(name => mkdir(join(directory, name))))
  const config = join(directory, 'ceph.conf')
  await writeFile(config, configuration(directory, monitorPort, gatewayPort))
  const daemons: Daemon[] = []
  const start = (name: string, ...args: string[]) => daemons.push(startDaemon(name, ['-c', config, ...args]))
  const ceph = (name: string, ...args: string[]) =>
    run(name, ['-c', config, ...args], { env: { ...process.env, PATH } })
  const stop = async () => {
    for (const daemon of daemons.reverse()) await daemon.stop()
    await rm(directory, { recursive: true, force: true })
  }
  const endpoint = `http://127.0.0.1:${gatewayPort}`
  try {
    const keyring = join(directory, 'keyring')
    const monmap = join(directory, 'monmap')
    const everywhere = ['mon', 'osd', 'mgr', 'mds'].flatMap(cap => ['--cap', cap, 'allow *'])
    await run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'])
    for (const name of ['client.admin', 'osd.0', 'client.rgw']) {
      await run('ceph-authtool', [keyring, '--gen-key', '-n', name, ...everywhere])
    }
    const address = `[v2:127.0.0.1:${monitorPort}]`
    await run('monmaptool', ['--create', '--fsid', randomUUID(), '--addv', 'a', address, monmap])
    await ceph('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', keyring)
    start('ceph-mon', '-i', 'a', '-f')
    await ceph('ceph', '--connect-timeout', '30', 'osd', 'create')
    await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', randomUUID())
    start('ceph-osd', '-i', '0', '-f')
    await ceph('ceph', 'osd', 'crush', 'add', '0', '1.0', 'root=default', 'host=localhost')
    const keys = ['--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey]
    await ceph(
      'radosgw-admin',
      '-n',
      'client.rgw',
      'user',
      'create',
      '--uid',
      'test',
      '--display-name',
      'test',
      ...keys
    )
    start('radosgw', '-n', 'client.rgw', '-f')
    await untilReady(endpoint)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    endpoint,
    makeBucket: async name => void (await send(endpoint, 'PUT', `/${name}`)),
    listUploads: name => send(endpoint, 'GET', `/${name}?uploads=`),
    [Symbol.asyncDispose]: stop
  }
}

interface Daemon {
  stop(): Promise<void>
}

/** A process that ends with this one, whatever becomes of it: its guard waits for the end of a pipe. */
function startDaemon(name: string, args: readonly string[]): Daemon {
  const guard = '"$@" </dev/null & pid=$!; read -r line; kill -9 $pid; wait $pid'
  const child = spawn('/bin/sh', ['-c', guard, 'sh', name, ...args], {
    env: { ...process.env, PATH },
    stdio: ['pipe', 'ignore', 'ignore']
  })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  return {
    async stop() {
      child.stdin.end()
      await ended
    }
  }
}

async function untilReady(endpoint: string): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    try {
      const { statusCode, body } = await request(endpoint)
      await body.dump()
      if (statusCode === 200) return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(100)
  }
}

async function send(endpoint: string, method: 'GET' | 'PUT', path: string): Promise<string> {
  const { host } = new URL(endpoint)
  const signer = new aws4.RequestSigner({ service: 's3', region, method, host, path }, credentials)
  const { headers } = signer.sign()
  const { statusCode, body } = await request(endpoint + path, { method, headers: headers as Record<string, string> })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`${method} ${path}: ${statusCode} ${text}`)
  return text
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports = servers.map(
    server =>
      new Promise<number>(resolve => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
      })
  )
  const [first = 0, second = 0] = await Promise.all(ports)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return [first, second]
}

function configuration(directory: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
mon host = [v2:127.0.0.1:${monitorPort}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon max pg per osd = 5000
mon warn on pool no redundancy = false
run dir = ${directory}
log file = ${directory}/log/$name.log
admin socket = ${directory}/$name.asok
pid file = ${directory}/$name.pid
keyring = ${directory}/keyring
[mon]
mon data = ${directory}/mon
mon cluster log file = ${directory}/log/cluster.log
[osd]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
rgw thread pool size = 64
`
}
