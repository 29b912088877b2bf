// What a warning says of a foreign error: enough to know what is wrong, and nothing that is secret.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { warnOfFault } from '../../lib/fault-warning.ts'

const SECRETS: readonly string[] = [
  'GET https://h.example/p?token=s3cret failed',
  "GET 'https://h.example/p?q='s3cret' failed",
  'connect to redis://user:s3cret@h.example:6379/0 failed',
  'connect to redis://:s3cret@h.example failed',
  'connect to rediss://s3cret@h.example failed',
  'connect to redis://user:p@ss/s3cret@h.example failed',
  'connect to redis://user:12345/s3cret@h.example failed',
  'connect to //user:s3cret@h.example failed',
  'connect to user:s3cret@h.example failed',
  'https%3A%2F%2Fuser%3As3cret%40h.example%2F failed',
  'https%3a%2f%2fh.example%2f%3fq%3ds3cret failed',
  '{"url":"https:\\/\\/h.example\\/?q=s3cret"}',
  'no such key: /p?q=s3cret',
  'no such file: /tmp/p?q=s3cret',
  'https://h.example/#s3cret',
  'https://h.example/\u0000?q=\u0007s3cret',
  'https://us\u0000er:s3cret@h.example/',
  'Authorization: Bearer s3cret',
  'authorization: Basic s3cret=',
  'sent Bearer s3cret to it',
  'Cookie: a=1; b=s3cret',
  '{"password":"s3cret"}',
  'X-Amz-Signature=s3cret',
  'secretAccessKey = s3cret',
  `${'x'.repeat(900)} https://h.example/?${'y'.repeat(200)}s3cret`,
  `${'x '.repeat(480)} redis://user:${'s3cret'.repeat(30)}@h.example`
]

let count = 0

/** The text of the warning for a fault of such a message. */
async function warningFor(message: string): Promise<string> {
  forgetWhatWasTold()
  const warned: Error[] = []
  const listener = (warning: Error) => warned.push(warning)
  process.on('warning', listener)
  warnOfFault(Object.assign(new Error(message), { code: `E${count++}` }), 'get')
  await turn()
  process.off('warning', listener)
  assert.equal(warned.length, 1)
  return warned[0]?.message ?? ''
}

/** There are no more than 20 a process. */
function forgetWhatWasTold(): void {
  const told = (globalThis as { [key: symbol]: unknown })[Symbol.for('undici-http-cache.told')]
  if (told instanceof Set) told.clear()
}

for (const [i, message] of SECRETS.entries())
  test(`no query or credential of a URL is in the text: ${i} ${JSON.stringify(message.slice(0, 60))}`, async () => {
    const text = await warningFor(message)
    assert.ok(!text.includes('s3cret'), text)
  })

const SAID: readonly (readonly [string, string])[] = [
  ['connect ECONNREFUSED 127.0.0.1:6379', 'connect ECONNREFUSED 127.0.0.1:6379'],
  [
    "ENOSPC: no space left on device, open '/var/cache/a.rec'",
    "ENOSPC: no space left on device, open '/var/cache/a.rec'"
  ],
  ['GET https://h.example:8443/bucket/key?x=1 failed', 'GET https://h.example:8443/… failed'],
  ['https://[::1]:80/x: refused', 'https://[::1]:80/… refused'],
  ['https://h.example: refused', 'https://h.example/… refused'],
  ['two\nlines\tand a bell \u0007 and \u202eturned', 'two lines and a bell \\u0007 and \\u202eturned']
]

for (const [message, said] of SAID)
  test(`what is no secret is said: ${JSON.stringify(message)}`, async () => {
    const text = await warningFor(message)
    assert.ok(text.includes(`, ${said}. Requests`), text)
  })

test('the text is of limited length, however long the message is, and made at once', async () => {
  for (const message of [
    'x'.repeat(5_000_000),
    'x '.repeat(2_500_000),
    'a:'.repeat(2_500_000),
    '?'.repeat(5_000_000)
  ]) {
    const startedMs = performance.now()
    const text = await warningFor(message)
    assert.ok(text.length < 600, `${text.length} characters`)
    assert.ok(performance.now() - startedMs < 1000)
  }
})
