import type { MaybePromise } from '../stores/store.ts'

/** Whether it has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as Promise<T>).then === 'function'
}

/** Applies `map` now, or when the promise is fulfilled. */
export function mapMaybe<T, U>(value: MaybePromise<T>, map: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? value.then(map) : map(value)
}
