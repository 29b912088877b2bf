import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

const root = dirname(import.meta.dirname)

/** Whether each file of the package has a source map that holds its sources as they are, and stack traces name those. */
export function checkSourceMaps(project: string): void {
  const installed = join(project, 'node_modules/undici-http-cache')
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter(file => /\.c?js$/.test(file))
    .map(file => join(installed, 'dist', file))
  assert.notEqual(files.length, 0)
  for (const file of files) checkMap(file, installed)
  for (const [type, load] of [
    ['commonjs', "const { cacheInterceptor } = require('undici-http-cache')"],
    ['module', "import { cacheInterceptor } from 'undici-http-cache'"]
  ]) {
    const script = `${load}; cacheInterceptor({ type: 'neither' })`
    const args = ['--enable-source-maps', `--input-type=${type}`, '--eval', script]
    const { stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' })
    const [, file = '', line = ''] = /\bcacheInterceptor \(.*undici-http-cache\/([^:]*):(\d+):\d+\)/.exec(stderr) ?? []
    const source = existsSync(join(root, file)) && file !== '' ? readFileSync(join(root, file), 'utf8') : ''
    assert.match(source.split('\n')[Number(line) - 1] ?? '', /readOptions\(/, `no line of the source: ${stderr}`)
  }
}

function checkMap(file: string, installed: string): void {
  const [, name = ''] = /\n\/\/# sourceMappingURL=(.*)\s*$/.exec(readFileSync(file, 'utf8')) ?? []
  assert.equal(name, `${basename(file)}.map`)
  const { sources, sourcesContent } = JSON.parse(readFileSync(join(dirname(file), name), 'utf8'))
  assert.equal(sourcesContent?.length, sources.length, file)
  sources.forEach((source: string, index: number) => {
    const path = resolve(dirname(file), source).slice(installed.length)
    assert.equal(sourcesContent[index], readFileSync(join(root, path), 'utf8'), `${file}: ${source}`)
  })
}
