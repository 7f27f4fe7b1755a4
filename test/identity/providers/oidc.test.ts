// The whole way through a real provider: oidc-provider, which compares redirect URIs exactly and demands PKCE.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProvider } from '../../../src/identity/providers/index.ts'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import type { Session } from '../../../src/types.ts'
import { type IdentityProvider, startIdentityProvider, type TestClient } from '../../support/identity-provider.ts'
import { itConforms } from './conformance.ts'
import { createRecorder, identityIn } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, defaults, signIn } from './oidc-setup.ts'

const signedOut = 'http://portal.example/_postern/signed-out'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const registered = { redirect_uris: [callback], post_logout_redirect_uris: [signedOut] }
const clients: TestClient[] = [
  { client_id: clientId, client_secret: clientSecret, ...registered, token_endpoint_auth_method: 'client_secret_basic' },
  { client_id: 'posting', client_secret: clientSecret, ...registered, token_endpoint_auth_method: 'client_secret_post' },
  { client_id: 'public', ...registered, token_endpoint_auth_method: 'none' },
  {
    client_id: 'signing',
    ...registered,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'ours', alg: 'ES256', use: 'sig' } as never] },
  },
]
const ann = {
  email: 'Ann@Company.com',
  email_verified: true,
  hd: 'company.com',
  groups: ['staff', 'admins'],
  name: 'Ann Lee',
  department: 'it',
}
const accounts = { ann: { password: 'right', claims: ann }, bob: { claims: { email: 'bob@company.com', groups: 'staff' } } }

let idp: IdentityProvider
beforeAll(async () => {
  idp = await startIdentityProvider({ clients, accounts })
})
afterAll(() => idp.close())

const as = (user: string, password?: string) => (url: string) => idp.signIn(url, user, password)
async function annWith(options: Partial<OidcOptions>) {
  const subject = createSubject({ issuer: idp.issuer, ...options })
  return { ...subject, ...(await signIn(subject.provider, as('ann', 'right'))) }
}

itConforms('OIDC', () => {
  const options = { protocol: 'OIDC', ...defaults, issuer: idp.issuer } as const
  const provider = createProvider(options, { log: createRecorder(), clock: () => Date.now() })
  return {
    provider,
    secrets: [clientSecret],
    identify: async () => (await signIn(provider, as('ann', 'right'))).outcome,
  }
})

describe('a sign-in', () => {
  it('ends with the person, the claims about them, and nothing of the protocol', async () => {
    const { outcome } = await annWith({})
    const identity = identityIn(outcome)
    expect(identity).toMatchObject({
      provider: 'PLAY',
      issuer: idp.issuer,
      subject: 'ann',
      account: 'Ann@Company.com',
      name: 'Ann Lee',
      email: 'Ann@Company.com',
      groups: ['staff', 'admins'],
    })
    expect(Object.keys(identity.claims).sort()).toEqual(
      ['aud', 'department', 'email', 'email_verified', 'groups', 'hd', 'iss', 'name', 'sub'].sort(),
    )
  })

  it('sends the browser away with PKCE, nonce, state and the exact redirect URI', async () => {
    const { authorizationUrl } = await annWith({ scope: 'email  profile', authorizationParameters: { hd: 'company.com' } })
    const sent = Object.fromEntries(new URL(authorizationUrl).searchParams)
    expect(sent).toEqual({
      hd: 'company.com',
      response_type: 'code',
      client_id: clientId,
      scope: 'openid email profile',
      redirect_uri: callback,
      state: 'sealed-state',
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
  })

  it('asks as it is told: prompt, max_age, acr, login_hint, more parameters; never for a changed check', async () => {
    const { provider } = createSubject({ issuer: idp.issuer, prompt: 'login', maxAge: 60, acrValues: 'a b' })
    const asked = async (start: object) => {
      const { show } = await provider.login!.begin({ state: 's', callback, ...start })
      return Object.fromEntries(new URL(show.kind === 'redirect' ? show.to : '').searchParams)
    }
    expect(await asked({})).toMatchObject({ prompt: 'login', max_age: '60', acr_values: 'a b' })
    const extra = { ui_locales: 'de', state: 'forged', redirect_uri: 'https://evil.example', nonce: 'n', request_uri: 'u' }
    const more = await asked({ prompt: 'select_account', maxAge: 0, acr: 'c', loginHint: 'ann', extra })
    expect(more).toMatchObject({ prompt: 'select_account', max_age: '0', acr_values: 'c', login_hint: 'ann', ui_locales: 'de' })
    expect(more).toMatchObject({ state: 's', redirect_uri: callback })
    expect(more).not.toHaveProperty('request_uri')
  })

  it('tells when and how strongly the person signed in', async () => {
    const subject = createSubject({ issuer: idp.issuer, maxAge: 300, acrValues: 'urn:test:mfa' })
    const { outcome } = await signIn(subject.provider, as('ann', 'right'))
    const identity = identityIn(outcome)
    expect(identity.authenticatedAt % 1000).toBe(0)
    expect(Math.abs(identity.authenticatedAt - subject.time.now)).toBeLessThan(60_000)
    expect(identity.assurance).toBe('urn:test:mfa')
  })

  it('at once in two tabs works twice', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const both = await Promise.all([signIn(provider, as('ann', 'right')), signIn(provider, as('bob'), { state: 'another' })])
    expect(both.map(({ outcome }) => identityIn(outcome).subject)).toEqual(['ann', 'bob'])
    expect(idp.asked.filter((url) => url.includes('.well-known')).length).toBeGreaterThan(0)
  })

  it('does not ask again a person who is still signed in at the provider', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const person = idp.person()
    await signIn(provider, (url) => person.go(url, { user: 'ann', password: 'right' }))
    const { outcome } = await signIn(provider, (url) => person.go(url, { user: 'nobody' }))
    expect(identityIn(outcome).subject).toBe('ann')
  })

  it('that the provider cannot finish silently is denied', async () => {
    const { provider } = createSubject({ issuer: idp.issuer, prompt: 'none' })
    const { outcome } = await signIn(provider, as('ann', 'right'))
    expect(outcome).toMatchObject({ reason: 'sign-in-denied', detail: expect.stringMatching(/^login_required/) })
  })

  it.each(['ES256', 'EdDSA'] as const)('works with %s, and with no discovery at all', async (algorithm) => {
    const modern = await startIdentityProvider({ clients, accounts, algorithm })
    const { issuer } = modern
    const { provider } = createSubject({
      issuer,
      authorizationEndpoint: `${issuer}/auth`,
      tokenEndpoint: `${issuer}/token`,
      jwksUri: `${issuer}/jwks`,
    })
    const { outcome } = await signIn(provider, (url) => modern.signIn(url, 'bob'))
    await modern.close()
    expect(identityIn(outcome).account).toBe('bob@company.com')
    expect(modern.asked.filter((url) => url.includes('.well-known'))).toEqual([])
  })

  it('asks userinfo for what the ID token does not carry', async () => {
    const slim = await startIdentityProvider({ clients, accounts, claimsIn: 'userinfo' })
    const { provider } = createSubject({ issuer: slim.issuer })
    const { outcome } = await signIn(provider, (url) => slim.signIn(url, 'ann', 'right'))
    await slim.close()
    expect(identityIn(outcome)).toMatchObject({ account: 'Ann@Company.com', groups: ['staff', 'admins'] })
    expect(slim.asked).toContain('/me')
  })
})

describe('the client proves itself', () => {
  const signing = { clientId: 'signing', clientAuthentication: 'private_key_jwt', clientKeyId: 'ours' } as const
  const jwk = JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'ours' })
  const ways: readonly (readonly [string, Partial<OidcOptions>])[] = [
    ['with Basic, the default', {}],
    ['with Basic, as told', { clientAuthentication: 'client_secret_basic' }],
    ['in the body', { clientId: 'posting', clientAuthentication: 'client_secret_post' }],
    ['with a PEM key', { ...signing, clientKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }],
    ['with a JWK', { clientId: 'signing', clientAuthentication: 'private_key_jwt', clientKey: jwk }],
  ]
  it.each(ways)('%s', async (_, options) => expect((await annWith(options)).outcome.kind).toBe('identified'))

  it('with the key alone, where there is no secret', async () => {
    const { clientSecret: _, ...rest } = defaults
    const { clientAuthentication: __, ...key } = { ...signing, clientKey: jwk }
    const context = { log: createRecorder(), clock: Date.now }
    const provider = createProvider({ protocol: 'OIDC', ...rest, ...key, issuer: idp.issuer }, context)
    expect((await signIn(provider, as('bob'))).outcome.kind).toBe('identified')
  })

  it('not at all, where it has no secret', async () => {
    const { clientSecret: _, ...rest } = defaults
    const provider = createProvider(
      { protocol: 'OIDC', ...rest, clientId: 'public', issuer: idp.issuer },
      { log: createRecorder(), clock: Date.now },
    )
    expect((await signIn(provider, as('bob'))).outcome.kind).toBe('identified')
  })

  it.each([
    [{ clientId: '' }],
    [{ clientSecret: '', clientAuthentication: 'client_secret_post' }],
    [{ clientAuthentication: 'private_key_jwt' }],
    [{ clientAuthentication: 'private_key_jwt', clientKey: 'very secret words' }],
    [{ clientAuthentication: 'private_key_jwt', clientKey: '{"kty":"EC","d":"very secret words"}' }],
    [{ authorizationParameters: { redirect_uri: 'https://elsewhere.example' } }],
    [{ authorizationParameters: { response_mode: 'fragment' } }],
  ] as [Partial<OidcOptions>][])('or is told at once what is wrong: %j', (options) => {
    const create = () => createSubject({ issuer: 'https://idp.example', ...options })
    expect(create).toThrow(TypeError)
    expect(create).not.toThrow(/secret words/)
  })
})

describe('keys that the provider replaces', () => {
  it('are fetched when they are first seen, after a minute at the earliest', async () => {
    const rotating = await startIdentityProvider({ clients, accounts })
    const { provider, time } = createSubject({ issuer: rotating.issuer })
    const bob = (url: string) => rotating.signIn(url, 'bob')
    await signIn(provider, bob)
    await rotating.rotateKeys()
    expect((await signIn(provider, bob)).outcome).toMatchObject({ reason: 'sign-in-failed' })
    time.now += 61_000
    vi.useFakeTimers({ toFake: ['Date'], now: time.now })
    try {
      expect((await signIn(provider, bob)).outcome.kind).toBe('identified')
    } finally {
      vi.useRealTimers()
      await rotating.close()
    }
  })
})

describe('the way out', () => {
  const returnTo = new URL(signedOut)
  const sessionOf = (keep: Session['keep']): Session => ({ keep }) as Session
  async function annsSession(options: Partial<OidcOptions>) {
    const { outcome, provider } = await annWith(options)
    const keep = outcome.kind === 'identified' ? outcome.keep : undefined
    return { provider, keep, show: await provider.login!.end!(sessionOf(keep), returnTo) }
  }

  it('leads to the provider with a hint, and back', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const person = idp.person()
    const { outcome } = await signIn(provider, (url) => person.go(url, { user: 'ann', password: 'right' }))
    const keep = outcome.kind === 'identified' ? outcome.keep : undefined
    const show = await provider.login!.end!(sessionOf(keep), returnTo)
    if (show?.kind !== 'redirect') throw new Error('no redirect')
    const sent = Object.fromEntries(new URL(show.to).searchParams)
    expect(sent).toEqual({
      client_id: clientId,
      id_token_hint: expect.stringMatching(/^eyJ/),
      post_logout_redirect_uri: signedOut,
    })
    expect(await person.go(show.to, { logout: 'yes' })).toBe(signedOut)
    await expect(signIn(provider, (url) => person.go(url, { user: 'nobody' }))).rejects.toThrow('refuses this account')
  })

  it('leads nowhere where it is switched off, and nothing is kept for it', async () => {
    const { keep, show } = await annsSession({ endSession: false })
    expect(show).toBeUndefined()
    expect(keep).toBeUndefined()
  })

  it('works without a hint', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const show = await provider.login!.end!(sessionOf(undefined), returnTo)
    expect(show?.kind === 'redirect' && show.to).not.toContain('id_token_hint')
  })

  it('leads nowhere where the provider has no such end point, or is down', async () => {
    const plain = await startIdentityProvider({ clients, accounts, endSession: false })
    const { provider } = createSubject({ issuer: plain.issuer })
    expect(await provider.login!.end!(sessionOf(undefined), returnTo)).toBeUndefined()
    await plain.close()
    const down = createSubject({ issuer: plain.issuer })
    expect(await down.provider.login!.end!(sessionOf(undefined), returnTo)).toBeUndefined()
  })
})
