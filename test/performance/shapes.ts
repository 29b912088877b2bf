// Stores and hits a few responses, and says how many shapes V8 has given to what is made of each, and used by every hit:
// run by shapes.test.ts with --allow-natives-syntax.
import { Agent, type Dispatcher } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { readOptions } from '../../interceptors/options.ts'
import { judge } from '../../lib/rfc9111/judgement.ts'
import { startOrigin } from '../support/origin.ts'

/** Compiled only here: nobody else's flags allow the syntax. */
const haveSameShape = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean
const RESPONSES = 20

await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', etag: '"1"' }, body: 'x' })
const store = new MemoryStore()
const dispatcher = new Agent().compose(cacheInterceptor({ store }))
const made: Record<string, object[]> = { entry: [], directives: [], headers: [], 'context of a miss': [] }
const policy = readOptions({}).policy

for (let i = 0; i < RESPONSES; i++) {
  made['context of a miss']?.push((await once(`/${i}`)).context)
  made['headers']?.push((await once(`/${i}`)).headers)
}
for await (const entry of store.entries()) {
  made['entry']?.push(entry)
  made['directives']?.push(judge(entry, policy).directives)
}
for (const [what, objects] of Object.entries(made)) {
  const shapes: object[] = []
  for (const object of objects) if (!shapes.some(shape => haveSameShape(shape, object))) shapes.push(object)
  process.stdout.write(`${JSON.stringify({ what, objects: objects.length, shapes: shapes.length })}\n`)
}
await dispatcher.close()

function once(path: string): Promise<{ context: object; headers: object }> {
  return new Promise((resolve, reject) => {
    let context = {}
    let headers = {}
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(_controller, given) {
        context = given as object
      },
      onResponseStart(_controller, _statusCode, given) {
        headers = given
      },
      onResponseData() {},
      onResponseEnd() {
        resolve({ context, headers })
      },
      onResponseError(_controller, error) {
        reject(error)
      }
    }
    dispatcher.dispatch({ origin: origin.url, path, method: 'GET' }, handler)
  })
}
