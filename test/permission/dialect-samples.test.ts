import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { lintRule } from '../../src/expression/lint.ts'
import { factsOfCase } from '../../src/facts.ts'
import { compilePermit } from '../../src/permission/permit.ts'
import { readCases, readRuleFile } from '../../src/permission/rule-file.ts'
import type { Json } from '../../src/types.ts'

type Given = Readonly<Record<string, Json>>
const permitOf = (source: string) => compilePermit([{ name: 'sample', expression: compileExpression(source, 'rule') }])
const permits = async (source: string, given: Given) => (await permitOf(source).permit(factsOfCase(given))).allowed

/** Verbatim, quotes and brackets as they are written where people bring them from. */
const samples = {
  domain: "hd == 'mycompany.com'",
  accessType: 'not is_system or auth.profile.access_type == 1',
  publicAddresses:
    '(auth.profile.broadsoft_type != "System" or auth.profile.broadsoft_type != "Provisioning") or is_client_ip_private',
}
const office = '192.168.10.20'
const outside = '203.0.113.7'
/** Every type of user that such a login API answers with. */
const types = ['System', 'Provisioning', 'Service Provider', 'Group', 'Group Department', 'User', 'Lawful Intercept']
const userOf = (broadsoft_type: string, client_ip: string): Given => ({ auth: { profile: { broadsoft_type } }, client_ip })

describe('the samples of the simple dialect, verbatim', () => {
  it.each(Object.values(samples))('%s is accepted as it stands', (source) => {
    expect(() => compileExpression(source, 'rule')).not.toThrow()
  })

  it.each([
    [{ hd: 'mycompany.com', email: 'anna@mycompany.com', email_verified: true }, true],
    [{ hd: 'gmail.com' }, false],
    [{ hd: 'MyCompany.com' }, false],
    [{ hd: ['mycompany.com'] }, false],
    [{ email: 'anna@mycompany.com' }, false],
  ] as const)('the hosted domain of %j: %s', async (given, allowed) => {
    expect(await permits(samples.domain, given)).toBe(allowed)
  })

  it.each([
    [{ is_system: false, auth: { profile: { access_type: 0 } } }, true],
    [{ is_system: false }, true],
    [{ is_system: true, auth: { profile: { access_type: 1 } } }, true],
    [{ is_system: true, auth: { profile: { access_type: 0 } } }, false],
    [{ is_system: true, auth: { profile: { access_type: 2 } } }, false],
    [{ is_system: true, auth: { profile: { access_type: '1' } } }, false],
    [{ is_system: true, auth: {} }, false],
  ] as const)('the kind of access of %j: %s', async (given, allowed) => {
    expect(await permits(samples.accessType, given)).toBe(allowed)
  })

  it.each(types)('the one about public addresses lets a %s in from everywhere, as it is written', async (type) => {
    expect(await permits(samples.publicAddresses, userOf(type, outside))).toBe(true)
    expect(await permits(samples.publicAddresses, userOf(type, office))).toBe(true)
  })
})

describe('the one about public addresses', () => {
  it('is warned about, with the `and` that was meant', () => {
    expect(lintRule(samples.publicAddresses)).toMatchObject([
      {
        message:
          '`auth.profile.broadsoft_type != "System" or auth.profile.broadsoft_type != "Provisioning"` is always true: nothing is equal to both',
        advice: 'write (auth.profile.broadsoft_type != "System" and auth.profile.broadsoft_type != "Provisioning")',
      },
    ])
    expect(lintRule(samples.domain)).toEqual([])
    expect(lintRule(samples.accessType)).toEqual([])
  })

  const folder = new URL('../../rules/', import.meta.url)
  const corrected = readRuleFile(readFileSync(new URL('not-system-from-public.jsonata', folder), 'utf8'), 'corrected').source

  it.each(types)('as it is shipped, decides on a %s by the address', async (type) => {
    const isInternal = type === 'System' || type === 'Provisioning'
    expect(await permits(corrected, userOf(type, outside))).toBe(!isInternal)
    expect(await permits(corrected, userOf(type, office))).toBe(true)
  })

  it('is shipped with cases that refuse System and Provisioning from public addresses', () => {
    const { cases } = readCases(readFileSync(new URL('not-system-from-public.cases.yaml', folder), 'utf8'), 'cases')
    for (const type of ['System', 'Provisioning']) {
      const shown = cases.filter(({ facts }) => JSON.stringify(facts) === JSON.stringify(userOf(type, outside)))
      expect(shown.map((one) => one.expect)).toEqual(['deny'])
    }
  })
})
