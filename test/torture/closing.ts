// An actor that closes its cache as soon as it has read, and asks another one over the same store for the same.
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { type CacheInfo, type CacheOptions, cacheInterceptor } from 'undici-http-cache'
import type { CacheStore } from '../../stores/store.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
import { describeError } from './model.ts'
import { Random } from './random.ts'

export interface ClosingOptions {
  readonly seed: string
  readonly stores: readonly CacheStore[]
  /** An instance on the same data, with room, to be closed; undefined where there can be none. */
  readonly another: (() => CacheStore) | undefined
  readonly settings: CacheOptions
  /** Whether the store does what it is told. */
  readonly isReliable: boolean
  /** How often everything has been purged; undefined while that is under way. */
  purges(): number | undefined
  violation(what: string): void
}

/** How it closes what it has read by. */
type Closing = 'cache' | 'settled' | 'cache and store' | 'store'

interface Read {
  readonly bytes: Buffer
  readonly info: CacheInfo | undefined
}

export class ClosingActor {
  readonly #options: ClosingOptions
  readonly #origin: Origin
  readonly #agent = new Agent()
  #round = 0

  private constructor(options: ClosingOptions, origin: Origin) {
    this.#options = options
    this.#origin = origin
  }

  static async start(options: ClosingOptions): Promise<ClosingActor> {
    const origin = await startOrigin(({ path }) => ({
      headers: { 'cache-control': 'max-age=86400' },
      body: bodyOf(path),
      chunked: path.endsWith('chunked')
    }))
    return new ClosingActor(options, origin)
  }

  get rounds(): number {
    return this.#round
  }

  /** Goes on until it is told that it is over. */
  async act(isOver: () => boolean): Promise<void> {
    do {
      await this.#one(new Random(this.#options.seed, 'closing', ++this.#round))
      await sleep(20)
    } while (!isOver())
  }

  async close(): Promise<void> {
    await this.#agent.close()
    await this.#origin.close()
  }

  async #one(random: Random): Promise<void> {
    const { stores, another, settings, isReliable, purges, violation } = this.#options
    const closings: readonly Closing[] =
      another === undefined ? ['cache', 'settled'] : ['cache', 'settled', 'cache and store', 'store']
    const closing = random.pick(closings)
    const own = another?.()
    const paths = Array.from({ length: random.between(1, 3) }, (_, i) => {
      const bytes = random.chance(0.2) ? random.between(500_000, 1_500_000) : random.between(0, 150_000)
      return `/${this.#round}-${i}/${bytes}/${random.pick(['length', 'chunked'])}`
    })
    const purgesBefore = purges()
    const cache = cacheInterceptor({ ...settings, store: own ?? random.pick(stores) })
    const first = await Promise.all(paths.map(path => this.#read(cache, path)))
    if (closing === 'settled') await cache.settled()
    else if (closing !== 'store') await cache.close()
    if (closing.includes('store')) await own?.close()
    const later = random.chance(0.5) ? another?.() : undefined
    const next = cacheInterceptor({ ...settings, store: later ?? random.pick(stores) })
    for (const [i, path] of paths.entries()) {
      const { bytes, info } = await this.#read(next, path)
      const what = `round ${this.#round} of those that close at once (${closing}): ${path}`
      if (!bytes.equals(bodyOf(path))) violation(`${what} has other bytes`)
      const wasToBeStored = isReliable && first[i]?.info?.stored === true
      const wasPurged = purgesBefore === undefined || purges() !== purgesBefore
      if (wasToBeStored && !info?.fromCache && !wasPurged) {
        violation(`${what} was read whole, and is not stored: ${JSON.stringify([first[i]?.info, info])}`)
      }
    }
    await Promise.all([cache.close(), next.close()])
    await Promise.all([own?.close(), later?.close()])
  }

  async #read(cache: ReturnType<typeof cacheInterceptor>, path: string): Promise<Read> {
    const dispatcher = this.#agent.compose(cache)
    try {
      const response = await request(this.#origin.url + path, { dispatcher })
      const bytes = Buffer.from(await response.body.arrayBuffer())
      return { bytes, info: cache.info(response) }
    } catch (error) {
      if (this.#options.isReliable) this.#options.violation(`${path} failed: ${describeError(error)}`)
      return { bytes: bodyOf(path), info: undefined }
    }
  }
}

/** '/<what>/<bytes>/<framing>' */
function bodyOf(path: string): Buffer {
  return Buffer.alloc(Number(path.split('/')[2]), path)
}
