// What the built-in fetch and undici's fetch take: each made anew, since bodies can be read once.
import { Blob, File } from 'node:buffer'
import { Readable } from 'node:stream'

/** The classes that the built-in fetch and undici's each have of their own. */
export interface Classes {
  readonly FormData: typeof globalThis.FormData
  readonly Headers: typeof globalThis.Headers
  readonly Request: typeof globalThis.Request
}

export type Arguments = [input: string | URL | Request, init?: RequestInit]

type Make = (url: string, classes: Classes) => Arguments

const streamed = { method: 'POST', duplex: 'half' } as const

function form({ FormData }: Classes): FormData {
  const data = new FormData()
  data.append('a b', 'ü\r\n"')
  data.append('blob', new Blob(['some text'], { type: 'text/plain' }) as never, 'b.txt')
  data.append('file', new File(['more', new Uint8Array([0, 255])], 'ä "1".bin', { type: 'application/x-y' }) as never)
  data.append('a b', '')
  return data
}

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode('first ')
  yield new TextEncoder().encode('second')
}

const stream = () => new Blob(['streamed ', 'body']).stream() as ReadableStream

/** Without classes of their own. */
export const COMMON: Record<string, (url: string) => Arguments> = {
  'a URL as text': url => [`${url}/path?q=1#fragment`],
  'a URL': url => [new URL('/path', url)],
  'an object that reads as a URL': url => [{ toString: () => `${url}/path` } as never],
  'an empty init': url => [url, {}],
  'null for an init': url => [url, null as never],
  'a method': url => [url, { method: 'delete' }],
  'a method of its own': url => [url, { method: 'PROPFIND' }],
  HEAD: url => [url, { method: 'HEAD' }],
  'headers as an object': url => [url, { headers: { 'X-Own': 'a', accept: 'text/css', 'User-Agent': 'own/1' } }],
  'headers as pairs': url => [
    url,
    {
      headers: [
        ['X-Own', 'a'],
        ['x-own', 'b'],
        ['Cookie', 'c=d']
      ]
    }
  ],
  'headers that a browser forbids': url => [url, { headers: { origin: 'http://o', referer: 'http://r', cookie: 'a' } }],
  'a string': url => [url, { method: 'POST', body: 'text ü' }],
  'an empty string': url => [url, { method: 'POST', body: '' }],
  'no body': url => [url, { method: 'POST' }],
  'null for a body': url => [url, { method: 'POST', body: null }],
  'an ArrayBuffer': url => [url, { method: 'POST', body: new Uint8Array([1, 2, 3]).buffer }],
  'a view of an ArrayBuffer': url => [url, { method: 'POST', body: new Uint8Array([1, 2, 3, 4]).subarray(1, 3) }],
  'a Buffer': url => [url, { method: 'POST', body: Buffer.from('buffer') as never }],
  'a Blob': url => [url, { method: 'POST', body: new Blob(['blob'], { type: 'text/css' }) as never }],
  'a Blob without a type': url => [url, { method: 'POST', body: new Blob(['blob']) as never }],
  'a File': url => [url, { method: 'POST', body: new File(['file'], 'name', { type: 'text/css' }) as never }],
  URLSearchParams: url => [url, { method: 'PUT', body: new URLSearchParams({ q: 'a b', r: 'é' }) }],
  'URLSearchParams with a content type': url => [
    url,
    { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: new URLSearchParams({ q: 'a' }) }
  ],
  'a ReadableStream': url => [url, { ...streamed, body: stream() }],
  'an async iterable': url => [url, { ...streamed, body: chunks() as never }],
  'a Readable of node:stream': url => [url, { ...streamed, body: Readable.from([Buffer.from('readable')]) as never }],
  'a referrer': url => [url, { referrer: `${url}/from` }],
  'cache no-store': url => [url, { cache: 'no-store' } as RequestInit],
  'cache no-cache': url => [url, { cache: 'no-cache' } as RequestInit],
  'mode, credentials and keepalive': url => [url, { mode: 'no-cors', credentials: 'include', keepalive: true }],
  'an init of a class, with getters': url => [
    url,
    new (class {
      get method() {
        return 'PUT'
      }
      get body() {
        return 'from a getter'
      }
    })()
  ],
  'an init that inherits': url => [url, Object.create({ method: 'PUT', body: 'inherited' })],
  'an init with members that are undefined': url => [url, { method: undefined, body: undefined } as never]
}

/** Of the classes that the fetch has of its own. */
export const OF_CLASSES: Record<string, Make> = {
  Headers: (url, { Headers }) => [
    url,
    {
      headers: new Headers([
        ['X-Own', 'a'],
        ['b', 'c'],
        ['X-Own', 'd']
      ])
    }
  ],
  FormData: (url, classes) => [url, { method: 'POST', body: form(classes) }],
  'FormData without entries': (url, { FormData }) => [url, { method: 'POST', body: new FormData() }],
  'FormData and Headers': (url, classes) => [
    url,
    { method: 'POST', headers: new classes.Headers({ 'X-Own': 'a' }), body: form(classes) }
  ],
  'a Request': (url, { Request }) => [new Request(`${url}/path?q=1`)],
  'a Request with headers': (url, { Request }) => [new Request(url, { headers: { 'X-Own': 'a', accept: 'text/css' } })],
  'a Request with text': (url, { Request }) => [new Request(url, { method: 'POST', body: 'text' })],
  'a Request with FormData': (url, classes) => [new classes.Request(url, { method: 'POST', body: form(classes) })],
  'a Request with a Blob': (url, { Request }) => [new Request(url, { method: 'POST', body: new Blob(['b']) as never })],
  'a Request with a stream': (url, { Request }) => [new Request(url, { ...streamed, body: stream() })],
  'a Request with a referrer': (url, { Request }) => [new Request(url, { referrer: `${url}/from` })],
  'a Request without a referrer': (url, { Request }) => [new Request(url, { referrer: '' })],
  'a Request with a referrer, and an empty init': (url, { Request }) => [
    new Request(url, { referrer: `${url}/from` }),
    {}
  ],
  'a Request with a referrer, and an init': (url, { Request }) => [
    new Request(url, { referrer: `${url}/from`, headers: { 'x-own': 'a' } }),
    { method: 'PUT' }
  ],
  'a Request with cache no-store': (url, { Request }) => [new Request(url, { cache: 'no-store' } as RequestInit)],
  'a Request and another body': (url, { Request }) => [
    new Request(url, { method: 'POST', body: 'first', headers: { 'X-Own': 'a' } }),
    { body: 'second' }
  ],
  'a Request and other headers': (url, { Request }) => [
    new Request(url, { method: 'POST', body: 'first', headers: { 'X-Own': 'a' } }),
    { headers: { 'x-other': 'b' } }
  ],
  'a clone of a Request': (url, { Request }) => [new Request(url, { method: 'POST', body: 'cloned' }).clone()],
  'a Request of a Request': (url, { Request }) => [new Request(new Request(url, { method: 'PUT', body: 'x' }))],
  'a Request of a class that extends it': (url, { Request }) => [
    new (class Own extends Request {})(url, { method: 'PUT', body: 'x' })
  ],
  'a Request as an init': (url, { Request }) => [
    `${url}/other`,
    new Request(url, { method: 'PUT', body: 'x', headers: { 'X-Own': 'a' } }) as RequestInit
  ]
}
