// A logout token that must not sign anybody out: every check of section 2.6, one lie at a time.
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../../support/crooked-provider.ts'
import { clientId, clientSecret, createSubject } from './oidc-setup.ts'

const running: CrookedProvider[] = []
let idp: CrookedProvider
beforeEach(async () => {
  idp = await startCrookedProvider({ clientId, clientSecret })
  running.push(idp)
})
afterAll(async () => {
  for (const one of running) await one.close()
})

const seconds = () => Math.floor(Date.now() / 1000)
const event = 'http://schemas.openid.net/event/backchannel-logout'
const looks = () => idp.asked.filter((one) => one === 'GET /jwks').length

function subject(options: Partial<OidcOptions> = {}) {
  const made = createSubject({ issuer: idp.issuer, ...options })
  const read = made.provider.login!.readLogoutToken!
  return { ...made, read, told: async (lies: Lies = {}) => read(await idp.logoutToken(lies)) }
}

describe('a logout token', () => {
  it('says whom the provider has signed out, and until when it could be brought again', async () => {
    const iat = seconds()
    expect(await subject().told({ claims: { iat, exp: iat + 120, jti: 'one' } })).toEqual({
      issuer: idp.issuer,
      sid: 's1',
      subject: 'ann',
      jti: 'one',
      endsAt: (iat + 181) * 1000,
    })
  })

  const fine: readonly (readonly [string, Lies])[] = [
    ['without a type', { header: {} }],
    ['typed as any JWT', { header: { typ: 'JWT' } }],
    ['typed with the whole media type', { header: { typ: 'application/logout+jwt' } }],
    ['without an end, as providers write that follow an older text', { claims: { exp: undefined } }],
    ['of a session only', { claims: { sub: undefined } }],
    ['of a person only', { claims: { sid: undefined } }],
    ['with something in the event', { claims: { events: { [event]: { why: 'x' }, other: {} } } }],
    ['for several clients', { claims: { aud: ['another', clientId] } }],
    ['from a clock that is a little ahead', { claims: { iat: seconds() + 30 } }],
  ]
  it.each(fine)('is taken %s', async (_, lies) => {
    expect(await subject().told(lies)).toMatchObject({ issuer: idp.issuer })
  })

  const wrong: readonly (readonly [string, Lies, RegExp])[] = [
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, /iss/],
    ['without issuer', { claims: { iss: undefined } }, /iss/],
    ['for another client', { claims: { aud: 'another' } }, /aud/],
    ['without audience', { claims: { aud: undefined } }, /aud/],
    ['that is older than five minutes', { claims: { iat: seconds() - 400, exp: seconds() + 100 } }, /iat/],
    ['from the future', { claims: { iat: seconds() + 400, exp: seconds() + 500 } }, /iat/],
    ['without the time of issue', { claims: { iat: undefined } }, /iat/],
    ['that has expired', { claims: { exp: seconds() - 90 } }, /exp/],
    ['that expires in words', { claims: { exp: 'never' } }, /exp/],
    ['without events', { claims: { events: undefined } }, /events/],
    ['about another event', { claims: { events: { 'https://other.example': {} } } }, /events/],
    ['whose event is no object', { claims: { events: { [event]: true } } }, /events/],
    ['whose events are a list', { claims: { events: [event] } }, /events/],
    ['that is an ID token: with a nonce', { claims: { nonce: 'n' } }, /nonce/],
    ['with an empty nonce', { claims: { nonce: null } }, /nonce/],
    ['without an id of its own', { claims: { jti: undefined } }, /jti/],
    ['with an empty id of its own', { claims: { jti: '' } }, /jti/],
    ['of nobody', { claims: { sub: undefined, sid: undefined } }, /neither/],
    ['of an empty subject', { claims: { sub: '' } }, /sub/],
    ['whose session is a number', { claims: { sid: 7 } }, /sid/],
    ['typed as an access token', { header: { typ: 'at+jwt' } }, /typ/],
    ['typed as a logout of something else', { header: { typ: 'xlogout+jwt' } }, /typ/],
    ['signed with a key nobody published', { signature: 'other-key' }, /signature/],
    ['signed with an unknown key id', { signature: 'other-key', header: { kid: 'unknown' } }, /key/],
    ['without signature', { signature: 'none' }, /alg|Algorithm/],
    ['with its signature cut off', { signature: 'cut' }, /signature/],
    ['signed with the client secret', { signature: 'client-secret' }, /alg/],
    ['signed with the public key as a secret', { signature: 'public-key', header: { kid: 'own' } }, /alg/],
  ]
  it.each(wrong)('is refused %s', async (_, lies, check) => {
    await expect(subject().told(lies)).rejects.toMatchObject({
      name: 'PosternError',
      reason: 'logout-token-refused',
      detail: expect.stringMatching(check),
    })
  })

  it('is refused with an algorithm that the provider does not sign with', async () => {
    idp.discovery = { id_token_signing_alg_values_supported: ['ES256'] }
    await expect(subject().told()).rejects.toMatchObject({ detail: expect.stringMatching(/alg/) })
  })

  it.each(['words', '', 'a.b.c', `${'x'.repeat(60_000)}.y.z`])('is refused where it is none: %.20s', async (text) => {
    await expect(subject().read(text)).rejects.toMatchObject({ reason: 'logout-token-refused' })
  })

  it('is refused when its end has come, whatever the machine thinks of the time', async () => {
    const { read, time } = subject()
    const token = await idp.logoutToken()
    time.now += 400_000
    await expect(read(token)).rejects.toMatchObject({ reason: 'logout-token-refused' })
  })
})

describe("the provider's keys", () => {
  it('are looked at once, and again for an unknown key: no more than once in half a minute', async () => {
    const { told, time } = subject()
    const unknown = () => told({ signature: 'other-key', header: { kid: 'unknown' } }).catch(() => undefined)
    await told()
    expect(looks()).toBe(1)
    await Promise.all(Array.from({ length: 20 }, unknown))
    expect(looks()).toBe(1)
    time.now += 30_000
    await Promise.all(Array.from({ length: 20 }, unknown))
    await unknown()
    expect(looks()).toBe(2)
    await told()
    expect(looks()).toBe(2)
  })

  it('that cannot be had refuse nobody for good, and are asked for once in half a minute too', async () => {
    const { told, time } = subject()
    idp.jwksTrouble = 'error-500'
    const trying = () => told().catch((error: unknown) => error)
    for (let attempt = 0; attempt < 5; attempt++) expect(await trying()).toMatchObject({ reason: 'provider-unavailable' })
    expect(looks()).toBe(1)
    idp.jwksTrouble = undefined
    time.now += 30_000
    expect(await trying()).toMatchObject({ subject: 'ann' })
  })

  it('are asked for again where a clock that was ahead has been set right', async () => {
    const { told, time } = subject()
    idp.jwksTrouble = 'error-500'
    await told().catch(() => undefined)
    idp.jwksTrouble = undefined
    time.now -= 3_600_000
    const iat = seconds() - 3600
    expect(await told({ claims: { iat, exp: iat + 100 } })).toMatchObject({ subject: 'ann' })
  })

  it('go on counting where they cannot be looked at again', async () => {
    const { told, time } = subject()
    await told()
    idp.jwksTrouble = 'break'
    time.now += 610_000
    expect(await told({ claims: { iat: seconds() + 610, exp: seconds() + 700 } })).toMatchObject({ subject: 'ann' })
    expect(looks()).toBe(2)
  })

  it('are nothing where the answer is none', async () => {
    idp.jwksTrouble = 'garbage'
    await expect(subject().told()).rejects.toMatchObject({ reason: 'provider-unavailable' })
  })
})

describe('whose issuer a front-channel message names', () => {
  it('is known from the configuration, without asking', () => {
    const { provider } = subject()
    expect(provider.login!.issuerOf!(idp.issuer)).toBe(idp.issuer)
    expect(provider.login!.issuerOf!('https://evil.example')).toBeUndefined()
    expect(idp.asked).toEqual([])
  })

  it('is any of the spellings of a provider that has several', () => {
    const { provider } = createSubject({ issuer: 'https://accounts.google.com' })
    expect(provider.login!.issuerOf!('accounts.google.com')).toBe('https://accounts.google.com')
  })
})
