/** What a test file's process tells scripts/test.ts, in a line of JSON each. */
export type TestEvent =
  | { readonly kind: 'begin' | 'end'; readonly name: string; readonly nesting: number }
  | { readonly kind: 'pass' | 'skip' | 'todo' }
  /** `failure` is text; a test that has failed only because one within it has is without. */
  | { readonly kind: 'fail'; readonly failure?: string }
