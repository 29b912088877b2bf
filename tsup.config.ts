import { defineConfig } from 'tsup'
import manifest from './package.json' with { type: 'json' }

// What package.json exports is what is built: './stores/memory' is stores/memory.ts, '.' is lib/index.ts.
const subpaths = Object.keys(manifest.exports).filter(path => path !== '.' && path !== './package.json')
const modules = subpaths.map(path => path.slice('./'.length))

export default defineConfig({
  entry: { index: 'lib/index.ts', ...Object.fromEntries(modules.map(path => [path, `${path}.ts`])) },
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  // 'node:test' has no other name.
  removeNodeProtocol: false,
  // What two entries share is one file, in CommonJS too: one class, symbol and WeakMap each, whatever is imported.
  splitting: true,
  // Rollup then makes the CommonJS files; tsup's other way turns each ?. and ?? into closures.
  treeshake: 'safest',
  dts: true,
  clean: true
})
