// What products do differently, and what somebody who knows that could try.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import { vendorOf, wholeIssuer } from '../../../src/identity/providers/vendor.ts'
import type { LoginStart } from '../../../src/types.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../../support/crooked-provider.ts'
import { identityIn } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'

let idp: CrookedProvider
beforeEach(async () => {
  idp = await startCrookedProvider({
    clientId,
    clientSecret,
    claims: { email: 'ann@company.com', email_verified: true, groups: [] },
  })
})
afterEach(() => idp.close())

const own = '11111111-1111-4111-8111-111111111111'
const partner = '22222222-2222-4222-8222-222222222222'
const foreign = '33333333-3333-4333-8333-333333333333'
const sentIn = (url: string) => Object.fromEntries(new URL(url).searchParams)

describe('Entra with several tenants', () => {
  const issuerOf = (tenant: string) => `${idp.issuer}/${tenant}/v2.0`
  const ofTenant = (tid: string, lies: Lies = {}): Lies => ({
    answer: (p) => p.delete('iss'),
    ...lies,
    claims: { iss: issuerOf(tid), tid, ...lies.claims },
  })
  async function tryWith(lies: Lies, options: Partial<OidcOptions> = {}, start: Partial<LoginStart> = {}) {
    // as Entra's document has it: a pattern for an issuer, and no word of RFC 9207
    idp.discovery = {
      issuer: issuerOf('{tenantid}'),
      authorization_response_iss_parameter_supported: undefined,
      ...idp.discovery,
    }
    const subject = createSubject({
      issuer: issuerOf('organizations'),
      discoveryUri: `${idp.issuer}/.well-known/openid-configuration`,
      vendor: 'entra',
      allowedTenants: [own, partner.toUpperCase()],
      callTimeout: 20_000,
      ...options,
    })
    return { ...subject, ...(await signIn(subject.provider, (url) => idp.signIn(url, lies), start)) }
  }

  it.each([own, partner])('takes people of a tenant that is allowed, each within the tenant: %s', async (tid) => {
    const { outcome } = await tryWith(ofTenant(tid))
    expect(identityIn(outcome)).toMatchObject({ issuer: issuerOf(tid), subject: 'ann', account: 'ann@company.com' })
    expect(identityIn(outcome).claims).toMatchObject({ iss: issuerOf(tid), tid })
  })

  it('spends the code once, and fetches the keys once for many', async () => {
    const { provider } = await tryWith(ofTenant(own))
    await signIn(provider, (url) => idp.signIn(url, ofTenant(partner)))
    expect(idp.tokenRequests).toHaveLength(2)
    expect(idp.asked.filter((one) => one.endsWith('/jwks'))).toHaveLength(1)
  })

  it('asks userinfo where something is missing', async () => {
    const lies = ofTenant(own, { userinfo: { claims: { department: 'it' } } })
    const { outcome } = await tryWith(lies, { wantedClaims: new Set(['department']) })
    expect(identityIn(outcome).claims).toMatchObject({ department: 'it', iss: issuerOf(own) })
  })

  const lies: readonly (readonly [string, () => Lies, string, RegExp])[] = [
    ['of a tenant that is not allowed', () => ofTenant(foreign), 'tenant-refused', /not allowed/],
    ['without tid', () => ofTenant(own, { claims: { tid: undefined } }), 'sign-in-failed', /iss/],
    [
      'whose tid is allowed and whose issuer is another tenant',
      () => ofTenant(own, { claims: { iss: issuerOf(foreign) } }),
      'sign-in-failed',
      /iss/,
    ],
    [
      'whose issuer is allowed and whose tid is another tenant',
      () => ofTenant(foreign, { claims: { iss: issuerOf(own) } }),
      'sign-in-failed',
      /iss/,
    ],
    [
      'whose issuer is the pattern itself',
      () => ofTenant(own, { claims: { iss: issuerOf('{tenantid}') } }),
      'sign-in-failed',
      /iss/,
    ],
    ['whose tenant is the pattern itself', () => ofTenant('{tenantid}'), 'sign-in-failed', /iss/],
    ['of another host', () => ofTenant(own, { claims: { iss: `https://evil.example/${own}/v2.0` } }), 'sign-in-failed', /iss/],
    [
      'whose tenant is a path',
      () => ofTenant(own, { claims: { tid: `${own}/../x`, iss: issuerOf(`${own}/../x`) } }),
      'sign-in-failed',
      /iss/,
    ],
    ['whose tid is a list', () => ofTenant(own, { claims: { tid: [own] } }), 'sign-in-failed', /iss/],
    ['signed by nobody we know', () => ofTenant(own, { signature: 'other-key' }), 'sign-in-failed', /signature/],
    ['without signature', () => ofTenant(own, { signature: 'none' }), 'sign-in-failed', /alg/],
    ['with another nonce', () => ofTenant(own, { claims: { nonce: 'stolen' } }), 'sign-in-failed', /nonce/],
    ['for another client', () => ofTenant(own, { claims: { aud: 'another' } }), 'sign-in-failed', /aud/],
    ['that has expired', () => ofTenant(own, { claims: { exp: 1 } }), 'sign-in-failed', /exp/],
  ]
  it.each(lies)('refuses a token %s', async (_, lie, reason, check) => {
    const { outcome } = await tryWith(lie())
    expect(outcome).toMatchObject({ kind: 'rejected', reason, detail: expect.stringMatching(check) })
  })

  it('compares the iss of the answer, should Entra ever send one: before the code goes out, and with the token', async () => {
    const saying = (iss: string) => ofTenant(own, { answer: (p) => p.set('iss', iss) })
    expect((await tryWith(saying(issuerOf(own)))).outcome.kind).toBe('identified')
    expect((await tryWith(saying(issuerOf(partner)))).outcome).toMatchObject({ detail: expect.stringMatching(/iss/) })
    const before = idp.tokenRequests.length
    expect((await tryWith(saying('https://evil.example'))).outcome).toMatchObject({ detail: expect.stringMatching(/iss/) })
    expect((await tryWith(saying(issuerOf(`${own}/../x`)))).outcome.kind).toBe('rejected')
    idp.discovery = { authorization_response_iss_parameter_supported: true }
    expect((await tryWith(ofTenant(own))).outcome).toMatchObject({ detail: expect.stringMatching(/"iss" \(issuer\) missing/) })
    expect(idp.tokenRequests).toHaveLength(before)
  })

  it('is not used where nobody says whose people may come', async () => {
    expect(() => createSubject({ issuer: 'https://login.microsoftonline.com/common/v2.0' })).toThrow(/allowedTenants/)
    expect(() => createSubject({ issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0', allowedTenants: [] })).toThrow(
      TypeError,
    )
    idp.discovery = { issuer: issuerOf('{tenantid}') }
    const { provider } = createSubject({ discoveryUri: `${idp.issuer}/.well-known/openid-configuration` })
    await expect(provider.login!.begin({ state: 's', callback })).rejects.toMatchObject({
      detail: expect.stringMatching(/no single issuer/),
    })
  })

  it('compares the tenant of a single-tenant issuer too, where some are named', async () => {
    const single = { issuer: idp.issuer, vendor: 'entra', allowedTenants: [own] } as const
    const outcomeOf = async (claims: object) => {
      const { provider } = createSubject({ ...single, callTimeout: 20_000 })
      return (await signIn(provider, (url) => idp.signIn(url, { claims: { ...claims } }))).outcome
    }
    expect((await outcomeOf({ tid: own })).kind).toBe('identified')
    expect(await outcomeOf({ tid: foreign })).toMatchObject({ reason: 'tenant-refused' })
    expect(await outcomeOf({})).toMatchObject({ reason: 'tenant-refused', detail: expect.stringMatching(/no tenant/) })
  })

  it('works with end points by hand, and with people at home', async () => {
    expect(wholeIssuer('https://login.microsoftonline.com/consumers/v2.0', 'entra')).toBe(
      'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
    )
    const byHand = {
      authorizationEndpoint: `${idp.issuer}/authorize`,
      tokenEndpoint: `${idp.issuer}/token`,
      jwksUri: `${idp.issuer}/jwks`,
      issuer: issuerOf('common'),
    }
    const { provider } = createSubject({ ...byHand, vendor: 'entra', allowedTenants: [own] })
    const { outcome } = await signIn(provider, (url) => idp.signIn(url, ofTenant(own)))
    expect(identityIn(outcome).issuer).toBe(issuerOf(own))
  })

  it('believes an address whose domain is the tenant’s, and no other', async () => {
    const edov = async (claims: object, options: Partial<OidcOptions> = {}) =>
      (await tryWith(ofTenant(own, { claims: { email_verified: undefined, ...claims } }), options)).outcome
    const strict = { requireVerifiedEmail: true }
    expect((await edov({ xms_edov: true }, strict)).kind).toBe('identified')
    expect((await edov({ xms_edov: '1' }, strict)).kind).toBe('identified')
    expect(await edov({}, strict)).toMatchObject({ reason: 'email-not-verified' })
    expect(await edov({ xms_edov: false })).toMatchObject({ reason: 'email-not-verified' })
    expect(await edov({ xms_edov: true, email_verified: false })).toMatchObject({ reason: 'email-not-verified' })
  })

  it('asks for a strength as Entra understands it, beside what is written', async () => {
    const written = { authorizationParameters: { claims: '{"id_token":{"ctry":null},"userinfo":{}}' } }
    const { outcome, authorizationUrl } = await tryWith(ofTenant(own, { claims: { acrs: ['c1', 'c2'] } }), written, { acr: 'c2' })
    expect(JSON.parse(sentIn(authorizationUrl)['claims'] ?? '')).toEqual({
      userinfo: {},
      id_token: { ctry: null, acrs: { essential: true, value: 'c2' } },
    })
    expect(identityIn(outcome).assurance).toBe('c2')
    const weak = await tryWith(ofTenant(own, { claims: { acrs: ['c1'] } }), {}, { acr: 'c2 c3' })
    expect(weak.outcome).toMatchObject({ reason: 'assurance-too-low' })
    expect(JSON.parse(sentIn(weak.authorizationUrl)['claims'] ?? '')).toEqual({
      id_token: { acrs: { essential: true, values: ['c2', 'c3'] } },
    })
  })
})

describe('Google', () => {
  const bare = () => idp.issuer.replace('http://', '')
  async function tryWith(lies: Lies, start: Partial<LoginStart> = {}, options: Partial<OidcOptions> = {}) {
    const subject = createSubject({ issuer: idp.issuer, vendor: 'google', callTimeout: 20_000, ...options })
    return { ...subject, ...(await signIn(subject.provider, (url) => idp.signIn(url, lies), start)) }
  }

  it('is one issuer in both its spellings: one person, not two', async () => {
    const both = [await tryWith({}), await tryWith({ claims: { iss: bare() }, answer: (p) => p.set('iss', bare()) })]
    const people = both.map(({ outcome }) => identityIn(outcome))
    for (const person of people) {
      expect(person).toMatchObject({ issuer: idp.issuer, subject: 'ann' })
      expect(person.claims).toMatchObject({ iss: idp.issuer })
    }
    expect(idp.tokenRequests).toHaveLength(2)
  })

  it.each([
    ['another issuer', () => ({ claims: { iss: 'https://evil.example' } })],
    ['another host with the same end', () => ({ claims: { iss: `evil.${bare()}` } })],
    ['the other scheme', () => ({ claims: { iss: `https://${bare()}` } })],
    ['one spelling in the answer and the other in the token', () => ({ claims: { iss: bare() } })],
    ['another issuer in the answer', () => ({ answer: (p: URLSearchParams) => p.set('iss', 'https://evil.example') })],
    ['no issuer in the answer, which was promised', () => ({ answer: (p: URLSearchParams) => p.delete('iss') })],
    ['the short spelling, signed by nobody', () => ({ claims: { iss: bare() }, signature: 'other-key' as const })],
  ] as [string, () => Lies][])('refuses %s', async (_, lies) => {
    expect((await tryWith(lies())).outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed' })
  })

  it('that spells so is no excuse for others', async () => {
    const { outcome } = await tryWith({ claims: { iss: bare() } }, {}, { vendor: 'keycloak' })
    expect(outcome).toMatchObject({ detail: expect.stringMatching(/iss/) })
  })

  it('is asked for a login, and for its time, in words it knows', async () => {
    const { authorizationUrl } = await tryWith({}, { fresh: true })
    expect(sentIn(authorizationUrl)).toMatchObject({
      prompt: 'select_account',
      claims: '{"id_token":{"auth_time":{"essential":true}}}',
    })
    expect(sentIn((await tryWith({}, { prompt: 'consent' })).authorizationUrl)['prompt']).toBe('consent')
  })
})

it('ADFS is not asked at userinfo for what it never says there, unless told to', async () => {
  const asked = async (options: Partial<OidcOptions>) => {
    const before = idp.asked.length
    const { provider } = createSubject({
      issuer: idp.issuer,
      wantedClaims: new Set(['department']),
      callTimeout: 20_000,
      ...options,
    })
    expect((await signIn(provider, (url) => idp.signIn(url))).outcome.kind).toBe('identified')
    return idp.asked.slice(before).includes('GET /userinfo')
  }
  expect(await asked({ vendor: 'adfs' })).toBe(false)
  expect(await asked({ vendor: 'adfs', userinfo: 'always' })).toBe(true)
  expect(await asked({ vendor: 'keycloak' })).toBe(true)
})

it.each([
  ['https://login.microsoftonline.com/common/v2.0', 'entra'],
  ['https://sts.windows.net/1/', 'entra'],
  ['https://accounts.google.com', 'google'],
  ['https://fs.company.com/adfs', 'adfs'],
  ['https://sso.company.com/auth/realms/home', 'keycloak'],
  ['https://accounts.google.com.evil.example', undefined],
  ['https://idp.company.com/login.microsoftonline.com/common', undefined],
  ['no address', undefined],
])('%s is %s by its address; what is written wins', (issuer, vendor) => {
  expect(vendorOf({ issuer })).toBe(vendor)
  expect(vendorOf({ discoveryUri: issuer })).toBe(vendor)
  expect(vendorOf({ issuer, vendor: 'adfs' })).toBe('adfs')
})
