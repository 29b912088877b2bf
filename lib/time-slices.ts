import { monotonicMs, soon } from './event-loop.ts'

const MAX_MS = 5
/** An action may bring about more, in a microtask. */
const MAX_ACTIONS = 256
const ACTIONS_PER_LOOK = 8

/** What is done within one turn of the event loop, of something that may take long. */
export class Slice {
  readonly #startedAtMs = monotonicMs()
  #actions = 0

  /** To be asked before each action: whether it has to wait for the next turn. */
  get isOver(): boolean {
    if (++this.#actions % ACTIONS_PER_LOOK !== 0) return false
    return this.#actions > MAX_ACTIONS || monotonicMs() - this.#startedAtMs > MAX_MS
  }
}

/** Calls `action`, which must not throw, for each, and then `onDone`: at once, and where that takes long, in later turns of
 * the event loop. */
export function forEachInSlices<T>(
  items: readonly T[],
  action: (item: T) => void,
  onDone: () => void = () => {}
): void {
  let index = 0
  const turn = () => {
    const slice = new Slice()
    for (; index < items.length; index++) {
      if (slice.isOver) {
        soon(turn)
        return
      }
      action(items[index] as T)
    }
    onDone()
  }
  turn()
}
