import { describe, expect, it } from 'vitest'
import { ExpressionError } from '../../../src/expression/compile.ts'
import { type Claims, compileAttribute, identityOf, joinClaims } from '../../../src/identity/providers/oidc-claims.ts'
import type { AuthOutcome } from '../../../src/types.ts'
import { identityIn } from './fixtures.ts'

const base: Claims = { iss: 'https://idp.example', sub: 's1', email: 'Ann@Company.com' }
interface Changes {
  readonly account?: string
  readonly groups?: string
  readonly accountCase?: 'keep' | 'lower'
  readonly requireVerifiedEmail?: boolean
}
function read(
  claims: Claims,
  { account = 'email', groups = 'groups', accountCase = 'keep', requireVerifiedEmail = false }: Changes = {},
) {
  const attributes = { account: compileAttribute(account), groups: compileAttribute(groups) }
  return identityOf({ ...base, ...claims }, { name: 'PLAY', ...attributes, accountCase, requireVerifiedEmail }, 5000)
}
const reasonOf = (outcome: AuthOutcome) => (outcome.kind === 'rejected' ? outcome.reason : outcome.kind)

describe('the account', () => {
  it.each([
    ['email', {}, 'Ann@Company.com'],
    ['preferred-username', { 'preferred-username': 'ann' }, 'ann'],
    ['https://company.com/claims/account', { 'https://company.com/claims/account': 'ann' }, 'ann'],
    ['$substringBefore(email, "@")', {}, 'Ann'],
    ['claims.employee.id', { employee: { id: 'e1' } }, 'e1'],
    ['upn ? upn : email', { upn: 'ann@ad' }, 'ann@ad'],
    ['email', { email: '$eval("1")' }, '$eval("1")'],
  ])('is what %s says', async (account, claims, expected) => {
    expect(identityIn(await read(claims as unknown as Claims, { account })).account).toBe(expected)
  })

  it.each([
    ['email', { email: '' }],
    ['email', { email: '  ' }],
    ['email', { email: null }],
    ['email', { email: 7 }],
    ['email', { email: true }],
    ['email', { email: ['ann@company.com'] }],
    ['email', { email: { value: 'ann' } }],
    ['email', { email: 'ann\r\niv-groups: "admins"' }],
    ['email', { email: 'ann\u0000' }],
    ['email', { email: 'ann\u0085' }],
    ['email', { email: '\ud800' }],
    ['upn', {}],
    ['constructor', {}],
    ['toString', {}],
    ['missing.path', {}],
    ['$sum(groups)', { groups: ['a'] }],
    ['email & nothing.here = 1', {}],
  ])('is refused where %s finds nothing usable in %j', async (account, claims) => {
    expect(reasonOf(await read(claims as unknown as Claims, { account }))).toBe('account-missing')
  })

  it('can be folded to lower case, without another letter becoming ASCII', async () => {
    expect(identityIn(await read({}, { accountCase: 'lower' })).account).toBe('ann@company.com')
    expect(identityIn(await read({ email: '\u212aIM@x' }, { accountCase: 'lower' })).account).toBe('\u212aim@x')
  })

  it('is never what every object inherits', async () => {
    for (const name of ['constructor', 'toString', '__proto__']) expect(await compileAttribute(name).of({})).toBeUndefined()
  })

  it('that is no expression is told at once', () => {
    expect(() => compileAttribute('email &')).toThrow(ExpressionError)
    expect(() => compileAttribute('$eval("1")')).toThrow(ExpressionError)
  })
})

describe('email_verified', () => {
  it.each([false, 'false', 0, 'no', ''])('%j refuses always', async (email_verified) => {
    expect(reasonOf(await read({ email_verified }))).toBe('email-not-verified')
    expect(reasonOf(await read({ email_verified }, { account: 'sub' }))).toBe('email-not-verified')
  })
  it.each([true, 'true'])('%j lets in', async (email_verified) => {
    expect(reasonOf(await read({ email_verified }, { requireVerifiedEmail: true }))).toBe('identified')
  })
  it('absent refuses only where it is required', async () => {
    expect(reasonOf(await read({}))).toBe('identified')
    expect(reasonOf(await read({}, { requireVerifiedEmail: true }))).toBe('email-not-verified')
    expect(reasonOf(await read({ email_verified: null }, { requireVerifiedEmail: true }))).toBe('email-not-verified')
  })
})

describe('groups', () => {
  it.each([
    [
      ['a', 'b', 'a'],
      ['a', 'b'],
    ],
    ['a,b', ['a,b']],
    ['', []],
    [null, []],
    [['a', 1, null, ['x'], { y: 1 }, ''], ['a']],
    [{ admins: true }, []],
    [true, []],
  ])('%j are %j', async (groups, expected) => {
    expect(identityIn(await read({ groups } as Claims)).groups).toEqual(expected)
  })
  it('may lie deep', async () => {
    expect(identityIn(await read({ realm_access: { roles: ['a'] } }, { groups: 'realm_access.roles' })).groups).toEqual(['a'])
  })
})

describe('joined claims', () => {
  it('leave out what is about the exchange, and bearer tokens of other sources', () => {
    const idToken = { sub: 's', nonce: 'n', at_hash: 'h', c_hash: 'h', exp: 1, iat: 1, nbf: 1, jti: 'j', sid: 'x', email: 'a@b' }
    const userinfo = { sub: 's', _claim_sources: { src1: { access_token: 't' } }, _claim_names: { groups: 'src1' } }
    expect(joinClaims(idToken, userinfo)).toEqual({ sub: 's', email: 'a@b' })
  })
  it('take the ID token’s word before userinfo’s, except where it says null', () => {
    expect(joinClaims({ hd: 'company.com', groups: null }, { hd: 'evil.example', groups: ['a'] })).toEqual({
      hd: 'company.com',
      groups: ['a'],
    })
  })
  it('cannot reach a prototype', () => {
    const claims = joinClaims(JSON.parse('{"__proto__":{"admin":true},"a":1}') as Claims, {})
    expect(Object.keys(claims)).toEqual(['a'])
    expect(claims['admin']).toBeUndefined()
  })
})
