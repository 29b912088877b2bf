import { isPromise } from '../../stores/shared/maybe-promise.ts'

declare const NEVER_REJECTED: unique symbol

/** A promise that is never rejected: whoever waits for it needs no handler for that. */
export interface GuardedPromise<T> extends Promise<T> {
  readonly [NEVER_REJECTED]: true
}

/** An answer that is there, or will be. */
export type Guarded<T> = T | GuardedPromise<T>

/** Makes a promise a guarded one: `instead` is the answer where it is rejected. */
export function guarded<T>(promise: Promise<T>, instead: T): GuardedPromise<T> {
  return promise.catch(() => instead) as GuardedPromise<T>
}

/** Applies `map`, which must not throw, to an answer that is there, or once it is. */
export function mapGuarded<T, U>(answer: Guarded<T>, map: (value: T) => Guarded<U>): Guarded<U> {
  return isPromise(answer) ? (answer.then(map) as GuardedPromise<U>) : map(answer as T)
}
