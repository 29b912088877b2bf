import type { FieldLine, FieldLines } from '../../lib/rfc9111/types.ts'
import type { ResponseHead } from './downstream-handler.ts'
import { type HeaderObject, toHeaderObject, toRawHeaders } from './header-lines.ts'

/** A header section made from lines, such as an origin's. This cache's member of Cache-Status comes after those of others. */
export class LinesHead implements ResponseHead {
  readonly statusCode: number
  readonly statusText: string
  readonly #lines: FieldLines

  constructor(statusCode: number, statusText: string, lines: FieldLines, status?: string) {
    this.statusCode = statusCode
    this.statusText = statusText
    this.#lines = status === undefined ? lines : [...lines, ['Cache-Status', status] satisfies FieldLine]
  }

  headers(): HeaderObject {
    return toHeaderObject(this.#lines)
  }

  rawHeaders(): Buffer[] {
    return toRawHeaders(this.#lines)
  }
}

const NO_LINES: FieldLines = []

/** Makes trailers into the form of a header section. */
export function trailersHead(lines: FieldLines): ResponseHead {
  return lines.length === 0 ? NO_TRAILERS : new LinesHead(0, '', lines)
}

const NO_TRAILERS: ResponseHead = new LinesHead(0, '', NO_LINES)
