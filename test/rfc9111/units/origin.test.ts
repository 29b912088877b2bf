import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { namedOrigin, normalTag, originTag } from '../../../lib/rfc9111/origin.ts'

describe('an origin', () => {
  for (const [text, origin] of [
    ['https://h', 'https://h'],
    ['https://h/', 'https://h'],
    ['HTTPS://H:443/', 'https://h'],
    ['http://h:80', 'http://h'],
    ['http://h:8080/', 'http://h:8080'],
    ['https://[::1]/', 'https://[::1]'],
    ['https://ä.example', 'https://xn--4ca.example'],
    ['https://h/api', undefined],
    ['https://h//', undefined],
    ['https://h/?q', undefined],
    ['https://h?', undefined],
    ['https://h#', undefined],
    ['https://user@h', undefined],
    ['https://user:password@h', undefined],
    ['ftp://h', undefined],
    ['data:,x', undefined],
    ['null', undefined],
    ['h', undefined],
    ['', undefined]
  ] as const) {
    test(`${text} is ${origin}`, () => assert.equal(namedOrigin(text), origin))
  }
})

describe('a tag', () => {
  test('of an origin is one, however it is written', () => {
    const tag = originTag('https://h/path?query')
    assert.equal(tag, 'origin:https://h')
    for (const written of [tag, 'origin:https://h/', 'origin:https://H:443']) assert.equal(normalTag(written), tag)
  })

  test('of no origin, though it says so, is none', () => {
    for (const tag of ['origin:', 'origin:h', 'origin:https://h/path']) assert.equal(normalTag(tag), undefined)
  })

  test('of another kind stays as it is', () => {
    for (const tag of ['', 'x', 'Origin:https://h/', 'group:https://h/', ' origin:https://h/']) {
      assert.equal(normalTag(tag), tag)
    }
  })
})
