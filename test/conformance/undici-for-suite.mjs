// The suite's tests of interim responses compose a collector onto a plain undici Agent, which would go round the cache.
// This Agent is the dispatcher under test, so that the collector sits outside the cache.
export class Agent {
  compose(...interceptors) {
    return globalThis.dispatcherUnderTest.compose(...interceptors)
  }
}
