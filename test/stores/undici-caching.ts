// Agents with a cache on an adapted store, for tests that ask once what was asked for before is stored.
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Agent, interceptors } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import {
  fromUndiciStore,
  type ToUndiciStoreOptions,
  toUndiciStore,
  type UndiciCacheStore
} from 'undici-http-cache/stores/undici'
import type { CacheStore, MaybePromise } from '../../stores/store.ts'
import { type AskOptions, ask } from '../support/ask.ts'

/** This package's cache on a store of undici's. */
export function cachingOnUndicis(inner: UndiciCacheStore) {
  const faults: unknown[] = []
  const store = fromUndiciStore(inner)
  /** Responses that are neither committed nor aborted. */
  let unfinished = 0
  const put = store.put.bind(store)
  store.put = async (entry, options) => {
    const writer = await put(entry, options)
    if (writer === undefined) return undefined
    unfinished++
    const ending = async <T>(end: MaybePromise<T>) => {
      try {
        return await end
      } finally {
        unfinished--
      }
    }
    return {
      write: chunk => writer.write(chunk),
      commit: finishedEntry => ending(writer.commit(finishedEntry)),
      abort: () => ending(writer.abort())
    }
  }
  const interceptor = cacheInterceptor({ store, onStoreError: error => faults.push(error) })
  const plain = new Agent()
  const agent = plain.compose(interceptor)
  return {
    agent,
    plain,
    interceptor,
    faults,
    /** One request; what it brought is stored by then. */
    async ask(url: string, options?: AskOptions) {
      const answer = await ask(agent, url, options)
      do await nextTurn()
      while (unfinished > 0)
      return answer
    },
    async [Symbol.asyncDispose]() {
      await plain.close()
      await store.close()
    }
  }
}

/** undici's cache on a store of this package's. */
export function undicisCachingOn(store: CacheStore, options: ToUndiciStoreOptions = {}) {
  const faults: unknown[] = []
  const undiciStore = toUndiciStore(store, { ...options, onStoreError: error => faults.push(error) })
  const streams = new Set<Promise<unknown>>()
  const createWriteStream = undiciStore.createWriteStream.bind(undiciStore)
  undiciStore.createWriteStream = (key, value) => {
    const stream = createWriteStream(key, value)
    if (stream !== undefined) streams.add(once(stream, 'close').catch(() => {}))
    return stream
  }
  const plain = new Agent()
  const agent = plain.compose(interceptors.cache({ store: undiciStore }))
  return {
    agent,
    plain,
    faults,
    async ask(url: string, askOptions?: AskOptions) {
      const answer = await ask(agent, url, askOptions)
      await nextTurn()
      await Promise.race([Promise.all(streams), new Promise(resolve => setTimeout(resolve, 100))])
      return answer
    },
    async [Symbol.asyncDispose]() {
      await plain.close()
      await store.close()
    }
  }
}
