import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ForwardReason } from '../../../lib/rfc9111/decide-request.ts'
import type { ByteRange, Policy } from '../../../lib/rfc9111/types.ts'
import type { FailureOutcome, RequestOutcome, ResponseOutcome } from './outcomes.ts'

/** One rule: what is given, and what the engine has to decide. Its id is a sentence; a bare § is RFC 9111. */
export interface Row {
  readonly id: string
  readonly section: string
  readonly given: Given
  readonly expect: Expect
  /** Made where the row stands: the second line of its stack is that place. */
  readonly origin: Error
}

/** The scene. Field lines are written `Name: value`; `{+60}` in one stands for the HTTP date 60 seconds after the
 * message it is in was received (or, in a request, after now). Times are seconds unless their name says otherwise. */
export interface Given {
  /** What differs from a shared cache with the default options. */
  readonly policy?: PolicyOptions
  /** What was in force when `stored` was stored, where that differs. */
  readonly storedUnder?: PolicyOptions
  /** What the cache already holds; the first is `#1`. Each has to be storable. */
  readonly stored?: StoredSpec | readonly StoredSpec[]
  /** The request to decide on; a plain GET where it is left out. */
  readonly request?: RequestSpec
  /** What the origin answers to it, or that it cannot be reached. */
  readonly origin?: ResponseSpec | typeof UNREACHABLE
  /** A request that comes `after` seconds later, when the store has done what was decided. */
  readonly next?: RequestSpec
  readonly after?: number
}

/** What is not mentioned is not checked, save `updates`, `removes` and `deletes`: they are empty unless they are listed. */
export interface Expect {
  readonly request?: RequestOutcome
  readonly response?: ResponseOutcome
  readonly failure?: FailureOutcome
  readonly next?: RequestOutcome
  /** The conditional fields that go to the origin, and those that ask for the rest of a part. */
  readonly sends?: readonly string[]
  /** What could still answer once the origin has spoken. */
  readonly candidates?: readonly string[]
  /** What the client gets from the cache. */
  readonly answer?: ExpectedAnswer
  readonly nextAnswer?: ExpectedAnswer
  /** What is stored of the origin's response, or what it made of the first entry in `updates`. */
  readonly entry?: ExpectedEntry
  /** How long a response that is stored is fresh after it arrived, to the millisecond. */
  readonly freshFor?: number
  /** What of `#1`'s body is before, and after, the bytes that come. */
  readonly joins?: { readonly before?: ByteRange; readonly after?: ByteRange }
  readonly updates?: readonly string[]
  readonly removes?: readonly string[]
  /** Paths of the origin, or whole keys. */
  readonly deletes?: readonly string[]
}

export interface ExpectedAnswer {
  readonly from?: string
  readonly status?: number
  readonly statusText?: string
  readonly age?: number
  readonly sendsAge?: boolean
  readonly freshFor?: number
  readonly body?: 'none' | 'whole' | ByteRange
  readonly has?: readonly string[]
  /** Names of fields. */
  readonly lacks?: readonly string[]
}

export interface ExpectedEntry {
  readonly key?: string
  readonly method?: 'GET' | 'HEAD'
  readonly vary?: readonly string[]
  /** Which bytes of how many. */
  readonly bytes?: string
  readonly has?: readonly string[]
  /** Names of fields. */
  readonly lacks?: readonly string[]
  /** How long after it arrived a store may drop it. */
  readonly keptFor?: number
}

export type PolicyOptions = Partial<Omit<Policy, 'methods' | 'statusCodes'>> & {
  readonly methods?: readonly string[]
  readonly statusCodes?: readonly number[]
}

export interface RequestSpec {
  readonly method: string
  readonly lines: readonly string[]
  readonly path: string
  readonly host?: string
  readonly partition: string
}

export interface ResponseSpec {
  readonly statusCode: number
  readonly lines: readonly string[]
  /** From the request to the response, in milliseconds. */
  readonly tookMs: number
}

export interface StoredSpec {
  readonly ago: number
  readonly response: ResponseSpec
  readonly request: RequestSpec
  /** The length of its body, where that matters. */
  readonly bytes?: number
  /** Which of the bytes are stored, where not all. */
  readonly part?: ByteRange
}

export type { ForwardReason }

export const UNREACHABLE = 'unreachable'

export const PRIVATE: PolicyOptions = { shared: false }

/** Starts a row: `rule(section, id).given(...).expect(...)`. */
export function rule(section: string, id: string) {
  const origin = new Error('a row')
  return {
    given: (given: Given) => ({
      expect: (expect: Expect): Row => ({ id, section, given, expect, origin })
    })
  }
}

/** The file and line in which a row begins, as `test/rfc9111/rules/age.ts:5`. */
export function placeOf({ origin }: Row): string {
  const [, , caller = ''] = (origin.stack ?? '').split('\n')
  const [, path = '', line = ''] = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(caller) ?? []
  const file = path.startsWith('file:') ? fileURLToPath(path) : path
  return `${relative(process.cwd(), file).replaceAll('\\', '/')}:${line}`
}

export function send(method: string, ...lines: string[]): RequestSpec {
  return { method, lines, path: '/x', partition: '' }
}

export function get(...lines: string[]): RequestSpec {
  return send('GET', ...lines)
}

export function head(...lines: string[]): RequestSpec {
  return send('HEAD', ...lines)
}

/** The request to another path of the same origin. */
export function to(path: string, request: RequestSpec): RequestSpec {
  return { ...request, path }
}

/** The request with a Host of its own. */
export function host(name: string, request: RequestSpec): RequestSpec {
  return { ...request, host: name }
}

/** The request of one partition. */
export function by(partition: string, request: RequestSpec): RequestSpec {
  return { ...request, partition }
}

export function status(statusCode: number, ...lines: string[]): ResponseSpec {
  return { statusCode, lines, tookMs: 0 }
}

export function ok(...lines: string[]): ResponseSpec {
  return status(200, ...lines)
}

export function notModified(...lines: string[]): ResponseSpec {
  return status(304, ...lines)
}

/** The response as it comes from a slow origin. */
export function took(tookMs: number, response: ResponseSpec): ResponseSpec {
  return { ...response, tookMs }
}

/** What was stored that many seconds ago. */
export function ago(seconds: number, response: ResponseSpec, request: RequestSpec = get()): StoredSpec {
  return { ago: seconds, response, request }
}

/** What is stored with a body of that length. */
export function withBody(bytes: number, stored: StoredSpec): StoredSpec {
  return { ...stored, bytes }
}

/** What is stored with bytes `start` up to, but not including, `end` of a body of that length. */
export function withPart(start: number, end: number, bytes: number, stored: StoredSpec): StoredSpec {
  return { ...stored, bytes, part: { start, end } }
}

/** A Cache-Control line. */
export function cc(directives: string): string {
  return `Cache-Control: ${directives}`
}
