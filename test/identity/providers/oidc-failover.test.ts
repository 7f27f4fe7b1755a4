// A provider that goes away after it was known: who is sent there, who is not, and for how long it is said to be down.
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import { type IdentityProvider, startIdentityProvider } from '../../support/identity-provider.ts'
import { arrivalOf } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'

let idp: IdentityProvider
beforeEach(async () => {
  const clients = [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] }]
  idp = await startIdentityProvider({ clients, accounts: { ann: { claims: { email: 'ann@company.com' } } } })
})
afterEach(() => idp.close())

const start = { state: 's', callback }
const subject = (options: Partial<OidcOptions> = {}) => createSubject({ issuer: idp.issuer, ...options })
const keysAsked = () => idp.asked.filter((url) => url === '/jwks').length

it('where there is a fallback, nobody is sent to a provider that has gone away', async () => {
  const { provider, time } = subject({ fallback: 'OTHER' })
  expect((await provider.login!.begin(start)).show.kind).toBe('redirect')
  await idp.pause()
  time.now += 10_000
  await expect(provider.login!.begin(start)).rejects.toMatchObject({
    reason: 'provider-unavailable',
    detail: expect.stringMatching(/ECONNREFUSED/),
  })
  expect(provider.status?.()).toMatchObject({ state: 'unavailable', endpoints: { issuer: idp.issuer } })
  await idp.resume()
  time.now += 5_000
  expect((await provider.login!.begin(start)).show.kind).toBe('redirect')
  expect(provider.status?.()).toMatchObject({ state: 'ready' })
})

it('where there is none, people are sent as before: it may be back when they arrive', async () => {
  const { provider, time } = subject()
  await provider.login!.begin(start)
  await idp.pause()
  time.now += 10_000
  expect((await provider.login!.begin(start)).show.kind).toBe('redirect')
  expect(keysAsked()).toBe(0)
})

it('one look is enough for everybody who comes at once, and for ten seconds', async () => {
  const { provider, time } = subject({ fallback: 'OTHER' })
  await Promise.all(Array.from({ length: 10 }, () => provider.login!.begin(start)))
  await provider.login!.begin(start)
  expect(keysAsked()).toBe(1)
  time.now += 10_000
  await provider.login!.begin(start)
  expect(keysAsked()).toBe(2)
})

it('whoever comes right after it was found to be down does not wait for another look', async () => {
  const { provider, time } = subject({ fallback: 'OTHER' })
  await provider.login!.begin(start)
  await idp.pause()
  time.now += 10_000
  await expect(provider.login!.begin(start)).rejects.toMatchObject({ reason: 'provider-unavailable' })
  await idp.resume()
  time.now += 4_000
  await expect(provider.login!.begin(start)).rejects.toMatchObject({ reason: 'provider-unavailable' })
})

it('a sign-in that fails on the way back tells, for a minute', async () => {
  const { provider, time } = subject()
  const { show, flow } = await provider.login!.begin(start)
  const loaded = await idp.signIn(show.kind === 'redirect' ? show.to : '', 'ann')
  await idp.pause()
  expect(await provider.login!.complete(arrivalOf(loaded), flow, start)).toMatchObject({ kind: 'unavailable' })
  expect(provider.status?.().state).toBe('unavailable')
  time.now += 60_000
  expect(provider.status?.().state).toBe('ready')
  await idp.resume()
})

it('a sign-in that works takes it back', async () => {
  const { provider, time } = subject({ fallback: 'OTHER' })
  await provider.login!.begin(start)
  await idp.pause()
  time.now += 10_000
  await provider.login!.begin(start).catch(() => undefined)
  await idp.resume()
  time.now += 6_000
  expect((await signIn(provider, (url) => idp.signIn(url, 'ann'))).outcome.kind).toBe('identified')
  expect(provider.status?.().state).toBe('ready')
})

it('end points by hand are known to nobody until they are asked: a probe does', async () => {
  const byHand = {
    authorizationEndpoint: `${idp.issuer}/auth`,
    tokenEndpoint: `${idp.issuer}/token`,
    jwksUri: `${idp.issuer}/jwks`,
  }
  expect(await subject(byHand).provider.probe?.()).toMatchObject({ state: 'ready' })
  await idp.pause()
  expect(await subject(byHand).provider.probe?.()).toMatchObject({ state: 'unavailable' })
  await idp.resume()
})
