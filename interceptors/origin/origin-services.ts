import type { Policy } from '../../lib/rfc9111/types.ts'
import type { StatusOf } from '../outcome/cache-status.ts'
import type { AnswerReplay } from '../replay/answer-replay.ts'
import type { StoredBodies } from '../replay/stored-body.ts'
import type { FlightRegistry } from '../single-flight/flight-registry.ts'
import type { PendingWrites } from '../store-access/pending-writes.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'

/** What an exchange with the origin works with: the parts of one cache. */
export interface OriginServices {
  readonly settings: OriginSettings
  readonly guard: StoreGuard
  readonly flights: FlightRegistry
  readonly bodies: StoredBodies
  readonly replay: AnswerReplay
  readonly statusOf: StatusOf
  /** Responses that are complete, and not stored yet. */
  readonly pendingWrites: PendingWrites
}

/** The options of the cache that matter here. */
export interface OriginSettings {
  readonly policy: Policy
  readonly storeUnverifiedHttp2: boolean
  readonly storeTimeoutMs: number
  readonly coalesceTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly now: () => number
}
