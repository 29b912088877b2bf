import assert from 'node:assert/strict'
import type { Answer } from '../../../lib/rfc9111/answer.ts'
import { decideFailure } from '../../../lib/rfc9111/decide-failure.ts'
import { decideRequest, decideUnstored, type RequestDecision } from '../../../lib/rfc9111/decide-request.ts'
import { decideResponse, NO_REVALIDATION, type ResponseDecision } from '../../../lib/rfc9111/decide-response.ts'
import { forWhole } from '../../../lib/rfc9111/preconditions.ts'
import type { Entry, FieldLine, FieldLines, Policy, Request, Response } from '../../../lib/rfc9111/types.ts'
import { variantKey } from '../../../lib/rfc9111/vary.ts'
import { FAILURE_OUTCOMES, type Grounds, REQUEST_OUTCOMES, RESPONSE_OUTCOMES } from './outcomes.ts'
import { type ExpectedAnswer, type ExpectedEntry, get, placeOf, type Row, UNREACHABLE } from './row.ts'
import { keyOf, NOW_MS, ORIGIN, policyOf, requestOf, responseOf, type Shelf, shelfOf } from './scene.ts'

/** Plays a row's scene and throws an AssertionError where the engine decides otherwise than the row expects. The message of
 * whatever is thrown names the line of the row. */
export function checkRow(row: Row): void {
  try {
    play(row)
  } catch (error) {
    if (error instanceof Error) {
      const message = `${placeOf(row)}: ${error.message}`
      const stack = error.stack?.replace(error.message, () => message)
      Object.assign(error, { message, stack })
    }
    throw error
  }
}

function play({ given, expect }: Row): void {
  const policy = policyOf(given.policy)
  const request = requestOf(given.request ?? get())
  const shelf = shelfOf(given.stored, given.storedUnder === undefined ? policy : policyOf(given.storedUnder))

  const asked = decide(shelf, request, policy, NOW_MS)
  checkRequestDecision(asked, expect.request)
  const revalidation = 'revalidation' in asked ? asked.revalidation : NO_REVALIDATION
  // What goes out behind a stale answer is the cache's own request.
  const sent = asked.kind === 'stale-while-revalidate' ? forWhole(request) : request
  const completion = asked.kind === 'complete' ? asked.completion : undefined
  const fields = completion?.fields ?? revalidation.conditions
  if (expect.sends !== undefined) assert.deepEqual(fields.map(text), expect.sends, 'what is sent')
  if (expect.candidates !== undefined) {
    assert.deepEqual(
      revalidation.candidates.map(({ id }) => id),
      expect.candidates,
      'candidates'
    )
  }

  let answer = 'answer' in asked ? asked.answer : undefined
  let changed: Entry | undefined
  let came: ResponseDecision | undefined
  if (given.origin === UNREACHABLE) {
    const failure = decideFailure(sent, revalidation, policy, NOW_MS)
    checkOutcome(failure, expect.failure, FAILURE_OUTCOMES, 'after a failure')
    if ('answer' in failure) answer ??= failure.answer
  } else if (given.origin !== undefined) {
    assert(asked.kind !== 'hit' && asked.kind !== 'unsatisfiable', `the origin is not asked: ${asked.kind}`)
    const response = responseOf(given.origin, NOW_MS + given.origin.tookMs)
    const stored = asked.kind === 'bypass' ? [] : shelf.lookUp(request).stored.map(({ entry }) => entry)
    came = decideResponse({ request: sent, response, revalidation, stored, completion, entryId: '#new' }, policy)
    checkOutcome(came, expect.response, RESPONSE_OUTCOMES, 'on the response')
    if ('answer' in came) answer ??= came.answer
    changed = 'entry' in came ? came.entry : came.updates[0]
    checkJoin(came, expect)
    checkChanges(came, shelf, request, response)
    shelf.obey(came)
  }
  assert.deepEqual(came?.updates.map(({ id }) => id) ?? [], expect.updates ?? [], 'updates')
  assert.deepEqual(came?.removes.map(({ id }) => id) ?? [], expect.removes ?? [], 'removes')
  assert.deepEqual(came?.deletes ?? [], (expect.deletes ?? []).map(keyOf), 'deletes')

  if (answer !== undefined) checkAnswer(answer, expect.answer)
  else assert.equal(expect.answer, undefined, 'there is no answer')
  if (expect.entry !== undefined) checkEntry(changed, expect.entry)
  if (expect.freshFor !== undefined) checkLifetime(changed, request, policy, expect.freshFor)

  assert.equal(given.next === undefined, expect.next === undefined, 'a next request is given and expected')
  if (given.next === undefined) return
  const later = decide(shelf, requestOf(given.next), policy, NOW_MS + (given.after ?? 0) * 1000)
  checkRequestDecision(later, expect.next)
  if (expect.nextAnswer !== undefined) {
    assert('answer' in later, 'the next request is answered')
    checkAnswer(later.answer, expect.nextAnswer)
  }
}

function decide(shelf: Shelf, request: Request, policy: Policy, nowMs: number): RequestDecision {
  return decideUnstored(request, policy) ?? decideRequest(request, shelf.lookUp(request), policy, nowMs)
}

function text([name, value]: FieldLine): string {
  return `${name}: ${value}`
}

interface Decision {
  readonly kind: string
  readonly reason: string
  readonly section: string
}

function checkOutcome(
  decision: Decision,
  expected: string | undefined,
  outcomes: Record<string, Grounds>,
  where: string
): Grounds {
  const outcome = `${decision.kind} ${decision.reason}`
  if (expected !== undefined) assert.equal(outcome, expected, `the decision ${where}`)
  const grounds = outcomes[outcome]
  assert(grounds !== undefined, `an unknown outcome ${where}: ${outcome}`)
  assert.equal(decision.section, grounds[0], `the section of ${outcome}`)
  return grounds
}

function checkRequestDecision(decision: RequestDecision, expected: string | undefined): void {
  const [, forward] = checkOutcome(decision, expected, REQUEST_OUTCOMES, 'on the request')
  assert.equal('forward' in decision ? decision.forward : undefined, forward, `the forward word of ${expected}`)
  if (decision.kind === 'hit') assert.equal(decision.stale, decision.reason !== 'fresh', 'whether the hit is stale')
}

/** What holds of everything that is stored or updated. */
function checkChanges(decision: ResponseDecision, shelf: Shelf, request: Request, response: Response): void {
  const { requestTimeMs, responseTimeMs } = response
  if (decision.kind === 'store') {
    const { lines: _lines, vary: _vary, variantKey: key, expiresAtMs: _expiresAtMs, ...facts } = decision.entry
    const { completeLength, segments } = decision.entry
    const isPart = response.statusCode === 206
    assert.deepEqual(facts, {
      id: '#new',
      key: request.key,
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      statusCode: isPart ? 200 : response.statusCode,
      statusText: decision.joins?.with.statusText ?? (isPart ? 'OK' : response.statusText),
      requestTimeMs,
      responseTimeMs,
      trailers: [],
      completeLength: isPart ? completeLength : undefined,
      segments: isPart ? segments : [],
      tags: [`origin:${ORIGIN}`]
    })
    assert.equal(key, variantKey(request, decision.entry.vary), 'the request selects what was stored for it')
  }
  for (const updated of decision.updates) {
    const stored = shelf.byId(updated.id)
    assert(stored !== undefined, 'what is updated is stored')
    const { lines, expiresAtMs, vary, variantKey: key } = updated
    const places = { vary, variantKey: key }
    assert.deepEqual(
      updated,
      { ...stored, requestTimeMs, responseTimeMs, lines, expiresAtMs, ...places },
      'the rest stays'
    )
    assert.equal(key, variantKey(request, vary), 'the request selects what it has freshened')
  }
}

/** What is joined is all there is of the whole that it makes, once each. */
function checkJoin(decision: ResponseDecision, { joins }: Row['expect']): void {
  if (decision.kind !== 'store' || decision.joins === undefined) {
    assert.equal(joins, undefined, 'nothing is joined')
    return
  }
  const { with: held, before, after } = decision.joins
  assert.deepEqual({ from: held.id, before, after }, { from: '#1', before: undefined, after: undefined, ...joins })
}

/** Of the answers that differ from what is stored. */
const STATUS_TEXTS: { readonly [status: number]: string } = {
  206: 'Partial Content',
  304: 'Not Modified',
  416: 'Range Not Satisfiable'
}

function checkAnswer(answer: Answer, expected: ExpectedAnswer = {}): void {
  const { entry } = answer
  assert.equal(answer.statusText, STATUS_TEXTS[answer.statusCode] ?? entry.statusText)
  checkLines([...answer.lines, ...answer.ownLines], expected, 'the answer')
  const actual = {
    from: entry.id,
    status: answer.statusCode,
    statusText: answer.statusText,
    age: answer.ageSeconds,
    sendsAge: answer.sendsAge,
    freshFor: answer.freshForSeconds,
    body: answer.body
  }
  const { has: _has, lacks: _lacks, ...values } = expected
  assert.deepEqual({ ...actual, ...values }, actual, 'the answer')
}

function checkEntry(entry: Entry | undefined, expected: ExpectedEntry): void {
  assert(entry !== undefined, 'nothing is stored or updated')
  checkLines(entry.lines, expected, 'the entry')
  const { has: _has, lacks: _lacks, ...values } = expected
  const keptFor = (entry.expiresAtMs - entry.responseTimeMs) / 1000
  const bytes = `${entry.segments.map(({ start, end }) => `${start}-${end - 1}`)}/${entry.completeLength}`
  const actual = { key: entry.key, method: entry.method, vary: entry.vary, bytes, keptFor }
  assert.deepEqual({ ...actual, ...values }, actual, 'the entry')
}

function checkLines(lines: FieldLines, { has = [], lacks = [] }: ExpectedEntry | ExpectedAnswer, where: string): void {
  const present = lines.map(text)
  for (const line of has) assert(present.includes(line), `${where} has ${line}; it has ${present.join(' | ')}`)
  const names = new Set(lines.map(([name]) => name.toLowerCase()))
  for (const name of lacks) assert(!names.has(name.toLowerCase()), `${where} lacks ${name}`)
}

/** Fresh until a millisecond before, stale from then on. */
function checkLifetime(entry: Entry | undefined, request: Request, policy: Policy, seconds: number): void {
  assert(entry !== undefined, 'nothing is stored or updated')
  const isFreshAfter = (ms: number) => {
    const candidates = { stored: [{ entry }], otherVariants: false }
    return decideRequest(request, candidates, policy, entry.responseTimeMs + ms).reason === 'fresh'
  }
  if (seconds === Infinity) return assert(isFreshAfter(1e15), 'fresh for good')
  if (seconds > 0) assert(isFreshAfter(seconds * 1000 - 1), `fresh a millisecond before ${seconds} s`)
  assert(!isFreshAfter(seconds * 1000), `stale at ${seconds} s`)
}
