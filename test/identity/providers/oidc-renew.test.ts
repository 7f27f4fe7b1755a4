// A refresh as the provider's side of it: what is believed of the answer, and what becomes of the refresh token where there is none.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RenewalError } from '../../../src/errors.ts'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import type { AuthOutcome, Provider, Session } from '../../../src/types.ts'
import { type IdentityProvider, startIdentityProvider } from '../../support/identity-provider.ts'
import { identityIn } from './fixtures.ts'
import { oauth2At } from './oauth2-setup.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'
import { sessionOf, startRenewals } from './renew-endpoint.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>
let crooked: Awaited<ReturnType<typeof startRenewals>>
beforeAll(async () => {
  crooked = await startRenewals()
})
beforeEach(() => {
  crooked.state.script = {}
  crooked.spent.length = 0
})
afterAll(() => crooked.close())

const renew = (provider: Provider, session: Session): Promise<Identification> => provider.login!.renew!(session)
const playAt = (options: Partial<OidcOptions> = {}) =>
  createSubject({ issuer: crooked.issuer, refresh: true, callTimeout: 1500, ...options })
const outcomeOf = (renewal: Promise<unknown>): Promise<string> =>
  renewal.then(
    () => 'renewed',
    (error: unknown) => (error instanceof RenewalError ? error.outcome : `thrown: ${String(error)}`),
  )
const refreshed = (options: Partial<OidcOptions> = {}, session = sessionOf(crooked.issuer)) =>
  renew(playAt(options).provider, session)

describe('at a real provider that rotates', () => {
  let idp: IdentityProvider
  const accounts: Record<string, { claims: Record<string, string | string[]> }> = {
    ann: { claims: { email: 'ann@company.com', groups: ['staff', 'admins'] } },
  }
  const clients = [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] }]
  beforeAll(async () => {
    idp = await startIdentityProvider({ clients, accounts, rotation: true, ttl: { accessToken: 300 } })
  })
  afterAll(() => idp.close())

  async function annAt(options: Partial<OidcOptions> = {}) {
    const subject = createSubject({ issuer: idp.issuer, refresh: true, ...options })
    const { outcome } = await signIn(subject.provider, (url) => idp.signIn(url, 'ann'))
    const identity = identityIn(outcome)
    const { tokens, keep } = outcome as Identification
    const session: Session = { ...sessionOf(idp.issuer), identity, ...(keep ? { keep } : {}), ...(tokens ? { tokens } : {}) }
    return { ...subject, outcome: outcome as Identification, session }
  }

  it('a sign-in gives tokens, and when to ask for new ones: a fifth of their life before the end', async () => {
    const { outcome, time } = await annAt()
    const { tokens } = outcome
    expect(tokens?.access).toBe(outcome.accessToken)
    expect(tokens?.refresh).toEqual(expect.any(String))
    expect(tokens?.accessEndsAt).toBe(time.now + 300_000)
    expect(tokens?.refreshAt).toBe(time.now + 240_000)
  })

  it('without refresh nothing is kept, and nobody is refreshed', async () => {
    const { outcome, provider } = await annAt({ refresh: false })
    expect(outcome.tokens).toBeUndefined()
    expect(provider.login!.renew).toBeUndefined()
  })

  it('a refresh brings other tokens and what is true of the person now', async () => {
    const { provider, session } = await annAt()
    accounts['ann']!.claims = { email: 'ann@company.com', groups: ['staff'] }
    const renewed = await renew(provider, session)
    expect(renewed.identity.groups).toEqual(['staff'])
    expect(renewed.identity.subject).toBe('ann')
    expect(renewed.tokens?.access).not.toBe(session.tokens?.access)
    expect(renewed.tokens?.refresh).not.toBe(session.tokens?.refresh)
    const again = await renew(provider, { ...session, ...(renewed.tokens ? { tokens: renewed.tokens } : {}) })
    expect(again.tokens?.refresh).not.toBe(renewed.tokens?.refresh)
  })

  it('a token that was used before ends the session', async () => {
    const { provider, session } = await annAt()
    await renew(provider, session)
    expect(await outcomeOf(renew(provider, session))).toBe('ended')
  })

  it('somebody whom the provider knows no more is over', async () => {
    accounts['eve'] = { claims: { email: 'eve@company.com' } }
    const { provider } = createSubject({ issuer: idp.issuer, refresh: true })
    const { outcome } = await signIn(provider, (url) => idp.signIn(url, 'eve'))
    delete accounts['eve']
    const { tokens } = outcome as Identification
    const session = { ...sessionOf(idp.issuer), identity: identityIn(outcome), ...(tokens ? { tokens } : {}) }
    expect(await outcomeOf(renew(provider, session))).toBe('ended')
  })
})

describe('what comes back', () => {
  it.each([
    ['another subject', { idToken: { sub: 'bob', email: 'bob@company.com' } }, { userinfo: 'never' as const }],
    ['another issuer', { idToken: { iss: 'https://elsewhere.example' } }, {}],
    ['another audience', { idToken: { aud: 'somebody-else' } }, {}],
    ['a signature of nobody', { otherKey: true }, {}],
    ['an ID token that is over', { idToken: { exp: 1000 } }, {}],
    ['an ID token from the future', { idToken: { iat: 9_999_999_999, exp: 99_999_999_999 } }, {}],
    ['another tenant', { idToken: { tid: 'other', email: 'ann@company.com' } }, { allowedTenants: ['ours'] }],
    ['no account any more', { idToken: { email: undefined } }, { userinfo: 'never' as const }],
    ['an address that is not verified', { idToken: { email: 'a@b', email_verified: false } }, { requireVerifiedEmail: true }],
    ['somebody else at userinfo', { idToken: { email: 'a@b' }, userinfo: { sub: 'bob' } }, { userinfo: 'always' as const }],
    ['a refusal at userinfo', { userinfo: { status: 401, body: {}, headers: { 'www-authenticate': 'Bearer' } } }, {}],
  ])('%s ends the session', async (_, script, options) => {
    crooked.state.script = script
    expect(await outcomeOf(refreshed(options))).toBe('ended')
    expect(crooked.spent).toEqual(['refresh-0'])
  })

  it('the old refresh token stays where no other comes', async () => {
    crooked.state.script = { idToken: { email: 'ann@company.com' }, answer: { refresh_token: undefined } }
    expect((await refreshed()).tokens?.refresh).toBe('refresh-0')
  })

  it.each([{ expires_in: 0 }, { expires_in: '0' }, { refresh_expires_in: 0.001 }])(
    'tokens that are over when they come (%j) are not asked for at every request',
    async (answer) => {
      crooked.state.script = { idToken: { email: 'ann@company.com' }, answer }
      const { provider, time } = playAt()
      const { tokens } = await renew(provider, sessionOf(crooked.issuer))
      expect(tokens?.refreshAt).toBe(time.now + 1000)
    },
  )

  it('nobody becomes fresher or stronger by it', async () => {
    crooked.state.script = { idToken: { email: 'ann@company.com', auth_time: 99_999, acr: 'gold', amr: ['hwk'] } }
    const { identity } = await refreshed()
    expect(identity).toMatchObject({ authenticatedAt: 1_000_000, authTimeKnown: true, assurance: 'mfa' })
    expect(identity.claims).toMatchObject({ auth_time: 1000, acr: 'mfa' })
    expect(identity.claims['amr']).toBeUndefined()
  })

  it('nor does somebody of whose sign-in few claims were kept', async () => {
    crooked.state.script = { idToken: { email: 'ann@company.com', auth_time: 99_999, acr: 'gold' } }
    const session = sessionOf(crooked.issuer, { identity: { claims: { email: 'ann@company.com' } } })
    expect((await refreshed({}, session)).identity).toMatchObject({ authenticatedAt: 1_000_000, assurance: 'mfa' })
  })

  it('a claim that an ID token does not repeat is gone', async () => {
    crooked.state.script = { idToken: { email: 'ann@company.com' } }
    const { identity } = await refreshed({ userinfo: 'never' })
    expect(identity.claims['groups']).toBeUndefined()
    expect(identity.groups).toEqual([])
  })

  describe('without an ID token', () => {
    const keep = { sid: 's1', first: { hd: 'company.com', email: 'ann@company.com', auth_time: 1000, acr: 'mfa' } }
    const ann = () => sessionOf(crooked.issuer, { keep })

    it('what only the first one said stays, and userinfo says the rest', async () => {
      crooked.state.script = { idToken: false, userinfo: { groups: ['guests'] } }
      const { identity } = await refreshed({}, ann())
      expect(identity).toMatchObject({ account: 'ann@company.com', groups: ['guests'], issuer: crooked.issuer, assurance: 'mfa' })
      expect(identity.claims['hd']).toBe('company.com')
    })

    it('what userinfo has said once vanishes with it', async () => {
      crooked.state.script = { idToken: false, userinfo: { email: 'ann@company.com', groups: ['staff'] } }
      const first = await refreshed({}, ann())
      crooked.state.script = { idToken: false, userinfo: { email: 'ann@company.com' } }
      const second = await refreshed({}, { ...ann(), identity: first.identity, ...(first.keep ? { keep: first.keep } : {}) })
      expect(first.identity.groups).toEqual(['staff'])
      expect(second.identity.groups).toEqual([])
      expect(second.keep).toMatchObject({ sid: 's1', first: { hd: 'company.com' } })
    })

    it('and with nobody to ask the person stays as they are', async () => {
      crooked.state.script = { idToken: false }
      const session = ann()
      const renewed = await refreshed({ userinfo: 'never' }, session)
      expect(renewed.identity).toBe(session.identity)
      expect(renewed.tokens?.refresh).toBe('refresh-1')
    })
  })
})

describe('where something is down', () => {
  const away = { status: 503, body: 'later' }

  it.each([
    ['the provider is at its limit', { status: 429, body: 'slow' }, 'not-taken'],
    ['the provider is in trouble', away, 'not-taken'],
    ['a gateway has not heard the provider', { status: 502, body: 'bad' }, 'unknown'],
    ['a gateway has waited in vain', { status: 504, body: 'late' }, 'unknown'],
    ['the provider says temporarily', { status: 400, body: { error: 'temporarily_unavailable' } }, 'not-taken'],
    ['the client is refused', { status: 401, body: { error: 'invalid_client' } }, 'not-taken'],
    ['the grant is refused', { status: 400, body: { error: 'invalid_grant' } }, 'ended'],
    ['the person has to do something', { status: 400, body: { error: 'interaction_required' } }, 'ended'],
    ['a firewall answers', { status: 403, body: '<h1>no</h1>' }, 'not-taken'],
    ['nonsense comes', { status: 200, body: '<h1>welcome</h1>' }, 'unknown'],
    ['nothing of use comes', { status: 200, body: {} }, 'unknown'],
    ['the connection breaks', 'break', 'unknown'],
    ['no answer comes', 'hang', 'unknown'],
  ] as const)('%s: %#', async (_, token, outcome) => {
    crooked.state.script = { token }
    expect(await outcomeOf(refreshed())).toBe(outcome)
    expect(crooked.spent).toEqual(['refresh-0'])
  })

  it('a provider that was never reached has not taken the token', async () => {
    const gone = await startRenewals()
    await gone.close()
    expect(await outcomeOf(refreshed({ tokenEndpoint: `${gone.issuer}/token` }))).toBe('not-taken')
    expect(await outcomeOf(refreshed({ issuer: gone.issuer }))).toBe('not-taken')
    expect(crooked.spent).toEqual([])
  })

  it('with userinfo away, the tokens are kept and the person stays as they were', async () => {
    crooked.state.script = { userinfo: 'break' }
    const session = sessionOf(crooked.issuer)
    const { provider, log } = playAt()
    const renewed = await renew(provider, session)
    expect(renewed.identity).toBe(session.identity)
    expect(renewed.tokens?.refresh).toBe('refresh-1')
    expect(log.lines.map(({ msg }) => msg)).toContain(
      'new tokens came, but userinfo cannot be asked: the claims stay as they were',
    )
  })

  it('with the keys away, the refresh token is kept and nobody is given an access token that was not checked', async () => {
    crooked.state.script = { jwks: away, idToken: { email: 'ann@company.com' } }
    const session = sessionOf(crooked.issuer)
    const { provider, time } = playAt()
    const renewed = await renew(provider, session)
    expect(renewed.identity).toBe(session.identity)
    expect(renewed.accessToken).toBeUndefined()
    expect(renewed.tokens).toMatchObject({ refresh: 'refresh-1', accessEndsAt: time.now, refreshAt: time.now + 30_000 })
  })

  it('no text of a token or of the provider stands in what is thrown', async () => {
    crooked.state.script = { token: { status: 400, body: { error: 'invalid_grant', error_description: 'refresh-0 of ann' } } }
    const error = await refreshed().catch((caught: unknown) => caught)
    expect(String((error as Error).message)).not.toMatch(/refresh-0|ann/)
  })
})

describe('a provider without ID tokens', () => {
  const hubAt = (options = {}) =>
    oauth2At(crooked, { refresh: true, accountAttribute: 'email', subjectAttribute: 'sub', ...options })
  const hubSession = () => sessionOf('oauth2:HUB', { identity: { provider: 'HUB' } })

  it('is asked at userinfo again', async () => {
    crooked.state.script = { idToken: false, userinfo: { email: 'new@company.com', groups: ['cats'] } }
    const renewed = await renew(hubAt().provider, hubSession())
    expect(renewed.identity).toMatchObject({ account: 'new@company.com', groups: ['cats'], authenticatedAt: 1_000_000 })
    expect(renewed.tokens).toMatchObject({ refresh: 'refresh-1' })
  })

  it.each([
    ['another person', { userinfo: { sub: 'bob', email: 'b@c' } }, 'ended'],
    ['an error under 200, as GitHub says it', { token: { status: 200, body: { error: 'bad_refresh_token' } } }, 'ended'],
    ['a token that userinfo does not take', { userinfo: { status: 401, body: {} } }, 'ended'],
    ['a limit of requests at userinfo', { userinfo: { status: 403, body: {} } }, 'renewed'],
    ['trouble at the token endpoint', { token: { status: 500, body: '' } }, 'not-taken'],
    ['a broken connection', { token: 'break' as const }, 'unknown'],
  ])('%s: %#', async (_, script, outcome) => {
    crooked.state.script = { idToken: false, ...script }
    expect(await outcomeOf(renew(hubAt().provider, hubSession()))).toBe(outcome)
    expect(crooked.spent).toEqual(['refresh-0'])
  })
})
