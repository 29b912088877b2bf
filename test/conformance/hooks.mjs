// A module hook, in the loader's own thread: the suite's `import('undici')` is undici-for-suite.mjs.
let suite

export function initialize(url) {
  suite = url
}

export function resolve(specifier, context, next) {
  if (specifier !== 'undici' || !context.parentURL?.startsWith(suite)) return next(specifier, context)
  return { url: new URL('undici-for-suite.mjs', import.meta.url).href, shortCircuit: true }
}
