import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { compilePermit, type Rule } from '../../src/permission/permit.ts'
import type { Facts, Json } from '../../src/types.ts'

const rule = (name: string, source: string, message?: string): Rule => ({
  name,
  expression: compileExpression(source, 'rule'),
  ...(message && { message }),
})

describe('rules', () => {
  it('let in where every one of them is exactly true', async () => {
    const { permit } = compilePermit([rule('a', 'hd = "x"'), rule('b', '"staff" in groups')])
    expect(await permit({ hd: 'x', groups: ['staff'] })).toEqual({ allowed: true, reason: 'allowed', rule: '' })
    expect(await permit({ hd: 'x', groups: [] })).toEqual({ allowed: false, reason: 'rule-refused', rule: 'b' })
  })

  it('let everybody in where there are none', async () => {
    expect(await compilePermit([]).permit({})).toMatchObject({ allowed: true })
  })

  it('refuse with the message of the first that is not true', async () => {
    const { permit } = compilePermit([rule('a', 'true'), rule('b', 'false', 'Not you.'), rule('c', '$error("never asked")')])
    expect(await permit({})).toEqual({ allowed: false, reason: 'rule-refused', rule: 'b', message: 'Not you.' })
  })

  it.each([
    ['"true"', 'a text'],
    ['1', 'a number'],
    ['null', 'a null'],
    ['[true]', 'a list'],
    ['{"a": true}', 'a object'],
    ['missing', 'nothing'],
  ])('refuse where one gives %s', async (source, kind) => {
    const verdict = await compilePermit([rule('odd', source)]).permit({})
    expect(verdict).toMatchObject({
      allowed: false,
      reason: 'rule-refused',
      rule: 'odd',
      detail: `the rule gives ${kind}, not true or false`,
    })
  })

  it.each([
    'name and true',
    'not missing',
    '$number(name)',
    '$error("no")',
    '($f := function($x) { $f($x) }; $f(1))',
    '$contains',
    '1/0',
  ])('refuse where one fails: %s', async (source) => {
    const verdict = await compilePermit([rule('broken', source, 'Sorry.')]).permit({ name: 'secret' })
    expect(verdict).toMatchObject({ allowed: false, reason: 'rule-failed', rule: 'broken', message: 'Sorry.' })
    expect(verdict.detail).toBeTruthy()
    expect(verdict.detail).not.toContain('secret')
  })

  it('refuse where an expression fails in a way nobody thought of', async () => {
    const { reads } = compileExpression('true', 'rule')
    const odd: Rule = { name: 'odd', expression: { source: '', reads, evaluate: () => Promise.reject('no error at all') } }
    expect(await compilePermit([odd]).permit({})).toMatchObject({ allowed: false, reason: 'rule-failed' })
  })

  it('read together what each of them reads', () => {
    const { reads } = compilePermit([rule('a', 'hd = "x"'), rule('b', 'request.path = "/"')])
    expect([...reads.facts].sort()).toEqual(['hd', 'request'])
  })
})

describe('whatever the claims are', () => {
  const rules = [
    'hd',
    'email_verified',
    'hd = "company.com"',
    'email_verified and hd = "company.com"',
    'not is_system or x.y == 1',
    '"admins" in groups',
    'level >= 2',
    'x ? y : z',
    'x or y',
    '$emailDomain(email) = "company.com"',
    'groups[0] = "admins"',
    '$not(x) and y',
    'claims.*',
    '$contains(email, /^a+$/)',
  ].map((source) => rule(source, source))
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
    fc.constantFrom<Json>(true, 'true', 1, [true], 'company.com', ['company.com'], 'a@company.com', ['admins'], { true: true }),
  )
  const facts = fc.record(
    { hd: odd, email_verified: odd, is_system: odd, x: odd, y: odd, z: odd, groups: odd, level: odd, email: odd, claims: odd },
    { requiredKeys: [] },
  )

  it('nobody gets in without a rule that gives exactly true', async () => {
    await fc.assert(
      fc.asyncProperty(facts, async (document) => {
        for (const one of rules) {
          const value = await one.expression.evaluate(document as Facts).catch(() => 'failed')
          const verdict = await compilePermit([one]).permit(document as Facts)
          expect(verdict.allowed, one.name).toBe(value === true)
          expect(verdict.allowed, one.name).toBe(meant[one.name]?.(document as Facts) ?? verdict.allowed)
        }
      }),
      { numRuns: 300 },
    )
  })

  /** The same rules as a person reads them, for those where that is a line. */
  const meant: Record<string, (facts: Facts) => boolean> = {
    hd: ({ hd }) => hd === true,
    email_verified: (facts) => facts['email_verified'] === true,
    'hd = "company.com"': ({ hd }) => hd === 'company.com',
    'email_verified and hd = "company.com"': (facts) => facts['email_verified'] === true && facts['hd'] === 'company.com',
    '"admins" in groups': ({ groups }) => groups === 'admins' || (Array.isArray(groups) && groups.includes('admins')),
    'level >= 2': ({ level }) => typeof level === 'number' && level >= 2,
    'x or y': ({ x, y }) => x === true || ((x === false || x === undefined) && y === true),
    '$not(x) and y': ({ x, y }) => x === false && y === true,
  }
})
