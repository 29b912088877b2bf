// Servers that answer by HTTP/2 without a length, and end their responses by END_STREAM or otherwise.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { setTimeout } from 'node:timers'
import { Agent } from 'undici'
import { type Origin, startOrigin } from './origin.ts'

interface End {
  readonly finish: (response: Http2ServerResponse) => void
  readonly isWhole: boolean
}

const ENDS: Readonly<Record<string, End>> = {
  '/end': { finish: response => later(() => response.end()), isWhole: true },
  '/end-at-once': { finish: response => response.end(), isWhole: true },
  '/trailers': {
    finish: response => {
      response.addTrailers({ digest: 'x' })
      response.end()
    },
    isWhole: true
  },
  '/destroy': { finish: response => later(() => response.stream.destroy()), isWhole: false },
  '/destroy-at-once': { finish: response => response.stream.destroy(), isWhole: false },
  '/no-error': { finish: response => later(() => response.stream.close(0)), isWhole: false },
  '/cancel': { finish: response => later(() => response.stream.close(8)), isWhole: false },
  '/lost': { finish: response => later(() => response.stream.session?.destroy()), isWhole: false }
}
export const PATHS = Object.keys(ENDS)
export const KEPT = { 'cache-control': 'max-age=60' }

function later(action: () => void): void {
  setTimeout(action, 20)
}

export function endOf(path: string): End {
  const end = ENDS[path.replace(/\?.*/, '')]
  assert.ok(end)
  return end
}

/** Answers `body`, and ends it as the path says. */
export function startHttp2(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Origin> {
  return startOrigin(({ path }, response) => {
    answer(path, response, body, headers)
  }, 'h2')
}

function answer(path: string, response: ServerResponse, body: string | Uint8Array, headers: object): void {
  const theirs = response as unknown as Http2ServerResponse
  theirs.writeHead(200, { ...KEPT, ...headers })
  theirs.write(body)
  endOf(path).finish(theirs)
}

export function agentFor({ ca }: Origin): Agent {
  return new Agent({ allowH2: true, connect: { ca } })
}

/** Whether the origin is not asked any more when a path is asked for again. */
export async function isStored(origin: Origin, path: string, get: (url: string) => Promise<unknown>): Promise<boolean> {
  // What undici tells as an error is no concern of ours.
  await get(origin.url + path).catch(() => {})
  const before = origin.requests.length
  await get(origin.url + path).catch(() => {})
  return origin.requests.length === before
}

export async function assertStored(
  origin: Origin,
  path: string,
  get: (url: string) => Promise<unknown>
): Promise<void> {
  assert.equal(await isStored(origin, path, get), endOf(path).isWhole, path)
}
