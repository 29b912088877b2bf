// One exchange as its plan has it, by any of undici's ways to ask, and what the client saw of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, fetch, request } from 'undici'
import { type Api, handlerOf } from '../support/handlers.ts'
import type { Plan } from './plan.ts'
import { etagOf, type Identity, lastModifiedOf } from './resource.ts'

export interface Seen {
  status: number | undefined
  /** Lower-case names; of several lines, all in one. */
  headers: Record<string, string>
  readonly chunks: Uint8Array[]
  trailers: Record<string, string | string[] | undefined>
  /** 'left': it went away by itself. */
  end: 'complete' | 'error' | 'left'
  error: unknown
  /** The header section was there, or the error in its place. */
  headAtMs: number
}

export interface Exchange {
  readonly plan: Plan
  readonly dispatcher: Dispatcher
  readonly url: string
  readonly headers: Record<string, string>
  readonly now: () => number
  /** Called at once when the header section, or an error in its place, is there. */
  answered(hasHead: boolean): void
  /** Waited for before the body is read. */
  readonly turn?: (() => Promise<void>) | undefined
  /** Keeps one that never reads, until it is to go away. */
  keep(leave: () => void): void
}

/** The fields of a request; `identityOf` is what the origin would give to it, so many versions back. */
export function fieldsOf(plan: Plan, identityOf: (versionsBack: number) => Identity): Record<string, string> {
  const { condition, ifRangeVersionsBack, range } = plan
  const fields: Record<string, string | undefined> = {
    'x-exchange': `${plan.number}`,
    'x-variant': plan.variant,
    'accept-language': plan.language,
    authorization: plan.credential,
    'cache-control': plan.cacheControl,
    range
  }
  if (condition !== undefined) {
    const identity = identityOf(condition.versionsBack)
    fields[condition.name] = condition.name === 'if-none-match' ? etagOf(identity) : lastModifiedOf(identity)
  }
  if (range !== undefined && ifRangeVersionsBack !== undefined) {
    const identity = identityOf(ifRangeVersionsBack)
    fields['if-range'] = etagOf(identity) ?? lastModifiedOf(identity)
  }
  // What fetch would add by itself, so that all ways select the same.
  fields['accept-language'] ??= plan.way === 'fetch' ? '*' : undefined
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<string, string>
}

/** So that none takes too long. */
const MAX_PAUSES = 20

/** Asks, and reads to the end or as far as the plan says. */
export async function exchangeOf(exchange: Exchange): Promise<Seen> {
  const seen: Seen = {
    status: undefined,
    headers: {},
    chunks: [],
    trailers: {},
    end: 'error',
    error: undefined,
    headAtMs: 0
  }
  const leaving = new AbortController()
  const timer = setTimer(exchange.plan, leaving)
  const { way } = exchange.plan
  try {
    if (way === 'request') await byRequest(exchange, seen, leaving)
    else if (way === 'fetch') await byFetch(exchange, seen, leaving)
    else await byDispatch(exchange, seen, leaving, way)
    seen.end = exchange.plan.leaving?.when === 'unread' ? 'left' : 'complete'
  } catch (error) {
    if (seen.status === undefined) exchange.answered(false)
    seen.error = error
    seen.end = leaving.signal.aborted ? 'left' : 'error'
  } finally {
    clearTimeout(timer)
  }
  return seen
}

function setTimer({ leaving }: Plan, controller: AbortController): NodeJS.Timeout | undefined {
  if (leaving?.when === 'before') controller.abort(new Error('left'))
  return leaving?.when === 'after-ms' ? setTimeout(() => controller.abort(new Error('left')), leaving.ms) : undefined
}

function methodOf({ kind }: Plan): 'GET' | 'HEAD' | 'POST' {
  if (kind === 'post') return 'POST'
  return kind === 'head' ? 'HEAD' : 'GET'
}

/** What request() and fetch() are called with. */
function callOf({ plan, dispatcher, url, headers }: Exchange, { signal }: AbortController) {
  const method = methodOf(plan)
  const body = method === 'POST' ? 'a change' : null
  return [url + plan.resource.path, { dispatcher, method, headers, signal, body }] as const
}

async function byRequest(exchange: Exchange, seen: Seen, leaving: AbortController): Promise<void> {
  const response = await request(...callOf(exchange, leaving))
  answered(exchange, seen, response.statusCode, response.headers)
  if (exchange.plan.leaving?.when === 'unread') {
    response.body.on('error', () => {})
    exchange.keep(() => leaving.abort(new Error('left')))
    return
  }
  await exchange.turn?.()
  await read(exchange.plan, response.body, seen, leaving)
  seen.trailers = response.trailers
}

async function byFetch(exchange: Exchange, seen: Seen, leaving: AbortController): Promise<void> {
  const response = await fetch(...callOf(exchange, leaving))
  answered(exchange, seen, response.status, Object.fromEntries(response.headers))
  if (exchange.plan.leaving?.when === 'unread') {
    // What nobody refers to is let go of.
    exchange.keep(() => leaving.abort(new Error(`left ${response.status}`)))
    return
  }
  await exchange.turn?.()
  if (response.body !== null) await read(exchange.plan, response.body, seen, leaving)
}

function answered(
  exchange: Exchange,
  seen: Seen,
  status: number,
  headers: Record<string, string | string[] | undefined>
): void {
  seen.status = status
  seen.headAtMs = exchange.now()
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) seen.headers[name.toLowerCase()] = [value].flat().join(', ')
  }
  exchange.answered(true)
}

async function read(
  { reading, leaving }: Plan,
  body: AsyncIterable<Uint8Array>,
  seen: Seen,
  controller: AbortController
): Promise<void> {
  let received = 0
  let restedAt = 0
  let pauses = 0
  for await (const chunk of body) {
    seen.chunks.push(chunk)
    received += chunk.byteLength
    if (leaving?.when === 'after-bytes' && received > leaving.bytes) {
      controller.abort(new Error('left'))
      // Half of them go by leaving the loop, without a word.
      if (leaving.bytes % 2 === 0) throw controller.signal.reason
    }
    if (restedAt + (reading.pauseEveryBytes ?? Infinity) <= received && pauses++ < MAX_PAUSES) {
      restedAt = received
      await sleep(reading.pauseMs)
    }
  }
}

/** By a handler of the new or the older API, which pauses in its callbacks. */
function byDispatch(exchange: Exchange, seen: Seen, leaving: AbortController, api: Api): Promise<void> {
  const { plan, dispatcher, url, headers } = exchange
  const { reading } = plan
  let received = 0
  let restedAt = 0
  let pauses = 0
  let resting: NodeJS.Timeout | undefined
  return new Promise((resolve, reject) => {
    const { handler, heard } = handlerOf(api, (at, control) => {
      if (at === 'start' && leaving.signal.aborted) control.abort(leaving.signal.reason)
      if (at === 'head') {
        answered(exchange, seen, heard.statusCode ?? 0, heard.headers ?? parsed(heard.rawHeaders ?? []))
        if (plan.leaving?.when === 'unread') {
          control.pause()
          exchange.keep(() => control.abort(new Error('left')))
          resolve()
        }
      }
      if (at === 'data') {
        const chunk = heard.chunks.pop() as Uint8Array
        seen.chunks.push(chunk)
        received += chunk.byteLength
        if (seen.chunks.length === 1 && exchange.turn !== undefined) {
          control.pause()
          void exchange.turn().then(() => control.resume())
          return
        }
        if (plan.leaving?.when === 'after-bytes' && received > plan.leaving.bytes) leaving.abort(new Error('left'))
        else if (restedAt + (reading.pauseEveryBytes ?? Infinity) <= received && pauses++ < MAX_PAUSES) {
          restedAt = received
          control.pause()
          resting = setTimeout(() => control.resume(), reading.pauseMs)
        }
      }
      if (at === 'end') {
        if (api === 'modern') seen.trailers = heard.trailers as Seen['trailers']
        resolve()
      }
      if (at === 'error') {
        clearTimeout(resting)
        reject(heard.error)
      }
    })
    leaving.signal.addEventListener('abort', () => heard.control.abort(leaving.signal.reason))
    const body = plan.kind === 'post' ? 'a change' : null
    const options = { origin: url, path: plan.resource.path, method: methodOf(plan), headers, body }
    dispatcher.dispatch(options, handler)
  })
}

function parsed(raw: readonly Buffer[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < raw.length; i += 2) {
    const name = `${raw[i]}`.toLowerCase()
    const value = `${raw[i + 1]}`
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}
