import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { decisiveParts } from '../../src/expression/decisive.ts'
import { factsRead } from '../../src/expression/facts-read.ts'
import type { Facts } from '../../src/types.ts'

const parts = async (source: string, facts: Facts) =>
  (await decisiveParts(source, facts)).map((part) => [part.source, part.error === undefined ? part.value : part.error])

describe('the part of an expression that decided', () => {
  it('is of `and` the first operand that is not true', async () => {
    expect(await parts('a and b and c', { a: true, b: false, c: false })).toEqual([['b', false]])
    expect(await parts('a and b', { a: true })).toEqual([['b', undefined]])
  })
  it('is of `or` every operand, where none holds; else the one that does', async () => {
    expect(await parts('a or b', { a: false })).toEqual([
      ['a', false],
      ['b', undefined],
    ])
    expect(await parts('a or b or c', { a: false, b: true, c: true })).toEqual([['b', true]])
  })
  it('is of what holds everything that had to', async () => {
    expect(await parts('a = 1 and (b or c)', { a: 1, b: false, c: true })).toEqual([
      ['a = 1', true],
      ['c', true],
    ])
  })
  it('binds as the dialect does: not looser than a comparison, and tighter than or', async () => {
    expect(await parts('not a == 1 and b or c and d', { a: 1, b: true, c: true, d: false })).toEqual([
      ['a == 1', true],
      ['d', false],
    ])
    expect(await parts('$not(a and b)', { a: true, b: false })).toEqual([['b', false]])
  })
  it('is where an operand is no boolean', async () => {
    expect(await parts('a and b', { a: 'false', b: true })).toEqual([['a', 'false']])
  })
  it('is the whole where it cannot be cut: conditions, blocks, words inside texts, brackets and comments', async () => {
    for (const source of ['a ? b and c : d', '($x := a; $x and b)', '"a and b" = a', 'list[a and b] = 1', '$count([a or b]) = 1'])
      expect((await parts(source, { a: true, b: false })).map(([text]) => text)).toEqual([source])
    expect((await parts('/* a or b */ a /* and c */', { a: true })).map(([text]) => text)).toEqual(['a'])
  })
  it('says where it stands, and what failed', async () => {
    expect(await decisiveParts('a and\n  $number(b) = 1', { a: true, b: 'x' })).toMatchObject([
      { offset: 8, error: expect.any(String) },
    ])
  })
  it('never contradicts the whole', async () => {
    const leaf = fc.constantFrom('a', 'b', 'c', 'a = b', 'not c', '"x" in list')
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.tuple(tie('tree'), fc.constantFrom('and', 'or'), tie('tree')).map(([l, o, r]) => `(${l}) ${o} ${r}`),
        tie('tree').map((inner) => `not (${inner})`),
      ),
    }))
    const facts = fc.record({ a: fc.boolean(), b: fc.boolean(), c: fc.boolean(), list: fc.constantFrom([], ['x']) })
    await fc.assert(
      fc.asyncProperty(tree, facts, async (source, given) => {
        const value = await compileExpression(source, 'rule').evaluate(given)
        const decided = await decisiveParts(source, given)
        expect(decided.length).toBeGreaterThan(0)
        // with constants in the place of what decided, everything else may be otherwise: the whole stays
        const frozen = [...decided]
          .sort((x, y) => y.offset - x.offset)
          .reduce(
            (text, part) =>
              `${text.slice(0, part.offset)}(${part.value === true})${text.slice(part.offset + part.source.length)}`,
            source,
          )
        const others = { a: !given.a, b: given.a, c: !given.c, list: given.list.length > 0 ? [] : ['x'] }
        for (const facts of [given, others])
          expect([source, given, await compileExpression(frozen, 'rule').evaluate(facts)]).toEqual([source, given, value])
      }),
      { numRuns: 60 },
    )
  })
})

describe('what an expression read', () => {
  const read = (source: string, facts: Facts) => factsRead(compileExpression(source, 'rule').reads, facts)
  it('is named as it was written, with what was not there', () => {
    const facts = { claims: { hd: 'x' }, hd: 'x', groups: ['a'], request: { path: '/p', query: 'token=1' }, now: 5 }
    expect(read('hd = "x" and request.path = "/p" and claims.acr = "2" and "a" in groups', facts)).toEqual({
      facts: { hd: 'x', groups: ['a'], 'request.path': '/p' },
      missing: ['claims.acr'],
    })
    expect(read('$now() > "2"', facts)).toEqual({ facts: { now: 5 }, missing: [] })
  })
})
