import type { MaybePromise } from '../store.ts'

/** What a call gives; undefined where it throws or rejects. For what may fail without a consequence. */
export async function attempt<T>(call: () => MaybePromise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch {
    return undefined
  }
}

/** Whether a call has succeeded; false where it throws or rejects. */
export async function succeeds(call: () => MaybePromise<unknown>): Promise<boolean> {
  try {
    await call()
    return true
  } catch {
    return false
  }
}
