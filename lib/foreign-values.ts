/** Whether it is a URL, whoever's: that of a test runner's realm, or of a package, is no instance of the global one. */
export function isUrl(value: unknown): value is URL {
  const { href, origin } = Object(value)
  return typeof value === 'object' && typeof href === 'string' && typeof origin === 'string'
}
