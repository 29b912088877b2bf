import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import type { RedisStore } from 'undici-http-cache/stores/redis'
import { ask } from '../../support/ask.ts'
import { type Origin, startOrigin } from '../../support/origin.ts'

export const STORE_TIMEOUT_MS = 250
const CLIENTS = 8
const PATHS = 12
const SLACK_MS = 100

/** Clients that ask one after the other, through the cache, for as long as the load runs. */
export class Load implements AsyncDisposable {
  readonly errors: unknown[] = []
  readonly #origin: Origin
  readonly #cache: ReturnType<typeof cacheInterceptor>
  readonly #dispatcher: Dispatcher.ComposedDispatcher
  readonly #outcomes = new Map<string, number>()
  readonly #clients: Promise<void>[]
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
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => this.#client(i))
    this.#clients.push(this.#uncachedClient())
  }

  static async start(store: RedisStore): Promise<Load> {
    const origin = await startOrigin(({ path }) => ({
      headers: { 'cache-control': 'max-age=600' },
      body: bodyOf(path)
    }))
    return new Load(store, origin)
  }

  /** Until one of the next responses comes from the cache. */
  async untilHit(): Promise<void> {
    await this.#until('hit')
  }

  /** Until one of the next responses had to be fetched. */
  async untilMiss(): Promise<void> {
    await this.#until('miss')
  }

  /** Every response was right, and none took longer than the store may delay it, as measured by what a machine that is
   * busy with other things makes of requests without a cache. */
  check(): void {
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
      const path = `/${i % PATHS}`
      const start = performance.now()
      const { statusCode, body, outcome = '' } = await ask(this.#dispatcher, this.#origin.url + path)
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - start)
      assert.equal(statusCode, 200)
      assert.equal(body, bodyOf(path))
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
      await delay(5)
    }
  }

  async #uncachedClient(): Promise<void> {
    for (; this.#isRunning; await delay(5)) {
      const start = performance.now()
      await ask(this.#dispatcher, `${this.#origin.url}/0`, { cache: false })
      this.#slowestUncachedMs = Math.max(this.#slowestUncachedMs, performance.now() - start)
    }
  }

  async #until(outcome: string): Promise<void> {
    const before = this.#outcomes.get(outcome) ?? 0
    for (const end = Date.now() + 20_000; (this.#outcomes.get(outcome) ?? 0) === before; await delay(10)) {
      // A client that has failed asks no more.
      assert.ok(Date.now() < end, `no ${outcome} within 20 s: ${[...this.#outcomes]}`)
    }
  }
}

/** Some are stored with their record, others in chunks. */
function bodyOf(path: string): string {
  return path.repeat(path.endsWith('1') ? 60_000 : 200)
}
