// Sign-in without an ID token: what is sent, who it is, and every answer that is nobody.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OAuth2Options } from '../../../src/identity/providers/oauth2.ts'
import type { LoginStart } from '../../../src/types.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../../support/crooked-provider.ts'
import { startIdentityProvider } from '../../support/identity-provider.ts'
import { itConforms } from './conformance.ts'
import { arrivalOf, identityIn } from './fixtures.ts'
import { honest, oauth2At, octocat } from './oauth2-setup.ts'
import { callback, clientId, clientSecret, signIn } from './oidc-setup.ts'

let idp: CrookedProvider
beforeAll(async () => {
  idp = await startCrookedProvider({ clientId, clientSecret })
})
afterAll(() => idp.close())
beforeEach(() => {
  idp.errorsUnder200 = false
})

async function tryWith(lies: Lies, options: Partial<OAuth2Options> = {}, start: Partial<LoginStart> = {}) {
  const subject = oauth2At(idp, options)
  const whole = { ...honest, ...lies, tokenAnswer: { ...honest.tokenAnswer, ...lies.tokenAnswer } }
  return { ...subject, ...(await signIn(subject.provider, (url) => idp.signIn(url, whole), start)) }
}
const userinfo = (claims: object): Lies => ({ userinfo: { claims: { ...octocat, ...claims } } })

itConforms('OAUTH2', () => {
  const { provider } = oauth2At(idp, { loginHint: 'login_hint', verify: { claim: 'login', equals: 'login_hint' } })
  const go = (start?: Partial<LoginStart>) => signIn(provider, (url) => idp.signIn(url, honest), start)
  return { provider, secrets: [clientSecret], identify: async () => (await go()).outcome, asksNobody: go }
})

describe('a sign-in', () => {
  it('ends with the person whom userinfo names', async () => {
    const { outcome, time } = await tryWith({})
    expect(outcome).toEqual({
      kind: 'identified',
      identity: {
        provider: 'HUB',
        issuer: 'oauth2:HUB',
        subject: '583231',
        account: 'OctoCat',
        name: 'The Octocat',
        groups: ['cats'],
        claims: { iss: 'oauth2:HUB', id: 583231, login: 'OctoCat', name: 'The Octocat', email: null, groups: ['cats'] },
        authenticatedAt: time.now,
      },
      accessToken: expect.stringMatching(/./),
    })
  })

  it('sends the browser away with PKCE and the exact redirect URI, and asks for no scope that is not written', async () => {
    const { authorizationUrl } = await tryWith({})
    expect(Object.fromEntries(new URL(authorizationUrl).searchParams)).toEqual({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: callback,
      state: 'sealed-state',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
    expect(idp.tokenRequests.at(-1)?.body.get('redirect_uri')).toBe(callback)
  })

  it('asks as it is told, never for a changed check', async () => {
    const extra = { allow_signup: 'false', state: 'forged', redirect_uri: 'https://evil.example', code_challenge: 'x' }
    const options = { scope: 'read:user', prompt: 'consent', authorizationParameters: { audience: 'api' } }
    const { authorizationUrl } = await tryWith({}, options, { loginHint: 'octocat', extra })
    expect(Object.fromEntries(new URL(authorizationUrl).searchParams)).toMatchObject({
      scope: 'read:user',
      prompt: 'consent',
      audience: 'api',
      login_hint: 'octocat',
      allow_signup: 'false',
      state: 'sealed-state',
      redirect_uri: callback,
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    })
  })

  it('works with a form for an answer, and without token_type', async () => {
    expect(identityIn((await tryWith({ tokenAs: 'form' })).outcome).account).toBe('OctoCat')
    expect(identityIn((await tryWith({ tokenAnswer: { token_type: undefined } })).outcome).account).toBe('OctoCat')
  })

  it('does not read an ID token that nobody asked for', async () => {
    const lies: Lies = { tokenAnswer: { id_token: 'x.y.z' } }
    const { outcome } = await tryWith(lies)
    expect(identityIn(outcome)).toMatchObject({ issuer: 'oauth2:HUB', subject: '583231' })
    expect(JSON.stringify(outcome)).not.toContain('x.y.z')
  })

  it('proves the client as it is told', async () => {
    await tryWith({})
    expect(idp.tokenRequests.at(-1)?.authorization).toMatch(/^Basic /)
    const posted = await tryWith({}, { clientAuthentication: 'client_secret_post' })
    expect(posted.outcome.kind).toBe('identified')
    expect(idp.tokenRequests.at(-1)?.authorization).toBeUndefined()
  })

  it('takes attributes from anywhere in the answer', async () => {
    const wrapped: Lies = { userinfo: { claims: { data: { id: 'u-7', username: 'Ann@x', teams: ['a', 'b'] } } } }
    const options = { subjectAttribute: 'data.id', accountAttribute: 'data.username', groupsAttribute: 'data.teams' }
    const { outcome } = await tryWith(wrapped, { ...options, accountCase: 'lower' })
    expect(identityIn(outcome)).toMatchObject({ subject: 'u-7', account: 'ann@x', groups: ['a', 'b'] })
  })

  it('works at a real provider, by userinfo alone', async () => {
    const clients = [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] }]
    const accounts = { ann: { claims: { email: 'ann@company.com', email_verified: true, groups: ['staff'] } } }
    const real = await startIdentityProvider({ clients, accounts })
    const { provider } = oauth2At(real, {
      authorizationEndpoint: `${real.issuer}/auth`,
      userinfoEndpoint: `${real.issuer}/me`,
      issuer: real.issuer,
      // oidc-provider has no userinfo for anything less
      scope: 'openid email profile',
      subjectAttribute: 'sub',
      accountAttribute: 'email',
      requireVerifiedEmail: true,
    })
    const { outcome } = await signIn(provider, (url) => real.signIn(url, 'ann'))
    await real.close()
    expect(identityIn(outcome)).toMatchObject({
      issuer: real.issuer,
      subject: 'ann',
      account: 'ann@company.com',
      groups: ['staff'],
    })
  })
})

describe('nobody is', () => {
  const nobody: readonly (readonly [string, Lies, Partial<OAuth2Options>, string, RegExp])[] = [
    ['a subject that is missing', userinfo({ id: undefined }), {}, 'sign-in-failed', /subject/],
    ['a subject that is null', userinfo({ id: null }), {}, 'sign-in-failed', /subject/],
    ['a subject that is empty', userinfo({ id: ' ' }), {}, 'sign-in-failed', /subject/],
    ['a subject that is a list', userinfo({ id: [7] }), {}, 'sign-in-failed', /subject/],
    ['a subject that is true', userinfo({ id: true }), {}, 'sign-in-failed', /subject/],
    ['a subject that is a fraction', userinfo({ id: 7.5 }), {}, 'sign-in-failed', /subject/],
    ['a subject that holds a line break', userinfo({ id: 'a\nb' }), {}, 'sign-in-failed', /subject/],
    ['a list', { userinfo: { text: '[{"id":1,"login":"a"}]' } }, {}, 'sign-in-failed', /JSON object/],
    ['a text', { userinfo: { text: '"root"' } }, {}, 'sign-in-failed', /JSON object/],
    ['an account that is missing', userinfo({ login: undefined }), {}, 'account-missing', /missing/],
    ['an account that is a number', userinfo({ login: 7 }), {}, 'account-missing', /not text/],
    ['an account with a line break', userinfo({ login: 'a\r\nb' }), {}, 'account-missing', /control/],
    ['an address that is not verified', userinfo({ email: 'a@x', email_verified: false }), {}, 'email-not-verified', /email/],
    ['an address that is not verified, in other words', userinfo({ verified_email: false }), {}, 'email-not-verified', /email/],
    ['an address nobody vouches for', {}, { requireVerifiedEmail: true }, 'email-not-verified', /absent/],
  ]
  it.each(nobody)('%s', async (_, lies, options, reason, check) => {
    const { outcome } = await tryWith(lies, options)
    expect(outcome).toMatchObject({ kind: 'rejected', reason, detail: expect.stringMatching(check) })
  })

  it('one of two people whose numbers are read as one', async () => {
    const one = await tryWith({ userinfo: { text: '{"id":9007199254740993,"login":"a"}' } })
    const other = await tryWith({ userinfo: { text: '{"id":9007199254740992,"login":"b"}' } })
    expect([one.outcome.kind, other.outcome.kind]).toEqual(['rejected', 'rejected'])
  })
})

describe('the answer is refused', () => {
  const lies: readonly (readonly [string, Lies, RegExp])[] = [
    ['with another state', { answer: (p) => p.set('state', 'another') }, /state/],
    ['without state', { answer: (p) => p.delete('state') }, /state/],
    ['without code', { answer: (p) => p.delete('code') }, /code/],
    ['with code twice', { answer: (p) => p.append('code', 'another') }, /code came more than once/],
    ['with a made-up code', { answer: (p) => p.set('code', 'made-up') }, /^token endpoint: invalid_grant$/],
    ['with an access token in it', { answer: (p) => p.set('token', 'x') }, /implicit/],
    ['with a token of another kind', { tokenAnswer: { token_type: 'mac' } }, /token_type/],
    ['without a token', { tokenAnswer: { access_token: undefined } }, /access_token/],
  ]
  it.each(lies)('%s', async (_, lie, check) => {
    const { outcome } = await tryWith(lie)
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed', detail: expect.stringMatching(check) })
  })

  it('where the provider writes its error under 200', async () => {
    idp.errorsUnder200 = true
    const { outcome } = await tryWith({ answer: (p) => p.set('code', 'made-up') })
    expect(outcome).toMatchObject({ reason: 'sign-in-failed', detail: 'token endpoint: invalid_grant' })
  })

  it('of another issuer, where the provider’s is a URL; where it is none, there is nothing to compare', async () => {
    const mixedUp: Lies = { answer: (p) => p.set('iss', 'https://evil.example') }
    const before = idp.tokenRequests.length
    expect((await tryWith(mixedUp, { issuer: idp.issuer })).outcome).toMatchObject({ detail: expect.stringMatching(/iss/) })
    expect(idp.tokenRequests).toHaveLength(before)
    expect((await tryWith({}, { issuer: idp.issuer })).outcome.kind).toBe('identified')
    expect((await tryWith(mixedUp)).outcome.kind).toBe('identified')
  })

  it('of another flow: a code injected by somebody fails on PKCE', async () => {
    const { provider } = oauth2At(idp)
    const at = { state: 'same', callback }
    const attacker = await provider.login!.begin(at)
    const victim = await provider.login!.begin(at)
    const back = arrivalOf(idp.signIn(attacker.show.kind === 'redirect' ? attacker.show.to : '', honest))
    expect(await provider.login!.complete(back, victim.flow, at)).toMatchObject({ detail: 'token endpoint: invalid_grant' })
  })

  it('where the person says no', async () => {
    const { outcome } = await tryWith({
      answer: (p) => {
        p.delete('code')
        p.set('error', 'access_denied')
      },
    })
    expect(outcome).toEqual({ kind: 'rejected', reason: 'sign-in-denied', detail: 'access_denied' })
  })
})

describe('a demand', () => {
  it('for a person to be asked is met by nothing but auth_time since the start', async () => {
    const seconds = Math.floor(Date.now() / 1000)
    const fresh = { fresh: true }
    expect((await tryWith({}, {}, fresh)).outcome).toMatchObject({
      reason: 'sign-in-failed',
      detail: expect.stringMatching(/auth_time/),
    })
    expect((await tryWith(userinfo({ auth_time: seconds - 600 }), {}, fresh)).outcome.kind).toBe('rejected')
    expect((await tryWith(userinfo({ auth_time: seconds }), {}, fresh)).outcome.kind).toBe('identified')
    expect(new URL((await tryWith({}, {}, fresh)).authorizationUrl).searchParams.get('prompt')).toBe('login')
  })
  it('for a strength is not met by none', async () => {
    expect((await tryWith({}, {}, { acr: 'gold' })).outcome).toMatchObject({ reason: 'assurance-too-low' })
  })
})

describe('the provider in trouble', () => {
  it.each(['error-500', 'break', 'bomb'] as const)('%s is unavailable, and is known to be for a minute', async (trouble) => {
    for (const lies of [{ token: trouble }, { userinfo: trouble }] as Lies[]) {
      const { outcome, provider, time } = await tryWith(lies)
      expect(outcome.kind).toBe('unavailable')
      expect(JSON.stringify(outcome)).not.toMatch(/secret words/)
      expect(provider.status?.()).toMatchObject({ state: 'unavailable', detail: expect.stringContaining(idp.issuer) })
      time.now += 60_000
      expect(provider.status?.().state).toBe('ready')
    }
  })
  it.each(['garbage', 'html', 'redirect', 'unauthorized'] as const)('%s is refused', async (trouble) => {
    for (const lies of [{ token: trouble }, { userinfo: trouble }] as Lies[]) {
      const { outcome } = await tryWith(lies)
      expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed' })
      expect(JSON.stringify(outcome)).not.toMatch(/secret.words/)
    }
  })
  it('is found out before anybody is sent there, where there is somewhere else to go', async () => {
    const nowhere = { issuer: 'http://127.0.0.1:1' }
    const begin = (options: Partial<OAuth2Options>) => oauth2At(nowhere, options).provider.login!.begin({ state: 's', callback })
    await expect(begin({ fallback: 'PLAY' })).rejects.toMatchObject({ reason: 'provider-unavailable' })
    expect((await begin({})).show.kind).toBe('redirect')
  })
  it('is found by a probe', async () => {
    expect(await oauth2At({ issuer: 'http://127.0.0.1:1' }).provider.probe?.()).toMatchObject({ state: 'unavailable' })
    expect(await oauth2At(idp).provider.probe?.()).toMatchObject({
      state: 'ready',
      endpoints: { token_endpoint: `${idp.issuer}/token` },
    })
  })
})

it.each([
  [{ clientId: '' }],
  [{ tokenEndpoint: 'http://hub.example/token' }],
  [{ userinfoEndpoint: 'nowhere' }],
  [{ clientSecret: '', clientAuthentication: 'client_secret_post' }],
  [{ authorizationParameters: { redirect_uri: 'https://elsewhere.example' } }],
] as [Partial<OAuth2Options>][])('is told at once what is wrong: %j', (options) => {
  expect(() => oauth2At(idp, options)).toThrow(TypeError)
})
