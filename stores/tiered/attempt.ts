import type { MaybePromise } from '../store.ts'

/** What a tier answers; undefined where it fails, if the other tier will do. */
export async function attempt<T>(call: () => MaybePromise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch {
    return undefined
  }
}

/** Whether a tier did what it was to do; nobody is told why not. */
export async function succeeds(call: () => MaybePromise<unknown>): Promise<boolean> {
  try {
    await call()
    return true
  } catch {
    return false
  }
}
