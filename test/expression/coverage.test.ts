import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { compileCovered, coverageOf } from '../../src/expression/coverage.ts'
import type { Facts, Json } from '../../src/types.ts'

async function shown(source: string, ...all: readonly Record<string, Json>[]) {
  const covered = compileCovered(source)
  for (const facts of all) await covered.expression.evaluate(facts).catch(() => undefined)
  return { percent: coverageOf(covered.conditions), seen: covered.conditions.map(({ text, seen }) => [text, [...seen].sort()]) }
}

describe('coverage', () => {
  it('counts operands and comparisons, each with both of its outcomes', async () => {
    expect(await shown('hd = "x" and (level > 2 or ok)', { hd: 'x', level: 3 }, { hd: 'y' }, { hd: 'x', level: 1 })).toEqual({
      percent: 83,
      seen: [
        ['hd = "x"', [false, true]],
        ['level > 2', [false, true]],
        ['ok', [false]],
      ],
    })
  })

  it.each([
    ["hd == 'x'", ["hd == 'x'"]],
    ['not is_system or a == 1', ['is_system', 'a == 1']],
    ['$exists(groups[$ in ["a", "b"]])', ['$exists(groups[$ in ["a", "b"]])', '$ in ["a", "b"]']],
    ['a ? b = 1 : c', ['a', 'b = 1', 'c']],
    ['($d := now; $d < 5 and true)', ['$d < 5']],
    ['$inCidr(client_ip, "10.0.0.0/8")', ['$inCidr(client_ip, "10.0.0.0/8")']],
    ['true', []],
  ])('finds the conditions of %s', (source, texts) => {
    expect(compileCovered(source).conditions.map(({ text }) => text)).toEqual(texts)
  })

  it('names the place in the source as it was written', () => {
    expect(compileCovered('/* x */ not a == 1 and\n b').conditions.map(({ offset }) => offset)).toEqual([12, 24])
  })

  it('is whole where there is nothing to show', async () => {
    expect((await shown('true')).percent).toBe(100)
  })

  it('takes what is missing for false where it counts as false, and for neither where it fails', async () => {
    expect((await shown('a or b', {})).seen).toEqual([
      ['a', [false]],
      ['b', [false]],
    ])
    expect((await shown('not a', {})).seen).toEqual([['a', []]])
  })

  it('shows nothing of what stands behind the operand that decides', async () => {
    expect((await shown('a and b', { a: false, b: true })).seen).toEqual([
      ['a', [false]],
      ['b', []],
    ])
  })
})

describe('a rule that is listened to', () => {
  const sources = [
    'a and b',
    'not a or b = c',
    '(a or b) and not (c in groups)',
    'a ? b : c',
    '$exists(groups[$ = a])',
    'a < b and b >= c',
    '($f := function($x) { $x = 1 and a }; $f(b) or c)',
    'groups[0] = a and $not(b)',
    'a',
  ]
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>,
    fc.constantFrom<Json>(true, false, 'true', 1, 2, null, [true]),
  )
  const facts = fc.record({ a: odd, b: odd, c: odd, groups: odd }, { requiredKeys: [] })

  it.each(sources)('gives what it gives otherwise: %s', async (source) => {
    const plain = compileExpression(source, 'rule')
    const { expression } = compileCovered(source)
    const ask = (one: typeof plain, given: Facts) => one.evaluate(given).catch((error: Error) => error.message)
    await fc.assert(
      fc.asyncProperty(facts, async (given) => {
        expect(await ask(expression, given as Facts)).toEqual(await ask(plain, given as Facts))
      }),
      { numRuns: 60 },
    )
  })
})
