import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type IndexEntry, publish, readIndex } from './publish.ts'

const ENTRY: IndexEntry = { file: 'ours.json', name: "ours, a library's", type: 'browser', version: '1.0.0' }
/** As the suite writes its index. */
const INDEX = `
export default [
  {
    file: 'nginx.json',
    name: 'nginx',
    type: 'rev-proxy',
    version: '1.28.0-6ubuntu1',
    link: 'https://github.com/http-tests/cache-tests/wiki/nginx'
  },
  {
    file: 'fastly.json',
    name: 'Fastly',
    type: 'cdn',
    version: '2025-12-29'
  }
]
`

describe('published results', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'published-'))
  })
  after(() => rmSync(directory, { recursive: true }))
  const read = (file: string) => readFileSync(join(directory, file), 'utf8')

  it('are sorted by test, true or an error of a name and a message', async () => {
    const into = join(directory, 'new')
    await publish(into, ENTRY, { 'b-2': ['Assertion', 'not from cache'], a: true, 'b-10': true })
    const text = read('new/ours.json')
    assert.equal(text, '{\n  "a": true,\n  "b-10": true,\n  "b-2": [\n    "Assertion",\n    "not from cache"\n  ]\n}\n')
    assert.deepEqual(await readIndex(into), [ENTRY])
  })

  it('leave the entries of others in an index as they are, to the byte', async () => {
    writeFileSync(join(directory, 'index.mjs'), INDEX)
    await publish(directory, ENTRY, { a: true })
    assert.equal(
      read('index.mjs'),
      INDEX.replace(
        / {2}}\n]\n$/,
        "  },\n  {\n    file: 'ours.json',\n    name: 'ours, a library\\'s',\n    type: 'browser',\n    version: '1.0.0'\n  }\n]\n"
      )
    )
  })

  it('take the place of earlier ones of the same file', async () => {
    writeFileSync(join(directory, 'index.mjs'), INDEX)
    await publish(directory, { ...ENTRY, file: 'nginx.json' }, { a: true })
    await publish(directory, { ...ENTRY, file: 'nginx.json', version: '1.1.0' }, { a: true })
    const index = await readIndex(directory)
    assert.deepEqual(
      index.map(({ file, version }) => [file, version]),
      [
        ['nginx.json', '1.1.0'],
        ['fastly.json', '2025-12-29']
      ]
    )
  })
})
