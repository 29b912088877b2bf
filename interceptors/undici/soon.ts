const NOW = Promise.resolve()

/** Does something once what is being done at present is done. Whatever the cache sends by itself it sends like this: a
 * dispatcher need not bear that one request is sent within a callback of another's response. */
export function soon(action: () => void): void {
  void NOW.then(action)
}
