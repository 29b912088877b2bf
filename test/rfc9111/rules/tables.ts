import { age } from './age.ts'
import { freshening } from './freshening.ts'
import { explicitFreshness, heuristicFreshness } from './freshness.ts'
import { headMethod } from './head.ts'
import { invalidation } from './invalidation.ts'
import { keys } from './keys.ts'
import { parts } from './parts.ts'
import { post } from './post.ts'
import { preconditions } from './preconditions.ts'
import { ranges } from './ranges.ts'
import { requestDirectives } from './request-directives.ts'
import { retention } from './retention.ts'
import type { Row } from './row.ts'
import { disconnected, staleIfError, staleWhileRevalidate } from './stale.ts'
import { storability } from './storability.ts'
import { storedFields } from './stored-fields.ts'
import { targeted } from './targeted.ts'
import { validation } from './validation.ts'
import { vary } from './vary.ts'

/** Every rule, by what it is about. */
export const TABLES: { readonly [subject: string]: readonly Row[] } = {
  'what is stored': storability,
  'the fields that are stored': storedFields,
  'how long it is kept': retention,
  'stated lifetimes': explicitFreshness,
  'heuristic and default lifetimes': heuristicFreshness,
  'targeted fields': targeted,
  age,
  "the request's directives": requestDirectives,
  keys,
  variants: vary,
  validation,
  'what a 304 changes': freshening,
  "the client's own conditions": preconditions,
  ranges,
  parts,
  HEAD: headMethod,
  'unsafe methods': invalidation,
  POST: post,
  'stale while revalidate': staleWhileRevalidate,
  'stale if error': staleIfError,
  'lost connections': disconnected
}
