/** Whether it is a URL, whoever's: that of a test runner's realm, or of a package, is no instance of the global one. */
export function isUrl(value: unknown): value is URL {
  const { href, origin } = Object(value)
  return typeof value === 'object' && typeof href === 'string' && typeof origin === 'string'
}

/** A property of what may be anything that was thrown: undefined where it has none, or may not be looked at. */
export function propertyOf(value: unknown, name: string): unknown {
  try {
    return Object(value)[name]
  } catch {
    return undefined
  }
}
