// Tokens on their way into a session, and from one session into the one that takes its place.
import { describe, expect, it } from 'vitest'
import { createIdentify } from '../../../src/identity/identify.ts'
import { createSessionKeeper } from '../../../src/identity/sessions/session.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import type { Tokens } from '../../../src/types.ts'
import { Browser, basePath, identityOf, noon, portalOf, ScriptedProvider, worldOf } from '../harness.ts'
import { tokensAt } from './refresh-setup.ts'

function world(keeps: boolean) {
  const play = new ScriptedProvider('PLAY')
  play.outcome = { kind: 'identified', identity: identityOf('anna'), tokens: tokensAt(noon) }
  const fido = new ScriptedProvider('FIDO')
  fido.about = { issuer: 'https://fido.company.com', provider: 'FIDO' }
  const portal = portalOf('home', [play], { secondFactors: [{ provider: fido, after: 'PLAY' }] })
  const made = worldOf([portal])
  if (!keeps) return { ...made, portal, browser: new Browser(made) }
  const { sealer, revocations, clock } = made
  const store = createMemoryStore({ sessions: createMemorySessions(), sealer, clock: clock.read })
  const keeper = createSessionKeeper({ sealer, revocations, claims: [], store })
  const identify = createIdentify(keeper)
  const signIn = createSignIn({ ...made, basePath, keeper, identify, clock: clock.read })
  const whole = { ...made, keeper, identify, signIn }
  return { ...whole, portal, browser: new Browser(whole) }
}

describe('tokens', () => {
  it('go into a session that is kept here', async () => {
    const { browser } = world(true)
    await browser.signIn('home', 'anna')
    expect((await browser.who('home')).session?.tokens).toEqual(tokensAt(noon))
  })

  it('never go into a cookie', async () => {
    const { browser } = world(false)
    await browser.signIn('home', 'anna')
    const { session } = await browser.who('home')
    expect(session?.identity.subject).toBe('anna')
    expect(session?.tokens).toBeUndefined()
  })

  it('move on with a second factor, and leave the old session', async () => {
    const { browser, keeper, portal, clock } = world(true)
    await browser.signIn('home', 'anna')
    const { session: before } = await browser.who('home')
    const left: (Tokens | undefined)[] = []
    const end = keeper.end.bind(keeper)
    keeper.end = async (session, now) => {
      left.push((await keeper.reread(session, portal.session, clock.now))?.tokens)
      return end(session, now)
    }
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    const { session: after } = await browser.who('home')
    expect(after?.id).not.toBe(before?.id)
    expect(after?.tokens).toEqual(tokensAt(noon))
    expect(left).toEqual([undefined])
  })

  it('but not a refresh token that is on its way to the provider', async () => {
    const { browser, keeper, portal, clock } = world(true)
    await browser.signIn('home', 'anna')
    const { session } = await browser.who('home')
    // another replica has marked it; this one has not heard of it yet
    if (session) await keeper.replace(session, { tokens: tokensAt(noon, { spentAt: noon }) }, portal.session, clock.now)
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    expect((await browser.who('home')).session?.tokens).toEqual({ access: 'access-0', accessEndsAt: tokensAt(noon).accessEndsAt })
  })
})
