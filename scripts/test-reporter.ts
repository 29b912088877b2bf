// A reporter of node:test, loaded into the process of each test file: a line of JSON for each event that scripts/test.ts needs.
import { inspect } from 'node:util'
import type { TestEvent } from './test-event.ts'

interface Details {
  readonly error?: Error
  readonly type?: string
}
interface Data {
  readonly name: string
  readonly nesting: number
  readonly skip?: string | boolean
  readonly todo?: string | boolean
  readonly details?: Details
}

export default async function* report(source: AsyncIterable<{ type: string; data: Data }>): AsyncGenerator<string> {
  /** The names of the tests that the current one is in, outermost first. */
  const path: string[] = []
  for await (const { type, data } of source) {
    if (type === 'test:start') path.splice(data.nesting, path.length, data.name)
    const event = toEvent(type, data, path)
    if (event !== undefined) yield `${JSON.stringify(event)}\n`
  }
}

function toEvent(type: string, data: Data, path: readonly string[]): TestEvent | undefined {
  const isSuite = data.details?.type === 'suite'
  switch (type) {
    case 'test:dequeue':
      return { kind: 'begin', name: data.name, nesting: data.nesting }
    case 'test:complete':
      return { kind: 'end', name: data.name, nesting: data.nesting }
    case 'test:pass':
      if (isSuite) return undefined
      return { kind: data.skip !== undefined ? 'skip' : data.todo !== undefined ? 'todo' : 'pass' }
    case 'test:fail': {
      if (data.todo !== undefined) return { kind: 'todo' }
      const error: { failureType?: string; cause?: unknown } | undefined = data.details?.error
      // Its tests are reported themselves.
      if (error?.failureType === 'subtestsFailed') return isSuite ? undefined : { kind: 'fail' }
      const isOfNode = error?.failureType === 'testCodeFailure' || error?.failureType === 'hookFailed'
      const cause = isOfNode ? error.cause : error
      const text = typeof cause === 'string' ? cause : inspect(cause, { depth: 8, maxStringLength: 20_000 })
      const names = [...path.slice(0, data.nesting), data.name]
      return { kind: 'fail', failure: `${names.join(' > ')}\n${text}` }
    }
    default:
      return undefined
  }
}
