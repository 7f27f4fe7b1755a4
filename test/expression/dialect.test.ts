import { describe, expect, it } from 'vitest'
import { compileExpression, ExpressionError } from '../../src/expression/compile.ts'
import { translate } from '../../src/expression/dialect.ts'
import type { Json } from '../../src/types.ts'

const squeezed = (source: string) => translate(source).text.replace(/\s+/g, ' ')
const evaluate = (source: string, facts: Record<string, Json>) => compileExpression(source, 'rule').evaluate(facts)

describe('the samples of the simple dialect, as they are written elsewhere', () => {
  it("hd == 'mycompany.com'", async () => {
    expect(await evaluate("hd == 'mycompany.com'", { hd: 'mycompany.com' })).toBe(true)
    expect(await evaluate("hd == 'mycompany.com'", { hd: 'evil.org' })).toBe(false)
    expect(await evaluate("hd == 'mycompany.com'", {})).toBe(false)
  })

  it.each([
    [{ is_system: false }, true],
    [{ is_system: true, auth: { profile: { access_type: 1 } } }, true],
    [{ is_system: true, auth: { profile: { access_type: 2 } } }, false],
    [{ is_system: true }, false],
  ] as const)('not is_system or auth.profile.access_type == 1, with %j', async (facts, allowed) => {
    expect(await evaluate('not is_system or auth.profile.access_type == 1', facts)).toBe(allowed)
  })

  it.each([
    [{ auth: { profile: { broadsoft_type: 'User' } }, is_client_ip_private: false }, true],
    [{ auth: { profile: { broadsoft_type: 'System' } }, is_client_ip_private: false }, true],
    [{ is_client_ip_private: true }, true],
    [{ is_client_ip_private: false }, false],
  ] as const)('the broadsoft_type rule means what it says, with %j', async (facts, allowed) => {
    const rule =
      '(auth.profile.broadsoft_type != "System" or auth.profile.broadsoft_type != "Provisioning") or is_client_ip_private'
    expect(await evaluate(rule, facts)).toBe(allowed)
  })
})

describe('translation', () => {
  it.each([
    ['a == b', 'a = b'],
    ['not a', '$not( a)'],
    ['not a = b and c', '$not( a = b) and c'],
    ['not a or not b', '$not( a) or $not( b)'],
    ['not (a or b) and c', '$not( (a or b)) and c'],
    ['not not a', '$not( $not( a))'],
    ['(not a) or b', '($not( a)) or b'],
    ['[not a, not b]', '[$not( a), $not( b)]'],
    ['not a ? not b : not c', '$not( a) ? $not( b) : $not( c)'],
    ['x[not y]', 'x[$not( y)]'],
    ['($a := not b; not $a)', '($a := $not( b); $not( $a))'],
    ['x = None or True', 'x = null or true'],
    ['not "a" in b and c', '$not( "a" in b) and c'],
  ])('turns %s into %s', (source, text) => {
    expect(squeezed(source)).toBe(text.replace(/\s+/g, ' '))
  })

  it.each([
    'hd = "not a == b"',
    "hd = 'None == \\' == x'",
    'a /* not b == c */ = d',
    '$match(a, /not b == [/] None/i)',
    '`not a == b` = 1',
    'a.not = b.None',
    'not = 1',
    '$not(a) and b != c',
    '$f := function($x) { $x }',
    'a ? b : c',
    'a / b / c',
  ])('leaves %s alone', (source) => {
    expect(translate(source).text).toBe(source)
  })

  it('treats a claim called `not`, `and` or `in` as a name where it stands as one', async () => {
    expect(await evaluate('x.not = 1 and claims.`in` = 2', { x: { not: 1 }, claims: { in: 2 } })).toBe(true)
  })
})

describe('a complaint about an expression', () => {
  const complaint = (source: string): ExpressionError => {
    try {
      compileExpression(source, 'rule')
    } catch (error) {
      if (error instanceof ExpressionError) return error
    }
    throw new Error(`${source} was accepted`)
  }

  it.each([
    ['not a == b and\n  )', 17],
    ['not x and (a == 1 b)', 18],
    ['a == 1 and "open', 11],
    ['a == b and /open', 11],
    ['not $eval(x)', 4],
    ['a == 1 or $random() > 0', 10],
    ['$inCidr(client_ip, "10.0.0.0/99")', 19],
    ['not a or $match(b, /(?=x)/)', 19],
    ['a ==', 4],
  ])('points into the original of %s at %i', (source, offset) => {
    expect(complaint(source).offset).toBe(offset)
  })

  it.each([
    ['a && b', '`and`'],
    ['a || b', '`or`'],
    ['!a', '`not`'],
    ['a AND b', 'small letters'],
    ['a === b', '='],
    ['hd := "x"', '= compares'],
    ['email = ann@company.com', 'quotes'],
    ['', 'hd = "company.com"'],
    ['/* message: nothing else */', 'hd = "company.com"'],
    ['$match(a, /(a)\\1/)', 'linear'],
    ['$shuffle(groups)', '$sort'],
  ])('on %s says what to write instead', (source, advice) => {
    expect(complaint(source).advice).toContain(advice)
    expect(complaint(source).message).not.toMatch(/undefined|\(end\)/)
  })

  it('refuses what is too long or too deep before it runs', () => {
    expect(complaint(`"${'x'.repeat(16_384)}"`).message).toContain('16 KiB')
    expect(complaint(`${'('.repeat(7000)}1${')'.repeat(7000)}`).message).toContain('deeply')
    expect(complaint(`${'['.repeat(600)}1${']'.repeat(600)}`).message).toContain('deeply')
  })
})
