// REDIS_STRESS=1 npm test -- stores/redis --test-timeout=900000 tests every serializer with every client on every kind of
// server; VALKEY_SERVER names a valkey-server.
import { createHash } from 'node:crypto'
import { after, before, describe } from 'node:test'
import { deserialize, serialize } from 'node:v8'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis6'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { testStore } from 'undici-http-cache/stores/testing'
import type { Entry } from '../../../lib/rfc9111/types.ts'
import type { Serializer } from '../../../serializers/serializer.ts'
import type { PutOptions } from '../../../stores/store.ts'
import { RedisCluster } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer, redisServer } from '../../support/redis/server.ts'
import { isStress, newNamespace, PATIENT } from '../../support/redis/settings.ts'

/** entries() has digests where the contract suite expects the variant keys that it has put. */
class ListingStore extends RedisStore {
  readonly made: RedisStoreOptions
  readonly #variantKeys = new Map<string, string>()

  constructor(options: RedisStoreOptions) {
    super(options)
    this.made = options
  }

  override put(entry: Entry, options?: PutOptions) {
    const digest = createHash('sha256').update(Buffer.from(entry.variantKey, 'utf16le')).digest('hex')
    this.#variantKeys.set(digest, entry.variantKey)
    return super.put(entry, options)
  }

  override async *entries() {
    for await (const entry of super.entries()) {
      yield { ...entry, variantKey: this.#variantKeys.get(entry.variantKey) ?? entry.variantKey }
    }
  }
}

type Connecting = Pick<RedisStoreOptions, 'url' | 'options' | 'cluster' | 'client'>
type ClientName = 'its own' | 'ioredis 5' | 'ioredis 6'
interface Client {
  disconnect(): void
}

const MAX_VARIANTS = 100
const custom: Serializer<Uint8Array> = {
  name: 'v8',
  encode: record => serialize(record),
  decode: encoded => deserialize(encoded)
}
const messagePack = new MessagePackSerializer()
const json = new JsonBytesSerializer()
const SERIALIZERS = [messagePack, json, custom]
const CLIENTS: readonly ClientName[] = ['its own', 'ioredis 5', 'ioredis 6']

/** What a normal run tests: each kind once. */
const ONE_SERVER = isStress
  ? pairs()
  : [
      ['its own', messagePack],
      ['ioredis 5', custom]
    ]
const IN_CLUSTER = isStress ? pairs() : [['ioredis 6', json]]

function pairs() {
  return CLIENTS.flatMap(client => SERIALIZERS.map(serializer => [client, serializer] as const))
}

describe(`RedisStore, ${redisServer}`, { skip: missingRedis }, () => {
  let server: RedisServer
  before(async () => {
    server = await RedisServer.start()
  })
  after(() => server[Symbol.asyncDispose]())
  for (const [client, serializer] of ONE_SERVER as [ClientName, Serializer<Uint8Array>][]) {
    testRedis('one server', client, serializer, () => ({
      'its own': () => ({ url: server.url, options: PATIENT }),
      'ioredis 5': () => ({ client: new Redis(server.url, { keyPrefix: 'p[?]*:' }) }),
      'ioredis 6': () => ({ client: new Redis6(server.url, { enableAutoPipelining: true }) })
    }))
  }
})

describe(`RedisStore in a cluster, ${redisServer}`, { skip: missingRedis }, () => {
  let cluster: RedisCluster
  before(async () => {
    cluster = await RedisCluster.start()
  })
  after(() => cluster[Symbol.asyncDispose]())
  for (const [client, serializer] of IN_CLUSTER as [ClientName, Serializer<Uint8Array>][]) {
    testRedis('cluster', client, serializer, () => ({
      'its own': () => ({ cluster: cluster.nodes, options: PATIENT }),
      'ioredis 5': () => ({ client: new Cluster(cluster.nodes, { keyPrefix: 'p[?]*:' }) }),
      'ioredis 6': () => ({ client: new Cluster6(cluster.nodes, { keyPrefix: 'p[?]*:' }) })
    }))
  }
})

const valkey = process.env['VALKEY_SERVER']
describe('RedisStore, Valkey', { skip: valkey === undefined && 'VALKEY_SERVER does not name a valkey-server' }, () => {
  let server: RedisServer
  before(async () => {
    server = await RedisServer.start({ program: valkey ?? '' })
  })
  after(() => server[Symbol.asyncDispose]())
  testRedis('one server', 'its own', messagePack, () => ({
    'its own': () => ({ url: server.url, options: PATIENT }),
    'ioredis 5': () => ({ client: new Redis(server.url) }),
    'ioredis 6': () => ({ client: new Redis6(server.url) })
  }))
})

function testRedis(
  servers: string,
  client: ClientName,
  serializer: Serializer<Uint8Array>,
  connecting: () => Record<ClientName, () => Connecting & { readonly client?: Client }>
): void {
  const clients = new WeakMap<object, Client>()
  testStore({
    name: `${servers}, ${client === 'its own' ? 'a connection of its own' : `a client of ${client}`}, ${serializer.name}`,
    variantCount: isStress ? 1000 : 2 * MAX_VARIANTS,
    maxVariants: MAX_VARIANTS,
    create: ({ maxEntrySizeBytes }) => {
      const made = connecting()[client]()
      const options = { ...made, namespace: newNamespace(), serializer, maxEntrySizeBytes, maxVariants: MAX_VARIANTS }
      const store = new ListingStore(options as RedisStoreOptions)
      if (made.client !== undefined) clients.set(store, made.client)
      return store
    },
    reopen: store => new RedisStore((store as ListingStore).made),
    dispose: store => clients.get(store)?.disconnect()
  })
}
