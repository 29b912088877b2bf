// npm run test:packed [-- --format cjs] [--node 24] [--undici 8] [name ...]
//
// Packs the package, installs it into a folder of its own, and runs there the tests of public behaviour (or those whose
// path contains a name): with `import` of its ES modules, or, with --format cjs, of what `require` loads. `--node` is a major
// version, `--undici` one or an exact version. What is left goes to scripts/test.ts.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { PackedProject } from './packed-project.ts'
import { isPublic, testFiles } from './public-tests.ts'
import { nodeBinary } from './registry.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    format: { type: 'string', default: 'esm' },
    node: { type: 'string', default: process.versions.node.replace(/\..*/, '') },
    undici: { type: 'string', default: '7' }
  }
})
const { format } = options
if (format !== 'esm' && format !== 'cjs') {
  console.error('--format is esm or cjs')
  process.exit(2)
}

const files = testFiles()
const node = nodeBinary(options.node)
using project = new PackedProject(options.undici)
const env = project.environment(node, format)
console.log(`${files.filter(isPublic).length} of ${files.length} test files, on the packed package as ${format}`)
const args = ['--import', 'tsx', 'scripts/test.ts', ...names]
const { status } = spawnSync(node, args, { cwd: project.directory, env, stdio: 'inherit' })
process.exitCode = status ?? 1
