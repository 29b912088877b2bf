import { monotonicMs, soon } from './event-loop.ts'

const MAX_MS = 5
/** An action may cause more work in a microtask. */
const MAX_ACTIONS = 256
const ACTIONS_PER_LOOK = 8

/** The share of long work that is done within one turn of the event loop. */
export class Slice {
  readonly #startedAtMs = monotonicMs()
  #actions = 0

  /** Whether the next action has to wait for the next turn; to be asked before each action. */
  get isOver(): boolean {
    if (++this.#actions % ACTIONS_PER_LOOK !== 0) return false
    return this.#actions > MAX_ACTIONS || monotonicMs() - this.#startedAtMs > MAX_MS
  }
}

/** Calls `action`, which must not throw, for each item, and then `onDone`: synchronously, and in later turns of the event loop
 * where that takes long. */
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
