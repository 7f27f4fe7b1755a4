// What `check` says of two patterns is what requests will find.
import { describe, expect, it } from 'vitest'
import { coversPath, meet } from '../../src/config/checks/route-patterns.ts'
import { compilePattern } from '../../src/destination/find-portal.ts'

const texts = ['a', 'b', 'ab', '*', 'a*', '*b', '**']
const upTo = (length: number, from: readonly string[]): readonly string[] =>
  length === 0 ? [''] : upTo(length - 1, from).flatMap((start) => [start, ...from.map((text) => `${start}/${text}`)])
const patterns = [...new Set(upTo(3, texts))].filter((pattern) => pattern !== '')
const paths = [...new Set(upTo(4, ['a', 'b', 'ab', 'aab', '']))].filter((path) => path !== '')
const matched = new Map(
  patterns.map((pattern) => {
    const matches = compilePattern(pattern, { pathCase: 'sensitive', closingSlash: false })
    return [pattern, new Set(paths.filter(matches))] as const
  }),
)
/** Every third pair: enough, and quick. */
const pairs = patterns.flatMap((a, index) => patterns.filter((_, at) => (index + at) % 3 === 0).map((b) => [a, b] as const))

describe('two patterns of routes', () => {
  it('cover each other only where every path of the one is one of the other', () => {
    const wrong = pairs.filter(([a, b]) => coversPath(a, b) && [...matched.get(b)!].some((path) => !matched.get(a)!.has(path)))
    expect(wrong).toEqual([])
  })

  it('meet exactly where there is a path that both match', () => {
    const wrong = pairs.filter(([a, b]) => meet(a, b) !== [...matched.get(a)!].some((path) => matched.get(b)!.has(path)))
    expect(wrong).toEqual([])
  })

  it.each([
    ['/app/**', '/app', true],
    ['/app/**', '/app/*/x', true],
    ['/app/*', '/app/a*', true],
    ['/**/x', '/a/**/x', true],
    ['/app/*', '/app/a/b', false],
    ['/app/**', '/apples', false],
    ['/a.b', '/axb', false],
  ])('%s covers %s: %s', (a, b, expected) => {
    expect(coversPath(a, b)).toBe(expected)
  })
})
