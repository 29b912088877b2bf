// A process of the tests beside this file: tsx process.ts <role> <options as JSON>, with messages over IPC.
// IOREDIS names the package that stands in for ioredis.
import { register } from 'node:module'
import type { RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { growthOf, MEBIBYTE } from '../../support/memory-growth.ts'
import { bytesOf, entryOf, find, piecesOf, store } from '../../support/responses.ts'

const [role = '', json = '{}'] = process.argv.slice(2)

const other = process.env['IOREDIS']
if (other !== undefined) {
  const hook = `export const resolve = (name, context, next) => next(name === 'ioredis' ? '${other}' : name, context)`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}
const { RedisStore } = await import('undici-http-cache/stores/redis')
const target = new RedisStore(JSON.parse(json) as RedisStoreOptions)

/** Does what it is told, once for each message. */
function obey(): void {
  process.on('message', (message: { do: string; key: string; text?: string }) => {
    const { key } = message
    const work = async () => {
      if (message.do === 'store') {
        await store(target, entryOf(key, { tags: ['group'] }), [Buffer.from(message.text ?? '')])
        return undefined
      }
      if (message.do === 'delete') return target.delete(key)
      if (message.do === 'tag') return target.deleteByTag(key)
      if (message.do === 'clear') return target.clear()
      const found = await find(target, key)
      return found === undefined ? undefined : (await bytesOf(await found.open())).toString()
    }
    work().then(
      result => process.send?.({ result }),
      error => process.send?.({ error: String(error) })
    )
  })
  process.send?.({ ready: true })
}

/** Uses the store, and leaves it open: nothing may keep the process. */
async function idle(): Promise<void> {
  await store(target, entryOf(), [Buffer.alloc(100_000)])
  await bytesOf(await (await find(target))?.open())
  tellIdleTime()
}

/** Asks in vain, and leaves it at that. */
async function fail(): Promise<void> {
  await find(target).catch(error => process.stdout.write(`failed: ${error.code}, `))
  tellIdleTime()
}

function tellIdleTime(): void {
  const lastUse = performance.now()
  process.on('exit', () => process.stdout.write(`idle since ${Math.round(performance.now() - lastUse)} ms`))
}

/** Stores and replays a large body; tells by how much the memory grew. */
async function large(): Promise<void> {
  await storeAndReplay(1)
  const { result, grownBy } = await growthOf(() => storeAndReplay(Number(process.env['LARGE_MIB'])))
  process.send?.({ isSame: result, grownBy })
  await target.close()
  process.disconnect?.()
}

/** Whether what comes back is what was stored. */
async function storeAndReplay(mebibytes: number): Promise<boolean> {
  const PIECE_BYTES = 65_536
  const piecesCount = (mebibytes * MEBIBYTE) / PIECE_BYTES
  function* pieces() {
    for (let i = 0; i < piecesCount; i++) yield Buffer.alloc(PIECE_BYTES, i % 251)
  }
  const key = `https://store.test/${mebibytes}`
  const stored = await store(target, entryOf(key), pieces())
  const expected = Buffer.alloc(PIECE_BYTES)
  let position = 0
  let isSame = stored !== undefined
  for await (const chunk of piecesOf(await (await find(target, key))?.open())) {
    for (let offset = 0; offset < chunk.length; ) {
      const end = Math.min(chunk.length, offset + PIECE_BYTES - (position % PIECE_BYTES))
      expected.fill(Math.floor(position / PIECE_BYTES) % 251)
      isSame &&= expected.subarray(0, end - offset).equals(chunk.subarray(offset, end))
      position += end - offset
      offset = end
    }
  }
  return isSame && position === mebibytes * MEBIBYTE
}

if (role === 'obey') obey()
else if (role === 'idle') await idle()
else if (role === 'fail') await fail()
else await large()
