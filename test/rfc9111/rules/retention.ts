import { ago, cc, ok, type Row, rule, took } from './row.ts'

/** What was fresh for a minute, 10 seconds after that. */
function stale(directives: string, ...lines: string[]) {
  return ago(70, ok(cc(directives), 'ETag: "a"', ...lines))
}

const DAY = 86_400

export const retention: readonly Row[] = [
  rule('§4.3', 'what can be validated is kept a week after its lifetime')
    .given({ origin: ok(cc('max-age=60'), 'ETag: "a"') })
    .expect({ entry: { keptFor: 60 + 7 * DAY } }),
  rule('§4.3', 'Last-Modified is a validator')
    .given({ origin: ok(cc('max-age=60'), 'Last-Modified: then') })
    .expect({ entry: { keptFor: 60 + 7 * DAY } }),
  rule('§4.3', 'what can not be validated is kept for its lifetime')
    .given({ origin: ok(cc('max-age=60')) })
    .expect({ entry: { keptFor: 60 } }),
  rule('§4.3', 'retainSeconds says how long')
    .given({ policy: { retainSeconds: 5 }, origin: ok(cc('max-age=60'), 'ETag: "a"') })
    .expect({ entry: { keptFor: 65 } }),
  rule('RFC 5861 §3', 'the stale-while-revalidate window is kept')
    .given({ origin: ok(cc('max-age=60, stale-while-revalidate=30, stale-if-error=20')) })
    .expect({ entry: { keptFor: 90 } }),
  rule('RFC 5861 §4', 'the stale-if-error window is kept')
    .given({ origin: ok(cc('max-age=60, stale-while-revalidate=20, stale-if-error=30')) })
    .expect({ entry: { keptFor: 90 } }),
  rule('§4.3', 'of the windows and retainSeconds the longest is kept')
    .given({ policy: { retainSeconds: 5 }, origin: ok(cc('max-age=60, stale-if-error=30'), 'ETag: "a"') })
    .expect({ entry: { keptFor: 90 } }),
  rule('§5.2.2.2', 'a window that must-revalidate closes is not kept')
    .given({ origin: ok(cc('max-age=60, stale-if-error=30, must-revalidate')) })
    .expect({ entry: { keptFor: 60 } }),
  rule('§4.2.4', "whenDisconnected: 'stale' keeps what can not be validated")
    .given({ policy: { whenDisconnected: 'stale' }, origin: ok(cc('max-age=60')) })
    .expect({ entry: { keptFor: 60 + 7 * DAY } }),
  rule('§4.3', 'the time to keep counts from the arrival')
    .given({ origin: took(5000, ok(cc('max-age=60'), 'Age: 10', 'Date: {-20}')) })
    .expect({ entry: { keptFor: 60 } }),
  rule('§4.3', 'what was fresh twice as long ago is still validated')
    .given({ stored: ago(600, ok(cc('max-age=60'), 'ETag: "a"')) })
    .expect({ request: 'revalidate stale', sends: ['If-None-Match: "a"'] }),
  rule('§4.2', 'a stricter policy takes effect on what is stored')
    .given({
      storedUnder: { defaultFreshnessSeconds: 3600 },
      policy: { defaultFreshnessSeconds: 60 },
      stored: ago(70, ok())
    })
    .expect({ request: 'revalidate stale' }),
  rule('§4.2', 'a laxer policy takes effect on what is stored')
    .given({ policy: { staleWhileRevalidateSeconds: 60 }, storedUnder: {}, stored: stale('max-age=60') })
    .expect({ request: 'stale-while-revalidate stale-while-revalidate' })
]
