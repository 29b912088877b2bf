import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import type { RedisStore } from 'undici-http-cache/stores/redis'
import { ask } from '../../support/ask.ts'
import { type Origin, startOrigin } from '../../support/origin.ts'
import { rangedReply } from '../../support/ranges.ts'

export const STORE_TIMEOUT_MS = 250
const CLIENTS = 8
const PATHS = 12
const SLACK_MS = 400

/** Clients that ask one after the other, through the cache, for as long as the load runs. */
export class Load implements AsyncDisposable {
  readonly errors: unknown[] = []
  readonly #origin: Origin
  readonly #cache: ReturnType<typeof cacheInterceptor>
  readonly #dispatcher: Dispatcher.ComposedDispatcher
  readonly #outcomes = new Map<string, number>()
  readonly #clients: Promise<void>[]
  readonly #failures: unknown[] = []
  #slowestMs = 0
  #slowestUncachedMs = 0
  #isRunning = true

  private constructor(store: RedisStore, origin: Origin) {
    this.#origin = origin
    this.#cache = cacheInterceptor({
      store,
      storeTimeoutMs: STORE_TIMEOUT_MS,
      onStoreError: error => this.errors.push(error)
    })
    this.#dispatcher = new Agent().compose(this.#cache)
    const clients = Array.from({ length: CLIENTS }, (_, i) => this.#client(i))
    this.#clients = [...clients, this.#uncachedClient()].map(client =>
      client.catch(error => {
        this.#failures.push(error)
      })
    )
  }

  static async start(store: RedisStore): Promise<Load> {
    const origin = await startOrigin(request => {
      const { path } = request
      return rangedReply(request, {
        headers: { 'cache-control': 'max-age=600', etag: `"${path}"` },
        body: bodyOf(path)
      })
    })
    return new Load(store, origin)
  }

  /** Until one of the next responses comes from the cache. */
  async untilHit(): Promise<void> {
    await this.#until('hit')
  }

  /** Until one of the next responses had to be fetched, as after each fault. */
  async untilMiss(): Promise<void> {
    await this.#until('miss')
  }

  /** Every response was right and whole, and none took longer than the store may delay it, as measured by what a machine
   * that is busy with other things makes of requests without a cache. */
  check(): void {
    this.#assertNoFailure()
    const allowedMs = STORE_TIMEOUT_MS + SLACK_MS + 3 * this.#slowestUncachedMs
    assert.ok(this.#slowestMs < allowedMs, `a response took ${this.#slowestMs} ms, ${allowedMs} are allowed`)
    for (const error of this.errors) {
      assert.ok(error instanceof Error)
      assert.equal('command' in error, false, 'no error carries what was stored')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRunning = false
    await Promise.all(this.#clients)
    await this.#cache.close()
    await this.#dispatcher.close()
    await this.#origin.close()
  }

  async #client(seed: number): Promise<void> {
    for (let i = seed; this.#isRunning; i++) {
      await this.#ask(`/${i % PATHS}`)
      await delay(5)
    }
  }

  async #ask(path: string): Promise<void> {
    const start = performance.now()
    const response = await request(this.#origin.url + path, { dispatcher: this.#dispatcher })
    const { outcome = '' } = cacheInfo(response) ?? {}
    assert.equal(response.statusCode, 200)
    const body = await response.body.text()
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - start)
    assert.equal(body, bodyOf(path))
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
  }

  async #uncachedClient(): Promise<void> {
    for (; this.#isRunning; await delay(5)) {
      const start = performance.now()
      await ask(this.#dispatcher, `${this.#origin.url}/0`, { cache: false })
      this.#slowestUncachedMs = Math.max(this.#slowestUncachedMs, performance.now() - start)
    }
  }

  #assertNoFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  async #until(outcome: string): Promise<void> {
    const before = this.#outcomes.get(outcome) ?? 0
    for (const end = Date.now() + 20_000; (this.#outcomes.get(outcome) ?? 0) === before; await delay(10)) {
      this.#assertNoFailure()
      assert.ok(Date.now() < end, `no ${outcome} within 20 s: ${[...this.#outcomes]}`)
    }
  }
}

/** Some are stored in chunks, the others with their record. */
function bodyOf(path: string): string {
  return path.repeat(path.endsWith('1') ? 60_000 : 200)
}
