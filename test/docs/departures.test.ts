// The pages of the internals against the code: departures, files, and the conformance tests that do not pass.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { documents, root, sourceText } from './documents.ts'
import { codeSpans, sectionOf, tableRows } from './markdown.ts'
import { packageFiles } from './sources.ts'

const MARK = /(Stricter than|Laxer than|Not implemented) \(?((?:RFC \d+ )?§[\d.]*\d)/g

describe('the pages of the internals', () => {
  it('list every departure that is marked in the code, and no other', () => {
    const marked = packageFiles().flatMap(file =>
      [...inOneLine(sourceText(file)).matchAll(MARK)].map(([, mark, section]) => `${mark} ${section}: ${file}`)
    )
    const rows = tableRows(sectionOf(sourceText('docs/internals/departures.md'), 'Departures'))
    const listed = rows.map(([mark, file = '']) => `${mark}: ${codeSpans(file).join()}`)
    assert.notEqual(marked.length, 0)
    assert.deepEqual(listed.sort(), marked.sort())
  })

  it('link to the departures from the sections of the RFCs that they depart from', () => {
    const rows = tableRows(sectionOf(sourceText('docs/internals/compliance.md'), 'Compliance'))
    const linked = rows.filter(([, , status = '']) => status.includes('](departures.md)'))
    assert.equal(linked.length, 7)
  })

  it('name no file that does not exist', () => {
    const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    const scripts = readdirSync(join(root, 'scripts')).map(file => `scripts/${file}`)
    const examples = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    const files = [...packageFiles(), ...scripts, ...tests.map(file => `test/${file.replaceAll('\\', '/')}`)]
    files.push(...examples.map(file => `examples/${file.replaceAll('\\', '/')}`))
    const named = documents().flatMap(document => codeSpans(sourceText(document)).filter(span => span.endsWith('.ts')))
    assert.deepEqual(
      named.filter(name => !files.some(file => file === name || file.endsWith(`/${name}`))),
      []
    )
  })

  it('name conformance tests that exist, and do not pass', () => {
    const page = sourceText('docs/internals/conformance.md')
    const section = page.slice(page.indexOf('What is required'))
    const rows = tableRows(section)
    for (const [tests = '', cache = ''] of rows) {
      for (const id of codeSpans(tests)) {
        assert.notEqual(resultOf('shared', id), 'pass', id)
        if (cache === 'both') assert.notEqual(resultOf('private', id), 'pass', id)
      }
    }
    const ids = codeSpans(section.slice(section.lastIndexOf('|'))).filter(span =>
      /^[a-z][\w=]*(?:-[\w=]+)+$/i.test(span)
    )
    assert.equal(ids.length, 6)
    for (const id of ids) assert.notEqual(resultOf('shared-defaults', id), 'pass', id)
  })
})

describe('SECURITY.md', () => {
  it('names a test that exists for each threat', () => {
    const rows = tableRows(sectionOf(sourceText('SECURITY.md'), 'Threats'))
    assert.notEqual(rows.length, 0)
    for (const [threat, , cell = ''] of rows) {
      const [, file = '', name = ''] = /^`([^`]+)`: (.+)$/.exec(cell) ?? []
      assert.ok(sourceText(file).includes(name), `${threat}: ${cell}`)
    }
  })
})

/** Comments that go over several lines, as one. */
function inOneLine(source: string): string {
  return source.replaceAll(/\n\s*(?:\/\/|\*) /g, ' ')
}

function resultOf(name: string, id: string): string {
  const { tests } = JSON.parse(readFileSync(join(root, `test/conformance/results/${name}.json`), 'utf8'))
  assert.ok(Object.hasOwn(tests, id), `${name} has a result of ${id}`)
  return tests[id]
}
