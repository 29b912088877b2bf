import type { MaybePromise } from '../store.ts'

/** Whether it has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as Promise<T>).then === 'function'
}

/** Applies `map` now, or when the promise is fulfilled. */
export function mapMaybe<T, U>(value: MaybePromise<T>, map: (value: T) => MaybePromise<U>): MaybePromise<U> {
  // Not every thenable returns a promise.
  return isPromise(value) ? Promise.resolve(value).then(map) : map(value)
}

/** All values, at once where none is a promise. */
export function allMaybe<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(isPromise) ? Promise.all(values) : (values as readonly T[])
}
