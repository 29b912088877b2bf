import { build, defineConfig, type Options } from 'tsup'
import manifest from './package.json' with { type: 'json' }

// What package.json exports is what is built: './stores/memory' is stores/memory.ts, '.' is lib/index.ts.
const subpaths = Object.keys(manifest.exports).filter(path => path !== '.' && path !== './package.json')
const modules = subpaths.map(path => path.slice('./'.length))
const entry = { index: 'lib/index.ts', ...Object.fromEntries(modules.map(path => [path, `${path}.ts`])) }

const common: Options = {
  config: false,
  target: 'node20',
  platform: 'node',
  // 'node:test' has no other name.
  removeNodeProtocol: false,
  silent: true
}

/**
 * The ES modules, rewritten file by file: what two entries share is one file here too. What tsup itself has for it turns
 * each ?. and ?? into closures; Rollup, its other way, has changed what the code does.
 */
async function buildCommonJs(): Promise<void> {
  await build({
    ...common,
    entry: ['dist/**/*.js'],
    format: 'cjs',
    splitting: false,
    sourcemap: true,
    esbuildPlugins: [
      {
        name: 'siblings',
        setup({ onResolve }) {
          onResolve({ filter: /^\.{1,2}\// }, ({ path, kind }) =>
            kind === 'entry-point' ? undefined : { path: path.replace(/\.js$/, '.cjs'), external: true }
          )
        }
      }
    ]
  })
}

export default defineConfig({
  ...common,
  entry,
  format: 'esm',
  // What two entries share is one file: one class, symbol and WeakMap each, whatever is imported.
  splitting: true,
  // Each map holds the sources, which are not in the package.
  sourcemap: true,
  clean: true,
  async onSuccess() {
    await buildCommonJs()
    // tsup asks for `baseUrl`, which TypeScript 6 calls deprecated.
    const dts = { only: true, compilerOptions: { ignoreDeprecations: '6.0' } }
    await build({ ...common, entry, format: ['esm', 'cjs'], dts })
  }
})
