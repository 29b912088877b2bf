import type { interceptors } from 'undici'

type CacheOptions = NonNullable<Parameters<typeof interceptors.cache>[0]>

/** undici's own contract for stores: what `interceptors.cache({ store })` takes. */
export type UndiciCacheStore = NonNullable<CacheOptions['store']>

/** What such a store finds a response by: origin, path, method and the selecting fields among the request's. */
export type UndiciKey = Parameters<UndiciCacheStore['get']>[0]

/** A response as such a store is given it, its body apart. */
export type UndiciValue = Parameters<UndiciCacheStore['createWriteStream']>[1]

/** A response as such a store gives it back. */
export type UndiciResult = NonNullable<Awaited<ReturnType<UndiciCacheStore['get']>>>
