// A provider, or somebody in its place, that lies. Every line is a sign-in that must not happen.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import type { LoginStart } from '../../../src/types.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../../support/crooked-provider.ts'
import { arrivalOf, identityIn } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'

let idp: CrookedProvider
let other: CrookedProvider
beforeAll(async () => {
  const claims = { email: 'ann@company.com', email_verified: true, groups: ['staff'] }
  idp = await startCrookedProvider({ clientId, clientSecret, claims })
  other = await startCrookedProvider({ clientId, clientSecret, claims })
})
afterAll(async () => {
  await idp.close()
  await other.close()
})

/** Nobody waits long for a provider that is made to hang; anything else may take its time on a busy machine. */
async function tryWith(lies: Lies, options: Partial<OidcOptions> = {}, start: Partial<LoginStart> = {}) {
  const subject = createSubject({
    issuer: idp.issuer,
    callTimeout: Object.values(lies).includes('hang') ? 800 : 20_000,
    ...options,
  })
  const { outcome } = await signIn(subject.provider, (url) => idp.signIn(url, lies), start)
  return { outcome, ...subject }
}
const seconds = () => Math.floor(Date.now() / 1000)

it('signs in where nobody lies', async () => {
  const { outcome } = await tryWith({})
  expect(identityIn(outcome)).toMatchObject({ issuer: idp.issuer, subject: 'ann', account: 'ann@company.com', groups: ['staff'] })
})

describe('an ID token is refused', () => {
  const lies: readonly (readonly [string, Lies, RegExp])[] = [
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, /iss/],
    ['without issuer', { claims: { iss: undefined } }, /iss/],
    ['for another client', { claims: { aud: 'another client' } }, /aud/],
    ['for several clients without naming us as the party', { claims: { aud: [clientId, 'another'] } }, /aud/],
    ['for several clients naming another party', { claims: { aud: [clientId, 'another'], azp: 'another' } }, /azp/],
    ['without audience', { claims: { aud: undefined } }, /aud/],
    ['with another nonce', { claims: { nonce: 'stolen' } }, /nonce/],
    ['without nonce', { claims: { nonce: undefined } }, /nonce/],
    ['without subject', { claims: { sub: undefined } }, /sub/],
    ['with an empty subject', { claims: { sub: '' } }, /sub/],
    ['with a number for a subject', { claims: { sub: 1 } }, /sub/],
    ['that has expired', { claims: { exp: seconds() - 3600 } }, /exp/],
    ['that never expires', { claims: { exp: undefined } }, /exp/],
    ['that expires in words', { claims: { exp: 'never' } }, /exp/],
    ['from the future', { claims: { iat: seconds() + 3600 } }, /iat/],
    ['not valid yet', { claims: { nbf: seconds() + 3600 } }, /nbf/],
    ['signed with a key nobody published', { signature: 'other-key' }, /signature/],
    ['signed with an unknown key id', { signature: 'other-key', header: { kid: 'unknown' } }, /key/],
    ['without signature', { signature: 'none' }, /unexpected JWT "alg"/],
    ['with its signature cut off', { signature: 'cut' }, /signature/],
    ['signed with the client secret', { signature: 'client-secret' }, /unexpected JWT "alg"/],
    ['signed with the public key as a secret', { signature: 'public-key', header: { kid: 'own' } }, /unexpected JWT "alg"/],
    ['with a critical extension', { header: { crit: ['b64'], b64: true } }, /crit/],
    ['that is missing', { tokenAnswer: { id_token: undefined } }, /id_token/],
    ['that is no token', { tokenAnswer: { id_token: 'words' } }, /JWT/],
  ]
  it.each(lies)('%s', async (_, lie, check) => {
    const { outcome } = await tryWith(lie)
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed', detail: expect.stringMatching(check) })
  })
})

describe('the answer on the callback is refused', () => {
  const lies: readonly (readonly [string, Lies, RegExp])[] = [
    ['without state', { answer: (p) => p.delete('state') }, /state/],
    ['with another state', { answer: (p) => p.set('state', 'another') }, /state/],
    ['with state twice', { answer: (p) => p.append('state', 'another') }, /state came more than once/],
    ['without code', { answer: (p) => p.delete('code') }, /code/],
    ['with code twice', { answer: (p) => p.append('code', 'another') }, /code came more than once/],
    ['with the same code twice', { answer: (p) => p.append('code', p.get('code')!) }, /code came more than once/],
    ['with another issuer (mix-up, RFC 9207)', { answer: (p) => p.set('iss', 'https://evil.example') }, /iss/],
    ['without the issuer that was promised', { answer: (p) => p.delete('iss') }, /iss/],
    ['with iss twice', { answer: (p) => p.append('iss', 'https://evil.example') }, /iss came more than once/],
    [
      'with error twice',
      { answer: (p) => ['access_denied', 'login_required'].map((e) => p.append('error', e)) },
      /error came more/,
    ],
    ['with an ID token in it', { answer: (p) => p.set('id_token', 'x.y.z') }, /implicit/],
    ['wrapped into a JWT', { answer: (p) => p.set('response', 'x.y.z') }, /JARM/],
    ['with a made-up code', { answer: (p) => p.set('code', 'made-up') }, /invalid_grant/],
  ]
  it.each(lies)('%s', async (_, lie, check) => {
    const { outcome } = await tryWith(lie)
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed', detail: expect.stringMatching(check) })
  })

  it('that comes from another honest provider: its code is never sent to this one', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const before = idp.tokenRequests.length
    const { outcome } = await signIn(provider, (url) => other.signIn(url))
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed' })
    expect(idp.tokenRequests).toHaveLength(before)
  })

  it('the second time: the code is spent', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const at = { state: 'one', callback }
    const { show, flow } = await provider.login!.begin(at)
    const back = arrivalOf(idp.signIn(show.kind === 'redirect' ? show.to : ''))
    expect((await provider.login!.complete(back, flow, at)).kind).toBe('identified')
    expect(await provider.login!.complete(back, flow, at)).toMatchObject({
      kind: 'rejected',
      detail: 'token endpoint: invalid_grant',
    })
  })

  it('that belongs to another flow: a code injected by somebody fails on PKCE', async () => {
    const { provider } = createSubject({ issuer: idp.issuer })
    const at = { state: 'same', callback }
    const attacker = await provider.login!.begin(at)
    const victim = await provider.login!.begin(at)
    const back = arrivalOf(idp.signIn(attacker.show.kind === 'redirect' ? attacker.show.to : ''))
    expect(await provider.login!.complete(back, victim.flow, at)).toMatchObject({ detail: 'token endpoint: invalid_grant' })
  })
})

it('what the redirect URI’s own query holds is not part of the answer', async () => {
  const { outcome } = await tryWith({}, {}, { callback: 'http://portal.example/cb?iss=cas&code=7&client_name=PLAY' })
  expect(outcome.kind).toBe('identified')
})

describe('the provider says no', () => {
  const say = (error: string, description?: string) =>
    tryWith({
      answer: (p) => {
        p.delete('code')
        p.set('error', error)
        if (description !== undefined) p.set('error_description', description)
      },
    })

  it.each(['access_denied', 'login_required', 'consent_required', 'invalid_scope'])('with %s: denied', async (error) => {
    expect((await say(error)).outcome).toEqual({ kind: 'rejected', reason: 'sign-in-denied', detail: error })
  })
  it('with words: they reach the log printable and short', async () => {
    const { outcome } = await say('access_denied', `no\r\n\u001b[31m<script>${'a'.repeat(5000)}`)
    expect(outcome).toMatchObject({
      reason: 'sign-in-denied',
      detail: expect.stringMatching(/^access_denied \(no\?\?\?\[31m<script>a{100,}\)$/),
    })
    expect(JSON.stringify(outcome).length).toBeLessThan(400)
  })
  it.each(['temporarily_unavailable', 'server_error'])('with %s: not available', async (error) => {
    expect((await say(error)).outcome).toEqual({ kind: 'unavailable', detail: error })
  })
  it('in somebody else’s name: not believed', async () => {
    const { outcome } = await tryWith({
      answer: (p) => {
        p.set('error', 'access_denied')
        p.set('iss', 'https://evil.example')
      },
    })
    expect(outcome).toMatchObject({ reason: 'sign-in-failed', detail: expect.stringMatching(/iss/) })
  })
})

describe('the provider in trouble', () => {
  it.each(['error-500', 'hang', 'break', 'bomb'] as const)('at the token endpoint: %s is unavailable', async (token) => {
    const { outcome } = await tryWith({ token })
    expect(outcome.kind).toBe('unavailable')
    expect(JSON.stringify(outcome)).not.toMatch(/secret words/)
  })
  it('says when to come back, and so do we', async () => {
    expect((await tryWith({ token: 'error-500' })).outcome).toMatchObject({ kind: 'unavailable', retryAfter: 7 })
  })
  it.each(['garbage', 'html', 'redirect', 'unauthorized'] as const)('at the token endpoint: %s is refused', async (token) => {
    const { outcome } = await tryWith({ token })
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'sign-in-failed' })
    expect(JSON.stringify(outcome)).not.toMatch(/secret.words/)
  })
  it.each(['error-500', 'hang', 'break', 'bomb'] as const)('with its keys: %s is unavailable', async (jwks) => {
    expect((await tryWith({ jwks })).outcome.kind).toBe('unavailable')
  })
  it.each(['garbage', 'html', 'redirect'] as const)('with its keys: %s is refused', async (jwks) => {
    expect((await tryWith({ jwks })).outcome).toMatchObject({ reason: 'sign-in-failed' })
  })
  it.each([
    ['hang', 'unavailable'],
    ['error-500', 'unavailable'],
    ['html', 'rejected'],
    ['unauthorized', 'rejected'],
  ] as const)('at userinfo, where it is asked: %s is %s', async (userinfo, kind) => {
    expect((await tryWith({ userinfo }, { userinfo: 'always' })).outcome.kind).toBe(kind)
  })
  it('about a wrong client secret', async () => {
    const { outcome } = await tryWith({}, { clientSecret: 'wrong' })
    expect(outcome).toMatchObject({ reason: 'provider-misconfigured', detail: expect.stringContaining('clientSecret') })
  })
})

describe('userinfo', () => {
  const asksFor = async (lies: Lies, options: Partial<OidcOptions>) => {
    const before = idp.asked.length
    const { outcome } = await tryWith(lies, options)
    return { outcome, asked: idp.asked.slice(before).filter((one) => one.endsWith('/userinfo')).length }
  }
  const department: Lies = { userinfo: { claims: { department: 'it', email: 'other@company.com', iss: 'https://evil.example' } } }

  it('is asked once for a claim that something reads and the ID token lacks; what the ID token says, stays', async () => {
    const { outcome, asked } = await asksFor(department, { wantedClaims: new Set(['department']) })
    expect(asked).toBe(1)
    expect(identityIn(outcome).claims).toMatchObject({ department: 'it', email: 'ann@company.com', iss: idp.issuer })
  })
  it('is not asked where nothing is missing', async () => {
    expect((await asksFor(department, { wantedClaims: new Set(['email']) })).asked).toBe(0)
  })
  it('is asked always, or never, where told so', async () => {
    expect((await asksFor({}, { userinfo: 'always' })).asked).toBe(1)
    const never = await asksFor(department, { userinfo: 'never', wantedClaims: new Set(['department']) })
    expect(never.asked).toBe(0)
    expect(identityIn(never.outcome).claims).not.toHaveProperty('department')
  })
  it('about somebody else is refused', async () => {
    const { outcome } = await tryWith({ userinfo: { claims: { sub: 'root' } } }, { userinfo: 'always' })
    expect(outcome).toMatchObject({ reason: 'sign-in-failed', detail: expect.stringMatching(/sub/) })
  })
  it('may say that the address in the ID token is not verified', async () => {
    const lies: Lies = { claims: { email_verified: undefined }, userinfo: { claims: { email_verified: false } } }
    expect((await tryWith(lies)).outcome).toMatchObject({ reason: 'email-not-verified' })
  })
})

describe('max_age', () => {
  it('asks for a time of sign-in, and refuses one that is missing or too old', async () => {
    expect((await tryWith({}, { maxAge: 300 })).outcome).toMatchObject({ detail: expect.stringMatching(/auth_time/) })
    expect((await tryWith({ claims: { auth_time: seconds() - 3600 } }, {}, { maxAge: 300 })).outcome).toMatchObject({
      detail: expect.stringMatching(/time has elapsed/),
    })
    const fresh = await tryWith({ claims: { auth_time: seconds() - 60 } }, {}, { maxAge: 300 })
    expect(fresh.outcome.kind).toBe('identified')
  })
  it('without it, an old time of sign-in is told as it is, one in the future is now', async () => {
    const old = await tryWith({ claims: { auth_time: 1_600_000_000 } })
    expect(identityIn(old.outcome).authenticatedAt).toBe(1_600_000_000_000)
    const ahead = await tryWith({ claims: { auth_time: seconds() + 7200 } })
    expect(identityIn(ahead.outcome).authenticatedAt).toBe(ahead.time.now)
  })
})

it('keeps code, token and secret out of every refusal', async () => {
  const before = idp.tokenRequests.length
  const said = await Promise.all(
    ([{ signature: 'other-key' }, { claims: { nonce: 'x' } }, { token: 'garbage' }, { token: 'error-500' }] as Lies[]).map(
      (lie) => tryWith(lie),
    ),
  )
  const sent = idp.tokenRequests.slice(before)
  const text = JSON.stringify(said.map(({ outcome, log }) => [outcome, log.lines]))
  expect(sent).toHaveLength(4)
  for (const { body } of sent) {
    for (const name of ['code', 'code_verifier']) expect(text).not.toContain(body.get(name))
  }
  expect(text).not.toContain(clientSecret)
  expect(text).not.toContain('eyJ')
})
