// A store outside the process that gives leases, and what another process leaves when it dies.
import type { LeaseAnswer } from '../../stores/store.ts'
import { AsyncStore } from './async-store.ts'

const OTHER_MS = 60_000

interface Held {
  readonly by: object
  readonly mark?: 'done' | 'unshared'
  untilMs: number
}

export class LeasingStore extends AsyncStore {
  override readonly capabilities = {
    tags: true,
    ranges: true,
    shared: false,
    leases: true
  } as const
  /** What was answered, in order. */
  readonly answers: string[] = []
  readonly #held = new Map<string, Held>()
  #isClosed = false
  #other: object | undefined

  async lease(name: string, ttlMs: number): Promise<LeaseAnswer> {
    await this.begin('lease')
    if (this.#isClosed) throw new Error('closed')
    const answer = this.#take(name, ttlMs)
    this.answers.push(typeof answer === 'object' ? 'granted' : answer)
    return answer
  }

  /** Whether anybody holds any. */
  get isHeld(): boolean {
    return [...this.#held.values()].some(({ mark, untilMs }) => mark === undefined && untilMs > performance.now())
  }

  /** Another process has the lease that is asked for next, until the function is called that this gives. */
  holdNext(): () => Promise<void> {
    const other = {}
    this.#other = other
    return async () => {
      await this.begin('lease')
      for (const [name, { by }] of this.#held) if (by === other) this.#held.delete(name)
    }
  }

  override async clear(): Promise<void> {
    this.#held.clear()
    await super.clear()
  }

  override async close(): Promise<void> {
    this.#isClosed = true
    await super.close()
  }

  #take(name: string, ttlMs: number): LeaseAnswer {
    if (this.#other !== undefined) this.#held.set(name, { by: this.#other, untilMs: performance.now() + OTHER_MS })
    this.#other = undefined
    const found = this.#current(name)
    if (found !== undefined) return found.mark ?? 'held'
    const by = {}
    this.#held.set(name, { by, untilMs: performance.now() + ttlMs })
    return {
      renew: async forMs => {
        await this.begin('lease')
        const held = this.#current(name)
        if (held?.by !== by) return false
        held.untilMs = performance.now() + forMs
        return true
      },
      release: async (mark, markMs = 0) => {
        await this.begin('lease')
        if (this.#current(name)?.by !== by) return
        if (mark === undefined) this.#held.delete(name)
        else this.#held.set(name, { by: {}, mark, untilMs: performance.now() + markMs })
      }
    }
  }

  #current(name: string): Held | undefined {
    const held = this.#held.get(name)
    return held !== undefined && held.untilMs > performance.now() ? held : undefined
  }
}
