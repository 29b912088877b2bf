import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects garbage now: what memory figures say right after is held. */
export const collectGarbage = runInNewContext('gc') as () => void
