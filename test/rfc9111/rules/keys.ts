import { ago, cc, get, host, ok, type Row, rule, to } from './row.ts'

export const keys: readonly Row[] = [
  rule('§2', 'one address under two Hosts is two resources')
    .given({ stored: ago(1, ok(cc('max-age=60')), host('one.test', get())), request: host('two.test', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§2', 'one address under one Host is one resource')
    .given({ stored: ago(1, ok(cc('max-age=60')), host('one.test', get())), request: host('One.Test', get()) })
    .expect({ request: 'hit fresh' }),
  rule('§2', 'a Host that is that of the origin makes no difference')
    .given({ stored: ago(1, ok(cc('max-age=60')), get()), request: host('A.test', get()) })
    .expect({ request: 'hit fresh' }),
  rule('§2', 'a Host that ends like that of the origin is another')
    .given({ stored: ago(1, ok(cc('max-age=60')), get()), request: host('test', get()) })
    .expect({ request: 'miss uri-miss' }),
  rule('§2', 'a response is stored under the key of its request')
    .given({ request: host('two.test', to('/y?b', get())), origin: ok(cc('max-age=60')) })
    .expect({ entry: { key: 'http://a.test|two.test/y?b' } }),
  rule('§2', 'the case of a path counts')
    .given({ stored: ago(1, ok(cc('max-age=60')), to('/y', get())), request: to('/Y', get()) })
    .expect({ request: 'miss uri-miss' })
]
