// Asks through caches whose stores fail, without a listener of their own, and says which warnings the process gave. Run by
// fault-warning.test.ts, with the name of a scenario.
import { setImmediate as turn } from 'node:timers/promises'
import { Agent, interceptors, request } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { toUndiciStore } from 'undici-http-cache/stores/undici'
import { type Fault, FaultyStore } from '../support/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

export interface Warned {
  readonly name: string
  readonly code: unknown
  readonly message: string
}

const OPERATIONS = ['get', 'put', 'write', 'commit'] as const

const warned: Warned[] = []
process.on('warning', ({ name, message, ...rest }) =>
  warned.push({ name, message, code: (rest as { code?: unknown }).code })
)

const origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })

function failing(error: unknown): Fault {
  return () => {
    throw error
  }
}

async function ask(error: unknown, operation: (typeof OPERATIONS)[number] = 'get', options = {}): Promise<void> {
  const store = new FaultyStore(new MemoryStore())
  store.faults[operation] = failing(error)
  const dispatcher = new Agent().compose(cacheInterceptor({ store, ...options }))
  const { body } = await request(origin.url, { dispatcher })
  if ((await body.text()) !== 'x') throw new Error('another body')
  await dispatcher.close()
}

function coded(code: string, message = 'a fault'): Error {
  return Object.assign(new Error(message), { code })
}

const SCENARIOS: Record<string, () => Promise<void>> = {
  async pairs() {
    for (let i = 0; i < 3; i++) {
      for (const operation of ['get', 'put'] as const) {
        await ask(coded('EIO'), operation)
        await ask(coded('ENOSPC'), operation)
      }
      await ask(new TypeError('no code'))
    }
  },
  async flood() {
    for (let i = 0; i < 30; i++) await ask(coded(`E${i}`))
  },
  async heard() {
    for (const operation of OPERATIONS) await ask(coded('EIO'), operation, { onStoreError: () => {} })
  },
  async strange() {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const throwing = {
      get code(): string {
        throw new Error('from code')
      },
      get message(): string {
        throw new Error('from message')
      },
      get name(): string {
        throw new Error('from name')
      }
    }
    const strange = [undefined, null, 42, Symbol('x'), Object.create(null), throwing, revoked.proxy, () => {}]
    for (const error of [...strange, { code: {}, name: 1n, message: ['x'] }]) {
      for (const operation of OPERATIONS) await ask(error, operation)
    }
  },
  async undici() {
    const store = new FaultyStore(new MemoryStore())
    store.faults.get = failing(coded('EIO'))
    const dispatcher = new Agent().compose(interceptors.cache({ store: toUndiciStore(store) }))
    for (let i = 0; i < 2; i++) {
      const { body } = await request(origin.url, { dispatcher })
      await body.text()
    }
    await dispatcher.close()
  }
}

await SCENARIOS[process.argv[2] ?? '']?.()
await turn()
await origin.close()
process.send?.(warned)
process.disconnect?.()
