import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { lintRule } from '../../src/expression/lint.ts'
import { readCases, readRuleFile } from '../../src/permission/rule-file.ts'
import type { Json } from '../../src/types.ts'

const words = (source: string) => lintRule(source).map(({ message, advice }) => `${message} | ${advice}`)

describe('a warning', () => {
  it.each([
    ['hd = company.com', 'not a text', '"company.com"'],
    ['hd == company', 'not a text', '"company"'],
    ['company.com = hd', 'not a text', '"company.com"'],
    ['hd = my-company.com', 'subtracts', 'quotes'],
    ['staff in groups', 'not a text', '"staff"'],
    ['hd = "x" or "y"', 'no condition', 'hd in ["x", "y"]'],
    ['hd = "x" or hd = "y" or "z"', 'no condition', 'hd in ["x", "y", "z"]'],
    ['hd = "x" and 1', 'a number is no condition', 'compare'],
    ['not account', 'a text is no condition', 'compare'],
    ['groups and true', 'a list is no condition', 'compare'],
    ['a != "x" or a != "y"', 'always true', '(a != "x" and a != "y")'],
    ['a != "x" or b or "y" != a', 'always true', '(a != "x" and a != "y")'],
    [
      '(auth.profile.broadsoft_type != "System" or auth.profile.broadsoft_type != "Provisioning") or is_client_ip_private',
      'always true',
      '(auth.profile.broadsoft_type != "System" and auth.profile.broadsoft_type != "Provisioning")',
    ],
    ['a = "x" and a == "y"', 'never true', '(a = "x" or a = "y")'],
    ['"company.com"', 'gives a text', 'compare'],
    ['email', 'gives a text', 'compare'],
    ['claims.email', 'gives a text', 'compare'],
    ['request.path', 'gives a text', 'compare'],
    ['groups', 'gives a list', 'compare'],
    ['1 + level', 'gives a number', 'compare'],
    ['"a" & hd', 'gives a text', 'compare'],
    ['[hd]', 'gives a list', 'compare'],
    ['{"a": hd}', 'gives a map', 'compare'],
    ['$uppercase(hd)', 'gives a text', 'compare'],
    ['$count(groups)', 'gives a number', 'compare'],
    ['hd = "x" ? true : "no"', 'gives a text', 'compare'],
    ['($a := 1; hd)', 'gives a text', 'compare'],
    ['$hd := "company.com"', 'sets a variable', 'compare with ='],
    ['groups = "admins"', 'always false', '"admins" in groups'],
    ['groups != "admins"', 'always true', 'not ("admins" in groups)'],
    ['groups in ["admins"]', 'always false', 'in groups'],
    ['amr = "mfa"', 'always false', '"mfa" in amr'],
    ['claims.amr != "pwd"', 'always true', 'not ("pwd" in claims.amr)'],
    ['hd = ["a.com", "b.com"]', 'always false', 'hd in [ … ]'],
    ['hd != ["a.com"]', 'always true', 'not (hd in [ … ])'],
    ['["a.com"] in hd', 'always false', 'one value'],
    ['hd != "evil.org"', 'also false where hd is missing', '$exists(hd)'],
    ['"evil.org" != claims.hd', 'also false where claims.hd is missing', '$exists(claims.hd)'],
    ['auth.profile.type != "System"', 'where auth.profile.type is missing', '$exists(auth.profile.type)'],
    ['hd = null', 'missing fact is not null', 'not $exists(hd)'],
    ['hd == None', 'missing fact is not null', 'not $exists(hd)'],
    ['email_verified ? hd = "x" : false', '"false" too', 'email_verified = true'],
    ['"a" = "a"', 'reads no fact', 'name a fact'],
    ['not (hd = "evil.org")', 'also holds where hd is missing', '$exists(hd)'],
    ['not hd == "evil.org" and is_system', 'also holds where hd is missing', '$exists(hd)'],
    ['not ("x" in roles)', 'also holds where roles is missing', '$exists(roles)'],
    ['not (suspended or is_system)', 'also holds where suspended is missing', '$exists(suspended)'],
    ['not (is_system or level < 3)', 'also holds where level is missing', '$exists(level)'],
    ['hd = "evil.org" ? false : true', 'also holds where hd is missing', '$exists(hd)'],
    ['(hd = "evil.org") = false', 'also holds where hd is missing', '$exists(hd)'],
    ['(hd = "evil.org") != true', 'also holds where hd is missing', '$exists(hd)'],
    ['email_verified ?? true', 'lacks email_verified is let in', 'email_verified = true'],
    ['email_verified ?: true', 'lacks email_verified is let in', 'email_verified = true'],
    ['$boolean(email_verified)', '"false" too', 'email_verified = true'],
    ['hd\u00a0= "x"', 'cannot be seen', 'plain blanks'],
    ['\u200bhd = "x"', 'cannot be seen', 'plain blanks'],
    ['$contains(email, "@company.com")', 'anywhere', '$emailDomain'],
    ['$contains($lowercase(email), "company.com")', 'anywhere', '$emailDomain'],
    ['$split(email, "@")[1] = "company.com"', 'second @', '$emailDomain'],
    ['$contains(email, /@company\\.com$/)', 'part of the text', '^'],
    ['$contains(email, /^[^@]+@company\\.com/)', 'part of the text', '$'],
    ['$contains(email, /^[^@]+@company.com$/)', 'any character', '\\.'],
  ])('is given on %s', (source, message, advice) => {
    expect(words(source).filter((text) => text.includes(message) && text.split(' | ')[1]?.includes(advice))).not.toEqual([])
  })

  it('points at the place in the original', () => {
    expect(lintRule('not a == b and\n (hd == company.com)').map(({ offset }) => offset)).toEqual([9, 23])
    expect(lintRule('is_system or (hd != "x" or hd != "y")')[0]?.offset).toBe(14)
  })

  it('offers advice that compiles', () => {
    for (const source of ['a != "x" or a != "y"', 'groups != "a"', 'hd = "x" or "y"', 'hd = null']) {
      const advice = lintRule(source)[0]?.advice.replace(/^write /, '') ?? ''
      expect(lintRule(advice, [{ facts: { a: 'x', hd: 'x' } }, { facts: {} }])).toEqual([])
      expect(() => compileExpression(advice, 'rule')).not.toThrow()
    }
  })

  it('is given once for one mistake', () => {
    expect(lintRule('a != 1 or a != 2 or a != 3')).toHaveLength(1)
    expect(lintRule('hd = company.com')).toHaveLength(1)
    expect(lintRule('"text"')).toHaveLength(1)
  })

  it.each([
    'hd = "company.com"',
    "hd == 'mycompany.com'",
    'not is_system or auth.profile.access_type == 1',
    'email_verified and is_client_ip_private',
    'locale = address.country',
    'account = email',
    'claims.account = account',
    'account = null',
    '"staff" in groups',
    '$exists(groups[$ in ["staff", "partners"]])',
    'a = "x" or a = "y"',
    '$exists(a) and a != "x" and a != "y"',
    '$type(a) = "string" and a != "x"',
    'request.method != "POST"',
    'account != "root"',
    'is_system != true',
    '"mfa" in amr',
    'is_system ? hd = "x" : true',
    'true',
    'now - authenticated_at < 3600000',
    '$contains(email, /^[^@]+@company\\.com$/)',
    '$contains(request.path, "/admin/")',
    '($h := $number($fromMillis(now, "[H]")); $h > 7 and $h < 19)',
    'not ((account = "a") or is_system)',
    'not (hd = "x") and $exists(hd)',
    'not not (hd = "x")',
    'not (level < 3)',
    'suspended = false',
    '$exists(hd) ? hd = "x" : true',
    '`my claim` = "x"',
  ])('is not given on %s', (source) => {
    expect(lintRule(source)).toEqual([])
  })

  it('is left to the compiler where the rule is broken', () => {
    expect(lintRule('hd = ')).toEqual([])
  })
})

describe('a text that a fact never holds', () => {
  it.each([
    ['is_system = "true"', 'is_system is true or false: a text', 'write is_system = true'],
    ['"false" == is_client_ip_private', 'is_client_ip_private is true or false', 'write is_client_ip_private = false'],
    ['is_system != "true"', 'a text never equals it', 'write is_system = false'],
    ['is_system = 1', 'a number never equals it', 'write is_system = true'],
    ['is_system in ["true", "yes"]', 'a text never equals it', 'write is_system = true'],
    ['email_verified = "true"', 'email_verified is true or false', 'write email_verified = true'],
    ['claims.email_verified = "True"', 'claims.email_verified is true or false', 'write claims.email_verified = true'],
    ['client_ip = "10.0.0.0/8"', 'one address', 'write $inCidr(client_ip, "10.0.0.0/8")'],
    ['client_ip != "10.0.0.0/8"', 'one address', 'write not $inCidr(client_ip, "10.0.0.0/8")'],
    ['client_ip in ["10.1.2.3", "fd00::/8"]', 'one address', 'write $inCidr(client_ip, "fd00::/8")'],
    ['client_ip = "10.*"', 'one address', '$inCidr'],
    ['request.method = "get"', 'upper case', 'write request.method = "GET"'],
    ['request.method in ["GET", "head"]', 'upper case', 'write "HEAD"'],
    ['not ("post" = request.method)', 'upper case', 'write request.method = "POST"'],
  ])('is warned about: %s', (source, message, advice) => {
    const [only, ...more] = words(source)
    expect([only, more]).toEqual([expect.stringMatching(/ \| /), []])
    expect(only).toContain(message)
    expect(only?.split(' | ')[1]).toContain(advice)
  })

  const known = {
    provider: ['PLAY', 'FIDO'],
    portal: ['home'],
    nearest: (word: string, among: readonly string[]) => among.find((name) => name[0]?.toLowerCase() === word[0]?.toLowerCase()),
  }
  const named = (source: string) => lintRule(source, [], known).map(({ message, advice }) => `${message} | ${advice}`)
  it('is the name of a provider or portal that the configuration does not have', () => {
    expect(named('provider = "PALY"')).toEqual(['no provider of this configuration has the name "PALY" | did you mean "PLAY"?'])
    expect(named('portal = "hmoe"')).toEqual(['no portal of this configuration has the name "hmoe" | did you mean "home"?'])
    expect(named('provider != "SAML"')).toEqual([
      'no provider of this configuration has the name "SAML" | write one of PLAY, FIDO',
    ])
    expect(named('provider in ["PLAY", "FDIO"]')).toEqual([expect.stringContaining('"FIDO"')])
    expect(lintRule('provider = "PALY"')).toEqual([])
  })

  it.each([
    'is_system = true',
    'is_system',
    'email_verified = true or email_verified = "true"',
    'email_verified in [true, "true"]',
    '$string(email_verified) = "true"',
    'provider = "PLAY" and portal = "home"',
    'provider in ["PLAY", "FIDO"]',
    'provider = claims.provider',
    'claims.provider = "anything"',
    '$lowercase(provider) = "play"',
    'client_ip = "10.1.2.3"',
    'client_ip = null',
    'request.method in ["GET", "HEAD"]',
    'request.path = "/get"',
    '$lowercase(request.method) = "get"',
  ])('is not seen in %s', (source) => {
    expect(named(source)).toEqual([])
  })
})

describe('a claim that no case shows', () => {
  it('is warned about, where there are cases', () => {
    const cases = [{ facts: { hd: 'x', claims: { email: 'y' } } }]
    expect(lintRule('hd = "x" or emial = "y"', cases)).toMatchObject([{ offset: 12, message: 'no case shows the claim emial' }])
    expect(lintRule('hd = "x" or email = "y" or groups = []', cases)).toEqual([])
    expect(lintRule('emial = "y"')).toEqual([])
  })
})

describe('what the cases leave open', () => {
  const said = (source: string, ...all: readonly Record<string, Json>[]) =>
    lintRule(
      source,
      all.map((facts) => ({ facts })),
    ).map(({ message, advice }) => `${message} | ${advice}`)

  it('is who lacks a claim that stands before !=, until a case has none', () => {
    expect(said('hd != "x"', { hd: 'x' }, { hd: 'y' })).toMatchObject([expect.stringContaining('no case shows that')])
    expect(said('hd != "x"', { hd: 'x' }, {})).toEqual([])
    expect(said('hd != "x"', { claims: { hd: 'x' } })).toHaveLength(1)
    expect(said('auth.profile.a != 1', { auth: { profile: { a: 1 } } }, { auth: {} })).toEqual([])
  })

  it('is who lacks a claim that a not turns round, until a case has none', () => {
    expect(said('not (hd = "x")', { hd: 'x' }, { hd: 'y' })).toEqual([expect.stringContaining('no case shows that')])
    expect(said('not (hd = "x")', { hd: 'x' }, {})).toEqual([])
  })

  it('is a claim that is a list in every case, and compared with a text', () => {
    expect(said('roles = "admin"', { roles: ['admin'] }, {})).toEqual([
      'roles is a list in every case: this is always false for it | write "admin" in roles',
    ])
    expect(said('roles != "admin"', { roles: ['admin'] }, {})[0]).toContain('not ("admin" in roles)')
    expect(said('roles = "admin"', { roles: ['admin'] }, { roles: 'admin' })).toEqual([])
  })

  it('is a claim of a name that is ours, where the rule asks for ours', () => {
    expect(said('"admins" in groups', { claims: { groups: ['admins'] } })).toEqual([
      'groups is a name of ours: the claim that a case gives under it is not what this reads | write claims.groups for the claim, or give groups itself in the case',
    ])
    expect(said('"admins" in groups', { groups: ['admins'], claims: { groups: ['others'] } })).toEqual([])
    expect(said('"admins" in claims.groups', { claims: { groups: ['admins'] } })).toEqual([])
  })
})

describe('the rules that are shipped', () => {
  const folder = new URL('../../rules/', import.meta.url)
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.jsonata'))
    .map((file) => file.replace('.jsonata', ''))
  it.each(names)('%s: has a message, four cases, and nothing to warn about', (name) => {
    const { source, message } = readRuleFile(readFileSync(new URL(`${name}.jsonata`, folder), 'utf8'), name)
    const { cases, problems } = readCases(readFileSync(new URL(`${name}.cases.yaml`, folder), 'utf8'), name)
    expect(message).toMatch(/\.$|UTC\)\.$/)
    expect(problems).toEqual([])
    expect(cases.length).toBeGreaterThanOrEqual(4)
    expect(lintRule(source, cases)).toEqual([])
  })
})
