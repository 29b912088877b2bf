// A program whose global fetch leads to ours, as its last argument says. Prints what it has got.
import type { Fetch } from 'undici-http-cache'

const [url = '', how] = process.argv.slice(2)
const { Request, Response } = globalThis

if (how === 'assigned') {
  const { CachedClient, createFetch } = await import('undici-http-cache')
  for (const fetch of [new CachedClient().fetch, createFetch()]) {
    globalThis.fetch = fetch
    await print(await globalThis.fetch(url))
    await print(await globalThis.fetch(new Request(url)))
  }
} else {
  // Before the package is loaded; the second leaves out what it does not know.
  let cached: Fetch | undefined
  const load = async () => (cached ??= (await import('undici-http-cache')).createFetch())
  globalThis.fetch =
    how === 'wrapped'
      ? async (input, init) => (await load())(input as Request, init)
      : async input => (await load())(input as Request)
  await print(await fetch(url))
  await print(await fetch(new Request(url)))
  await print(await fetch(new Request(url, { method: 'POST', body: 'content', headers: { 'x-own': 'a' } })))
}

async function print(response: Response): Promise<void> {
  const { fromCache } = response as Response & { fromCache?: boolean }
  console.log(`${await response.text()} ${fromCache} ${how === 'assigned' ? response instanceof Response : ''}`.trim())
}
