export { type CacheInterceptor, cacheInterceptor, type PurgeTarget } from '../interceptors/cache-interceptor.ts'
export { type CacheOptions, httpxCacheDefaults, type StoreOperation } from '../interceptors/options.ts'
export type { CacheInfo } from '../interceptors/outcome.ts'
export type { RequestToPartition } from '../interceptors/partition.ts'
export type { Serializer, StoredRecord } from '../serializers/serializer.ts'
export { MemoryStore, type MemoryStoreOptions } from '../stores/memory.ts'
export type * from '../stores/store.ts'
export { cacheInfo } from './cache-info.ts'
export {
  CachedClient,
  type CachedClientOptions,
  type FromCache,
  type GetOptions,
  type OptOut
} from './cached-client.ts'
export { CacheError, type CacheErrorCode, ERROR_CODES } from './errors.ts'
export type { Fields } from './rfc9111/types.ts'
