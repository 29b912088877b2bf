const NOW = Promise.resolve()

/** Runs an action after the current callback. The cache sends every request of its own in this way: not every dispatcher
 * supports that a request is sent within a callback of another's response. */
export function soon(action: () => void): void {
  void NOW.then(action)
}
