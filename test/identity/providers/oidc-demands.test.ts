// What a sign-in was begun for: a person really asked, a strength. A provider that does not give it is found out.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import type { LoginStart } from '../../../src/types.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../../support/crooked-provider.ts'
import { type IdentityProvider, startIdentityProvider } from '../../support/identity-provider.ts'
import { arrivalOf, identityIn } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'

let crooked: CrookedProvider
let real: IdentityProvider
beforeAll(async () => {
  crooked = await startCrookedProvider({
    clientId,
    clientSecret,
    claims: { email: 'ann@company.com', email_verified: true, groups: [] },
  })
  const clients = [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] }]
  real = await startIdentityProvider({ clients, accounts: { ann: { claims: { email: 'ann@company.com' } } } })
})
afterAll(async () => {
  await crooked.close()
  await real.close()
})

async function tryWith(lies: Lies, start: Partial<LoginStart>, options: Partial<OidcOptions> = {}) {
  const subject = createSubject({ issuer: crooked.issuer, callTimeout: 20_000, ...options })
  return { ...subject, ...(await signIn(subject.provider, (url) => crooked.signIn(url, lies), start)) }
}
const told = (claims: Readonly<Record<string, unknown>>): Lies => ({ claims })
const seconds = () => Math.floor(Date.now() / 1000)
const sentIn = (url: string) => Object.fromEntries(new URL(url).searchParams)

describe('a fresh sign-in', () => {
  const fresh = { fresh: true }

  it('asks for a login and for auth_time', async () => {
    const { authorizationUrl } = await tryWith(told({ auth_time: seconds() }), fresh)
    expect(sentIn(authorizationUrl)).toMatchObject({ prompt: 'login', max_age: '60' })
    const timed = await tryWith(told({ auth_time: seconds() }), { fresh: true, maxAge: 900, prompt: 'select_account' })
    expect(sentIn(timed.authorizationUrl)).toMatchObject({ prompt: 'select_account', max_age: '900' })
  })

  it('whose time lies after the start is taken, and told', async () => {
    const at = seconds()
    const { outcome } = await tryWith(told({ auth_time: at }), fresh)
    expect(identityIn(outcome).authenticatedAt).toBeLessThanOrEqual(at * 1000)
  })

  it.each([
    ['is missing', undefined],
    ['is null', null],
    ['is a text', String(Math.floor(Date.now() / 1000))],
    ['is of an hour ago', Math.floor(Date.now() / 1000) - 3600],
    ['is of just before', Math.floor(Date.now() / 1000) - 70],
    ['is nothing', 0],
  ])('whose time %s is refused', async (_, authTime) => {
    const { outcome } = await tryWith(told({ auth_time: authTime }), fresh)
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed', detail: expect.stringMatching(/auth_time/) })
  })

  it('allows a provider whose clock is a minute behind', async () => {
    expect((await tryWith(told({ auth_time: seconds() - 50 }), fresh)).outcome.kind).toBe('identified')
  })

  it('is measured from its start: who takes long on the way back was asked all the same', async () => {
    const { provider, time } = createSubject({ issuer: crooked.issuer })
    const at = { state: 's', callback, fresh: true, maxAge: 60 }
    time.now = Date.now() - 300_000
    const { show, flow } = await provider.login!.begin(at)
    const url = show.kind === 'redirect' ? show.to : ''
    const loaded = crooked.signIn(url, told({ auth_time: Math.floor(time.now / 1000) + 5 }))
    time.now = Date.now()
    expect((await provider.login!.complete(arrivalOf(loaded), flow, at)).kind).toBe('identified')
  })

  it('is not taken from userinfo, which anybody with the token may have been given long ago', async () => {
    const lies: Lies = { userinfo: { claims: { auth_time: seconds() } } }
    expect((await tryWith(lies, fresh, { userinfo: 'always' })).outcome.kind).toBe('rejected')
  })

  it('at a real provider asks a person who is still signed in there', async () => {
    const { provider } = createSubject({ issuer: real.issuer })
    const person = real.person()
    await signIn(provider, (url) => person.go(url, { user: 'ann' }))
    // without it nobody is asked
    await signIn(provider, (url) => person.go(url, { user: 'nobody' }))
    await expect(signIn(provider, (url) => person.go(url, { user: 'nobody' }), fresh)).rejects.toThrow('refuses this account')
    const { outcome } = await signIn(provider, (url) => person.go(url, { user: 'ann' }), fresh)
    expect(identityIn(outcome).account).toBe('ann@company.com')
  })
})

describe('a strength', () => {
  it.each([
    [{ acr: 'gold' }, {}],
    [{ acr: 'platinum gold' }, {}],
    [{}, { acrValues: 'silver gold' }],
    [{ acr: 'gold' }, { acrValues: 'gold' }],
  ] as [Partial<LoginStart>, Partial<OidcOptions>][])('that was asked for and shown is taken: %j %j', async (start, options) => {
    const { outcome, authorizationUrl } = await tryWith(told({ acr: 'gold' }), start, options)
    expect(identityIn(outcome).assurance).toBe('gold')
    expect(sentIn(authorizationUrl)['acr_values']).toBe(start.acr ?? options.acrValues)
  })

  it.each([['silver'], [undefined], [null], [''], ['gold silver'], ['GOLD'], [['gold']]])(
    'that was asked for and not shown is refused: %j',
    async (acr) => {
      const { outcome } = await tryWith(told({ acr }), { acr: 'gold' })
      expect(outcome).toMatchObject({ kind: 'rejected', reason: 'assurance-too-low' })
    },
  )

  it('reaches the log printable and short', async () => {
    const { outcome } = await tryWith(told({ acr: `\r\n\u001b${'a'.repeat(500)}` }), { acr: 'gold' })
    expect(outcome).toMatchObject({ detail: expect.stringMatching(/^acr is [ -~]{1,80}, asked for was gold$/) })
  })

  it('is not taken from userinfo', async () => {
    const { outcome } = await tryWith({ userinfo: { claims: { acr: 'gold' } } }, { acr: 'gold' }, { userinfo: 'always' })
    expect(outcome).toMatchObject({ reason: 'assurance-too-low' })
  })

  it('nobody asked for is told as it is', async () => {
    expect(identityIn((await tryWith(told({ acr: 'bronze' }), {})).outcome).assurance).toBe('bronze')
  })
})

it('a claim that something reads and the provider keeps elsewhere refuses; one that nothing reads does not', async () => {
  const lies = told({ groups: undefined, _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://x' } } })
  const options = { userinfo: 'never', groupsAttribute: 'groups' } as const
  expect((await tryWith(lies, {}, options)).outcome).toMatchObject({
    reason: 'sign-in-failed',
    detail: expect.stringMatching(/^the claim groups is not in the token/),
  })
  const roles = told({ _claim_names: { roles: 'src1' } })
  expect((await tryWith(roles, {}, options)).outcome.kind).toBe('identified')
  // there all the same
  expect((await tryWith(told({ _claim_names: { groups: 'src1' } }), {}, options)).outcome.kind).toBe('identified')
})

describe('asking', () => {
  const asking = (options: Partial<OidcOptions>) => createSubject({ issuer: crooked.issuer, ...options }).provider.asking

  it('is plain where nothing is written', () => {
    expect(asking({})).toEqual({})
    expect(asking({ domains: [], passParameters: [] })).toEqual({})
  })
  it('hands on what is written, domains in lower case', () => {
    const written = { domains: ['Company.com', '*.Company.com'], passParameters: ['ui_locales'], fallback: 'OTHER' }
    expect(asking(written)).toEqual({ ...written, domains: ['company.com', '*.company.com'] })
  })
  it.each([
    ['account & "@company.com"', { account: 'ann' }, 'ann@company.com'],
    ['login_hint', { login_hint: 'bob@x' }, 'bob@x'],
    ['login_hint', {}, undefined],
    ['login_hint', { login_hint: 'a\r\nSet-Cookie: x' }, undefined],
    ['login_hint', { login_hint: '' }, undefined],
    ['7', {}, undefined],
    ['$error("no")', {}, undefined],
  ])('reads %s of the facts', async (source, facts, expected) => {
    const read = asking({ loginHint: source, verify: { claim: 'preferred_username', equals: source } })
    expect(await read?.loginHint?.(facts as never)).toBe(expected)
    expect(read?.verify?.claim).toBe('preferred_username')
    expect(await read?.verify?.expected(facts as never)).toBe(expected)
  })
  it('that cannot be read is told at once', () => {
    expect(() => asking({ loginHint: 'account &' })).toThrow()
  })
  it('has userinfo asked for the claim to be verified', async () => {
    const lies: Lies = { userinfo: { claims: { preferred_username: 'ann' } } }
    const verify = { claim: 'preferred_username', equals: 'login_hint' }
    expect(identityIn((await tryWith(lies, {}, { verify })).outcome).claims).toMatchObject({ preferred_username: 'ann' })
  })
})
