/** The package as it is published: what a loader compiles on the fly is not what users run. Needs `npm run build`. */
export async function builtPackage(): Promise<typeof import('../lib/index.ts')> {
  return await import(new URL('../dist/index.js', import.meta.url).href)
}

/** The same of a subpath, such as 'stores/file'. */
export async function builtSubpath<Module>(subpath: string): Promise<Module> {
  return await import(new URL(`../dist/${subpath}.js`, import.meta.url).href)
}
