// Which shape somebody gets, and who gets none.
import { describe, expect, it } from 'vitest'
import type { PosternError } from '../../../src/errors.ts'
import { factsOf } from '../../../src/facts.ts'
import { compileProfiles, type ProfileOptions } from '../../../src/identity/accounts/profiles.ts'
import type { Identity } from '../../../src/types.ts'
import { identityOf, noon, requestOf } from '../harness.ts'

const facts = (identity: Identity) => factsOf(identity, requestOf(), 'home', noon)
const anna = identityOf('anna', { claims: { sub: 'anna', hd: 'company.com', dept: 'ops', roles: ['a', 'b', 'a'] } })
const profile = (name: string, extra: Partial<ProfileOptions>): ProfileOptions => ({
  name,
  when: 'true',
  attributes: {},
  ...extra,
})
const shape = (profiles: readonly ProfileOptions[], who = anna, accountCase: 'keep' | 'lower' = 'keep') =>
  compileProfiles(profiles, accountCase).shape(who, facts(who))
const reasonOf = (shaping: Promise<unknown>) =>
  shaping.then(
    () => 'in',
    (error: PosternError) => error.reason,
  )

describe('profiles', () => {
  it('take the first that fits, and it alone', async () => {
    const person = await shape([
      profile('guests', { when: 'hd = "other.org"', account: '"guest"' }),
      profile('staff', {
        when: 'hd = "company.com"',
        account: '"c-" & sub',
        groups: 'roles',
        attributes: { unit: 'dept', none: 'nothing' },
      }),
      profile('all', { account: '"everybody"', groups: '["admins"]' }),
    ])
    expect(person).toMatchObject({
      account: 'c-anna',
      groups: ['a', 'b'],
      profile: { name: 'staff', attributes: { unit: 'ops' } },
    })
    expect(facts(person)['profile']).toEqual({ name: 'staff', unit: 'ops' })
  })

  it('leave account and groups as the provider says where they give none', async () => {
    expect(await shape([profile('all', {})])).toMatchObject({ account: 'anna@company.com', groups: ['staff'] })
  })

  it('fold the account they give as the provider would', async () => {
    expect((await shape([profile('all', { account: '"ANNA"' })], anna, 'lower')).account).toBe('anna')
  })

  it.each([
    ['none fits', [profile('x', { when: 'hd = "other.org"' })]],
    ['there are none', []],
    ['one says something like true', [profile('x', { when: '"true"' })]],
    ['a claim is missing', [profile('x', { when: 'nothing = "a"' })]],
  ])('refuse where %s', async (_, profiles) => {
    expect(await reasonOf(shape(profiles))).toBe('no-profile')
  })

  it('do not go on to the next where one cannot be decided', async () => {
    expect(await reasonOf(shape([profile('x', { when: 'not hd' }), profile('all', {})]))).toBe('no-profile')
    expect(await reasonOf(shape([profile('x', { attributes: { a: 'hd + 1' } }), profile('all', {})]))).toBe('no-profile')
  })

  it.each(['nothing', '""', '" "', '4711', '["a"]', '"a\\nb"'])('name no account with %s', async (account) => {
    expect(await reasonOf(shape([profile('x', { account })]))).toBe('account-missing')
  })

  it('have a name that no attribute replaces', async () => {
    const person = await shape([profile('staff', { attributes: { name: '"admins"' } })])
    expect(facts(person)['profile']).toEqual({ name: 'staff' })
  })
})
