import { describe, expect, it } from 'vitest'
import type { Facts, Portal } from '../../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  locationOf,
  minute,
  noon,
  portalOf,
  routeOf,
  ScriptedProvider,
  worldOf,
} from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'
const strong = routeOf({ freshness: { acr: 'strong', maxAge: 15 * minute } })

function stepWorld(extra: Partial<Portal> = {}) {
  const play = new ScriptedProvider('PLAY', 'FIDO')
  const other = new ScriptedProvider('OTHER')
  const portal = portalOf('home', [play, other], { routes: [strong], ...extra })
  const world = worldOf([portal], { findRoute: (_, path) => (path.startsWith('/strong') ? strong : routeOf()) })
  return { play, other, world, browser: new Browser(world), portal }
}
const now = (world: { clock: { now: number } }) => ({ authenticatedAt: world.clock.now })

describe('a fresh sign-in', () => {
  it('really asks the person, for as recent a sign-in as the page wants', async () => {
    const { browser, play } = stepWorld()
    await browser.goAway('home', 'anna', { returnTo: '/strong', query: '&fresh=1' })
    await browser.goAway('home', 'anna', { returnTo: '/', query: '&fresh=1' })
    expect(play.starts).toMatchObject([
      { prompt: 'login', fresh: true, maxAge: 900 },
      { prompt: 'login', fresh: true },
    ])
    expect(Object.keys(play.starts[1] ?? {})).not.toContain('maxAge')
  })

  it('replaces the session by a newer one that ends no later and keeps its second factors', async () => {
    const { browser, play, world } = stepWorld()
    await browser.signIn('home', 'anna')
    const old = browser.cookies(host)
    const { session: before } = await browser.who('home')
    world.clock.pass(20 * minute)
    play.about = now(world)
    expect(locationOf(await browser.signIn('home', 'anna', { returnTo: '/x', query: '&fresh=1' }))).toBe(`${home}/x`)
    const { session: after } = await browser.who('home')
    expect(after?.id).not.toBe(before?.id)
    expect(after).toMatchObject({ endsAt: before?.endsAt, createdAt: world.clock.now })
    expect(after?.identity.authenticatedAt).toBe(world.clock.now)
    browser.take(host, old.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('of which the provider did not ask is refused, and the session stays as it was', async () => {
    const { browser, play, world } = stepWorld()
    await browser.signIn('home', 'anna')
    const { session: before } = await browser.who('home')
    world.clock.pass(20 * minute)
    play.about = { authenticatedAt: world.clock.now - 60_001 }
    const answer = await browser.signIn('home', 'anna', { query: '&fresh=1' })
    expect(failureOf(answer)).toMatchObject({ status: 400, reason: 'sign-in-failed' })
    expect(failureOf(answer).signIn).toContain('&fresh=1')
    expect(world.log.authentications.at(-1)?.message).toContain('auth_time')
    expect((await browser.who('home')).session?.id).toBe(before?.id)
    play.about = { authenticatedAt: world.clock.now - 60_000 }
    expect(locationOf(await browser.signIn('home', 'anna', { query: '&fresh=1' }))).toBe(`${home}/`)
  })

  it('of somebody else is refused, the session stays, and the page leads on either way', async () => {
    const { browser, play, world } = stepWorld()
    await browser.signIn('home', 'anna')
    const { session: before } = await browser.who('home')
    play.about = now(world)
    const answer = await browser.signIn('home', 'bert', { returnTo: '/x', query: '&fresh=1' })
    expect(failureOf(answer)).toMatchObject({
      status: 403,
      reason: 'other-person',
      account: 'bert@company.com',
      otherAccount: '/_postern/start/PLAY?return=%2Fx&as=other',
      signIn: '/_postern/start/PLAY?return=%2Fx&fresh=1',
    })
    expect((await browser.who('home')).session?.id).toBe(before?.id)
    play.about = { ...now(world), issuer: 'https://elsewhere.company.com' }
    expect(failureOf(await browser.signIn('home', 'anna', { query: '&fresh=1' })).reason).toBe('other-person')
    play.about = now(world)
    await browser.signIn('home', 'bert', { query: '&as=other' })
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
  })

  it('with another provider is a new sign-in: it replaces whoever was there', async () => {
    const { browser, other, world } = stepWorld()
    await browser.signIn('home', 'anna')
    other.about = now(world)
    await browser.signIn('home', 'bert', { provider: 'OTHER', query: '&fresh=1' })
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
  })

  it('never makes a session longer, however often', async () => {
    const { browser, play, world } = stepWorld()
    await browser.signIn('home', 'anna')
    for (let i = 0; i < 24; i++) {
      world.clock.pass(20 * minute - 1)
      play.about = now(world)
      await browser.signIn('home', 'anna', { query: '&fresh=1' })
    }
    expect((await browser.who('home')).session?.endsAt).toBe(noon + 480 * minute)
    world.clock.now = noon + 480 * minute
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('by somebody who is not signed in is anybody, freshly', async () => {
    const { browser, play, world } = stepWorld()
    play.about = now(world)
    await browser.signIn('home', 'bert', { query: '&fresh=1' })
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
  })

  it('whose person was signed out on the way is a new session with a whole life', async () => {
    const { browser, play, world } = stepWorld()
    await browser.signIn('home', 'anna')
    const back = await browser.goAway('home', 'anna', { query: '&fresh=1' })
    await browser.open(`${home}${basePath}/logout`)
    world.clock.pass(minute)
    play.about = now(world)
    await browser.open(back)
    expect((await browser.who('home')).session?.endsAt).toBe(world.clock.now + 480 * minute)
  })

  it('keeps the way to what was typed over a failure and to the end', async () => {
    const { browser, play, world } = stepWorld()
    const slot = '0abcdefghABCDEFGHIJKL'
    play.outcome = { kind: 'rejected', reason: 'sign-in-denied', detail: 'x' }
    const failed = await browser.signIn('home', 'anna', { returnTo: '/f', query: `&kept=${slot}` })
    expect(failureOf(failed).signIn).toBe(`/_postern/start/PLAY?return=%2Ff&kept=${slot}`)
    play.outcome = undefined
    const answer = await browser.signIn('home', 'anna', { returnTo: '/f', query: `&kept=${slot}` })
    expect(locationOf(answer)).toBe(`${home}/_postern/resume/${slot}?return=%2Ff`)
    const page = await browser.open(`${home}${basePath}/login?return=/f&choose=1&kept=${slot}&fresh=1&acr=made-up`)
    expect(page.show).toMatchObject({
      page: { choices: [{ href: `/_postern/start/PLAY?return=%2Ff&fresh=1&kept=${slot}` }, {}] },
    })
    expect(world.log.servers).toEqual([])
  })
})

describe('a strength', () => {
  it('is asked for, and must come back', async () => {
    const { browser, play } = stepWorld()
    await browser.signIn('home', 'anna')
    const { session: before } = await browser.who('home')
    const answer = await browser.signIn('home', 'anna', { returnTo: '/strong', query: '&acr=strong' })
    expect(play.starts.at(-1)).toMatchObject({ acr: 'strong' })
    expect(failureOf(answer)).toMatchObject({ status: 403, reason: 'assurance-too-low' })
    expect(failureOf(answer).signIn).toBeUndefined()
    expect((await browser.who('home')).session?.id).toBe(before?.id)
    play.about = { assurance: 'strong' }
    await browser.signIn('home', 'anna', { returnTo: '/strong', query: '&acr=strong' })
    expect((await browser.who('home')).session).toMatchObject({ identity: { assurance: 'strong' }, endsAt: before?.endsAt })
  })

  it('comes from nobody else than the one who is signed in', async () => {
    const { browser, play } = stepWorld()
    await browser.signIn('home', 'anna')
    play.about = { assurance: 'strong' }
    expect(failureOf(await browser.signIn('home', 'bert', { query: '&acr=strong' })).reason).toBe('other-person')
  })

  it('that no route asks for is not taken from a link', async () => {
    const { browser, play } = stepWorld()
    await browser.signIn('home', 'anna', { query: '&acr=weak' })
    expect(play.starts[0]?.acr).toBeUndefined()
  })
})

describe('whoever was signed out for being idle', () => {
  const session = { ...portalOf('home', []).session, idleRequiresSignIn: true }

  it('is really asked, where the portal wants that', async () => {
    const { browser, play, world } = stepWorld({ session })
    await browser.signIn('home', 'anna')
    world.clock.pass(31 * minute)
    await browser.who('home')
    play.about = { authenticatedAt: noon }
    expect(failureOf(await browser.signIn('home', 'anna')).reason).toBe('sign-in-failed')
    expect(play.starts.at(-1)).toMatchObject({ prompt: 'login', fresh: true })
    play.about = now(world)
    expect(locationOf(await browser.signIn('home', 'bert'))).toBe(`${home}/`)
    expect((await browser.who('home')).session).toMatchObject({
      identity: { subject: 'bert' },
      endsAt: world.clock.now + 480 * minute,
    })
  })

  it('is waved through where it does not, and where it was the lifetime that ended', async () => {
    const relaxed = stepWorld()
    await relaxed.browser.signIn('home', 'anna')
    relaxed.world.clock.pass(31 * minute)
    await relaxed.browser.signIn('home', 'anna')
    expect(relaxed.play.starts.at(-1)?.fresh).toBeUndefined()
    const over = stepWorld({ session: { ...session, lifetime: 10 * minute } })
    await over.browser.signIn('home', 'anna')
    over.world.clock.pass(31 * minute)
    await over.browser.signIn('home', 'anna')
    expect(over.play.starts.at(-1)?.fresh).toBeUndefined()
  })
})

describe('what a provider is asked with', () => {
  it('are the parameters it lets pass, each once, short and on one line', async () => {
    const { browser, play } = stepWorld()
    play.asking = { passParameters: ['login_hint', 'ui_locales', 'domain_hint', 'prompt', 'acr', 'long', 'lines', 'twice'] }
    const query = `&login_hint=anna&ui_locales=de&state=x&prompt=none&acr=x&long=${'x'.repeat(501)}&lines=a%0Ab&twice=1&twice=2&scope=y`
    await browser.goAway('home', 'anna', { query })
    expect(play.starts[0]?.loginHint).toBe('anna')
    expect(play.starts[0]?.extra).toEqual({ ui_locales: 'de' })
    expect(Object.keys(play.starts[0] ?? {}).sort()).toEqual(['callback', 'extra', 'loginHint', 'state'])
  })

  it('is a hint made of what is known: of nobody at first, of the person at a step-up, and of what was typed', async () => {
    const { browser, play, world } = stepWorld()
    const seen: Facts[] = []
    play.asking = {
      loginHint: async (facts) => {
        seen.push(facts)
        return facts['account'] === null ? undefined : `hint for ${String(facts['account'])}`
      },
    }
    await browser.signIn('home', 'anna', { returnTo: '/a?b', query: '&login_hint=typed' })
    play.about = now(world)
    await browser.signIn('home', 'anna', { query: '&fresh=1' })
    expect(play.starts.map(({ loginHint }) => loginHint)).toEqual([undefined, 'hint for anna@company.com'])
    expect(seen).toMatchObject([
      { account: null, login_hint: 'typed', portal: 'home', request: { path: '/a', query: 'b' }, client_ip: '192.0.2.1' },
      { account: 'anna@company.com', provider: 'PLAY' },
    ])
    expect(seen[1]).not.toHaveProperty('login_hint')
  })
})

describe('verify', () => {
  const verify = {
    claim: 'preferred_username',
    expected: async (facts: Facts) => (typeof facts['login_hint'] === 'string' ? facts['login_hint'] : undefined),
  }

  it('lets in whom was asked for, in any case of its letters, and nobody else', async () => {
    const { browser, play, world } = stepWorld()
    play.asking = { passParameters: ['login_hint'], verify }
    play.claims = { preferred_username: 'Anna' }
    await browser.signIn('home', 'anna', { query: '&login_hint=ANNA' })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    for (const claims of [{ preferred_username: 'bert' }, {}, { preferred_username: ['anna'] }, { preferred_username: null }]) {
      play.claims = claims
      const answer = await browser.signIn('home', 'anna', { query: '&login_hint=anna' })
      expect(failureOf(answer)).toMatchObject({ status: 403, reason: 'hint-mismatch' })
    }
    play.claims = { preferred_username: 'mi\u212ae' }
    expect(failureOf(await browser.signIn('home', 'x', { query: '&login_hint=mike' })).reason).toBe('hint-mismatch')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect(world.log.authentications.at(-1)?.message).not.toContain('mike')
  })

  it('begins nothing where nobody was asked for', async () => {
    const { browser, play, world } = stepWorld()
    play.asking = { verify }
    const answer = await browser.open(`${home}${basePath}/start/PLAY`)
    expect(failureOf(answer)).toMatchObject({
      status: 403,
      reason: 'hint-mismatch',
      signIn: '/_postern/login?return=%2F&choose=1',
    })
    expect(play.starts).toEqual([])
    expect(world.counts).toEqual(['PLAY Failure'])
  })

  it('that came into the configuration on the way lets nobody in who was not held against it', async () => {
    const { browser, play } = stepWorld()
    const back = await browser.goAway('home', 'anna')
    play.asking = { verify }
    play.claims = { preferred_username: 'anna' }
    expect(failureOf(await browser.open(back)).reason).toBe('hint-mismatch')
  })
})
