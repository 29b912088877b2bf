// Thousands of random exchanges through caches over one store, each held to the model.
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { type CacheInterceptor, cacheInterceptor } from 'undici-http-cache'
import { exchangeOf, fieldsOf, type Seen } from './client.ts'
import { ClosingActor } from './closing.ts'
import { leaksSince, resourcesNow } from './leaks.ts'
import { describeError, Model } from './model.ts'
import { identityFor, TortureOrigin } from './origin.ts'
import { groupAt, type Plan, planOf } from './plan.ts'
import { Queue } from './queue.ts'
import { Random } from './random.ts'
import { type CacheType, resourcesOf } from './resource.ts'
import { openStores, type StoreName } from './stores.ts'
import { Wire } from './wire.ts'

const CACHES = 2
const RESOURCES = 12
/** The caches' clock runs faster, so that a second of freshness goes by in the midst of things. */
const CLOCK_SPEED = 10
/** Longer than any exchange takes, on a busy machine too. */
const DEADLINE_MS = 30_000
const MAX_VIOLATIONS = 5
/** Of those who do not read: each may hold a connection. */
const MAX_KEPT = 48

export interface TortureOptions {
  readonly seed: string
  readonly store: StoreName
  readonly exchanges: number
  /** How many are under way at once. */
  readonly actors?: number
  /** Ends the run early; what has begun is finished. */
  readonly timeLimitMs?: number
  /** One exchange, alone. */
  readonly only?: number
}

export interface Report {
  readonly exchanges: number
  readonly seconds: number
  /** In words, each with its exchange and plan. */
  readonly violations: readonly string[]
  /** How answers came about, and how often. */
  readonly tally: ReadonlyMap<string, number>
}

/** What holds for all exchanges of a run. */
function settingOf(seed: string) {
  const random = new Random(seed, 'setting')
  return {
    type: random.pick<CacheType>(['shared', 'private']),
    whenDisconnected: random.chance(0.3) ? ('stale' as const) : ('error' as const),
    maxBufferedBytes: random.pick([16_384, 131_072, 1_048_576]),
    coalesceTimeoutMs: random.pick([0, 50, 1_000])
  }
}

export async function torture(options: TortureOptions): Promise<Report> {
  const before = resourcesNow()
  const run = await Run.start(options)
  try {
    await run.all()
  } finally {
    await run.close()
  }
  const leaks = await leaksSince(before)
  if (leaks !== undefined) run.violations.push(`after the end: ${leaks}`)
  return run.report()
}

class Run {
  readonly violations: string[] = []
  readonly #options: TortureOptions
  readonly #resources
  readonly #startedAtMs = performance.now()
  #origin!: TortureOrigin
  #stores!: Awaited<ReturnType<typeof openStores>>
  #model!: Model
  readonly #caches: CacheInterceptor[] = []
  readonly #agents: Agent[] = []
  readonly #dispatchers: Dispatcher[] = []
  readonly #above: Wire[] = []
  readonly #below: Wire[] = []
  /** Let those go who do not read. */
  readonly #kept: (() => void)[] = []
  #next = 0
  #done = 0
  #isClosing = false
  #isOver = false
  #closing!: ClosingActor
  /** How often somebody has begun to purge everything. */
  #purges = 0
  #purgesUnderWay = 0

  readonly #now = (): number => {
    const passedMs = (performance.now() - this.#startedAtMs) * CLOCK_SPEED
    return this.#epochMs + passedMs
  }
  readonly #epochMs = Date.now()

  private constructor(options: TortureOptions) {
    this.#options = options
    this.#resources = resourcesOf(options.seed, RESOURCES)
  }

  static async start(options: TortureOptions): Promise<Run> {
    const run = new Run(options)
    await run.#open()
    return run
  }

  async #open(): Promise<void> {
    const { seed, store } = this.#options
    const now = this.#now
    this.#origin = await TortureOrigin.start({
      resources: this.#resources,
      now,
      planOf: number => this.#planOf(number)
    })
    this.#stores = await openStores(store, CACHES, seed)
    const { storeTimeoutMs, deletesForAll, faults } = this.#stores
    const setting = settingOf(seed)
    const onStoreError = (error: unknown, operation: string) => {
      if (faults === undefined && !this.#isClosing)
        this.#violation(-1, `the store failed at ${operation}: ${describeError(error)}`)
    }
    for (const each of this.#stores.stores) {
      const cache = cacheInterceptor({ ...setting, store: each, storeTimeoutMs, now, onStoreError })
      const agent = new Agent({ keepAliveTimeout: 2_000, connections: 64 + MAX_KEPT })
      const below = new Wire(now)
      const above = new Wire(now, ({ exchange }, what) => this.#violation(exchange, `its handler was told of ${what}`))
      this.#caches.push(cache)
      this.#agents.push(agent)
      this.#below.push(below)
      this.#above.push(above)
      this.#dispatchers.push(agent.compose(below.interceptor, cache, above.interceptor))
    }
    const { type, whenDisconnected } = setting
    this.#closing = await ClosingActor.start({
      seed,
      stores: this.#stores.stores,
      another: this.#stores.another,
      settings: { ...setting, storeTimeoutMs, closeTimeoutMs: DEADLINE_MS / 2, now, onStoreError },
      isReliable: faults === undefined,
      purges: () => (this.#purgesUnderWay === 0 ? this.#purges : undefined),
      violation: what => this.#violation(-1, what)
    })
    const readFaults = () => faults?.readFaults() ?? 0
    const origin = this.#origin
    this.#model = new Model({ type, whenDisconnected, origin, wires: this.#below, now, deletesForAll, readFaults })
  }

  async all(): Promise<void> {
    const { actors = 24, only } = this.#options
    if (only !== undefined) {
      await this.#one(this.#planOf(only))
      return
    }
    const isOver = () => this.#isOver || this.violations.length >= MAX_VIOLATIONS
    const closing = this.#closing.act(isOver)
    await Promise.all(Array.from({ length: actors }, () => this.#act()))
    this.#isOver = true
    if ((await withDeadline(closing)) === 'too late') this.#violation(-1, 'what closes at once hangs')
  }

  report(): Report {
    const { tally } = this.#model
    tally.set('closed at once', this.#closing.rounds)
    const seconds = (performance.now() - this.#startedAtMs) / 1000
    return { exchanges: this.#done, seconds, violations: this.violations, tally }
  }

  async close(): Promise<void> {
    for (const leave of this.#kept.splice(0)) leave()
    for (const [i, above] of this.#above.entries()) await this.#emptied(above, `exchanges with cache ${i}`)
    for (const cache of this.#caches) await cache.close()
    await this.#closing.close()
    for (const [i, below] of this.#below.entries()) await this.#emptied(below, `requests of cache ${i} to the origin`)
    const closed = await withDeadline(Promise.all(this.#agents.map(agent => agent.close())))
    if (closed === 'too late') {
      this.violations.push('a dispatcher does not close')
      await Promise.all(this.#agents.map(agent => agent.destroy()))
    }
    const connections = await this.#connectionsLeft()
    if (connections > 0) this.violations.push(`${connections} connections are left at the origin`)
    await this.#origin.close()
    // What is still being committed then is nobody's any more.
    this.#isClosing = true
    const left = await this.#stores.close()
    if (left !== undefined) this.violations.push(left)
  }

  async #connectionsLeft(): Promise<number> {
    for (let i = 0; i < 50 && (await this.#origin.connections()) > 0; i++) await sleep(20)
    return this.#origin.connections()
  }

  async #emptied(wire: Wire, what: string): Promise<void> {
    for (const end = performance.now() + DEADLINE_MS / 2; wire.underWay.size > 0 && performance.now() < end; )
      await sleep(10)
    if (wire.underWay.size === 0) return
    const paths = [...wire.underWay].map(({ exchange, path, last }) => `${exchange} ${path} (${last} last)`)
    this.violations.push(`${wire.underWay.size} ${what} never ended: ${paths.slice(0, 5).join(', ')}`)
  }

  #planOf(number: number): Plan {
    const { seed } = this.#options
    return planOf(number, { seed, resources: this.#resources, caches: CACHES })
  }

  async #act(): Promise<void> {
    const { seed, exchanges, timeLimitMs = Infinity } = this.#options
    while (this.#next < exchanges && this.violations.length < MAX_VIOLATIONS) {
      if (performance.now() - this.#startedAtMs > timeLimitMs) return
      const first = this.#next
      const { last, isQueue } = groupAt(first, seed)
      this.#next = last + 1
      const plans = Array.from({ length: last - first + 1 }, (_, i) => this.#planOf(first + i))
      if (isQueue) await this.#inTurn(plans)
      else for (const plan of plans) await this.#within(plan)
    }
  }

  /** All at once; what comes is read one after the other. */
  async #inTurn(plans: readonly Plan[]): Promise<void> {
    const random = new Random(this.#options.seed, 'queue', plans[0]?.number ?? 0)
    const places = [...plans.keys()]
    const queue = new Queue(random.chance(0.5) ? places.reverse() : places)
    const ended = plans.map((plan, place) => this.#within(plan, queue, place).finally(() => queue.over(place)))
    await Promise.all(ended)
  }

  async #within(plan: Plan, queue?: Queue, place = 0): Promise<void> {
    const ended = await withDeadline(this.#one(plan, queue, place))
    if (ended === 'too late') {
      const what = `it hangs, with no end after ${DEADLINE_MS} ms; ${this.#origin.describe(plan.number)}`
      this.#violation(plan.number, what)
    }
    this.#done++
    if (plan.thinkMs > 0) await sleep(plan.thinkMs)
  }

  async #one(plan: Plan, queue?: Queue, place = 0): Promise<void> {
    if (plan.kind === 'purge' || plan.kind === 'purge-all') return this.#purge(plan)
    const versionNow = this.#origin.versionOf(plan.resource)
    const fields = fieldsOf(plan, back =>
      identityFor(plan.resource, Math.max(1, versionNow - back), {
        'x-variant': plan.variant,
        'accept-language': plan.language ?? (plan.way === 'fetch' ? '*' : undefined),
        authorization: plan.credential
      })
    )
    const begun = this.#model.begin(plan, fields)
    let hasAnswered = false
    const seen: Seen = await exchangeOf({
      plan,
      dispatcher: this.#dispatchers[plan.cache] as Dispatcher,
      url: this.#origin.url,
      headers: fields,
      now: this.#now,
      answered: hasHead => {
        if (plan.kind === 'post' && !hasAnswered) this.#model.unsafeEnded(begun, hasHead)
        hasAnswered = true
        queue?.answered(place)
      },
      turn: queue === undefined ? undefined : () => queue.turnOf(place),
      keep: leave => {
        this.#kept.push(leave)
        if (this.#kept.length > MAX_KEPT) this.#kept.shift()?.()
      }
    })
    const fault = this.#model.violationOf(begun, seen)
    if (fault === undefined) return
    const began = `began at ${begun.beganAtMs.toFixed(0)} ms, with ${JSON.stringify(fields)}`
    this.#violation(plan.number, `${fault}; it ${began}, and saw ${describeSeen(seen)}`)
  }

  async #purge(plan: Plan): Promise<void> {
    const cache = this.#caches[plan.cache] as CacheInterceptor
    const askedAfterMs = this.#now()
    try {
      if (plan.kind === 'purge') await cache.purge({ url: this.#origin.url + plan.resource.path })
      else {
        this.#purges++
        this.#purgesUnderWay++
        await cache.purge().finally(() => this.#purgesUnderWay--)
      }
    } catch (error) {
      // The caller knows; nothing is promised.
      if (this.#stores.faults === undefined) this.#violation(plan.number, `a purge failed: ${describeError(error)}`)
      return
    }
    this.#model.purged(plan, plan.kind === 'purge' ? [plan.resource] : this.#resources, askedAfterMs)
  }

  #violation(exchange: number, what: string): void {
    const { seed, store } = this.#options
    const plan = exchange < 0 ? undefined : this.#planOf(exchange)
    this.violations.push(
      plan === undefined
        ? `seed ${JSON.stringify(seed)} over ${store}: ${what}`
        : `exchange ${exchange} of seed ${JSON.stringify(seed)} over ${store}: ${what}\n  plan: ${JSON.stringify(plan)}`
    )
  }
}

function describeSeen({ status, headers, chunks, end, error }: Seen): string {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const failure = error === undefined ? '' : ` (${describeError(error)})`
  return `${status}, ${bytes} bytes, ${end}${failure}, ${JSON.stringify(headers)}`
}

/** The promise goes on where it is too late. */
async function withDeadline(promise: Promise<unknown>): Promise<'in time' | 'too late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'too late'>(resolve => {
    timer = setTimeout(() => resolve('too late'), DEADLINE_MS)
  })
  try {
    return await Promise.race([promise.then(() => 'in time' as const), late])
  } finally {
    clearTimeout(timer)
  }
}
