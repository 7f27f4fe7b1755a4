import { describe, expect, it } from 'vitest'
import { PosternError } from '../../src/errors.ts'
import { createIdentify } from '../../src/identity/identify.ts'
import type { SessionKeeper } from '../../src/identity/sessions/session.ts'
import type { AuthOutcome, Identified, Provider, RequestView } from '../../src/types.ts'
import {
  accountOf,
  Browser,
  identityOf,
  minute,
  portalOf,
  requestOf,
  routeOf,
  rulesOf,
  ScriptedProvider,
  worldOf,
} from './harness.ts'

/** Recognizes whoever the header with its name holds. */
const recognizing = (name: string, outcome?: (who: string) => AuthOutcome): Provider => ({
  name,
  protocol: 'WEBSEAL',
  label: name,
  recognize(request: RequestView) {
    const [who] = request.lines(name)
    if (who === undefined) return { kind: 'absent' }
    return (
      outcome?.(who) ?? {
        kind: 'identified',
        identity: identityOf(who, { provider: name, issuer: `webseal:${name}` }),
        passThrough: ['iv-creds'],
      }
    )
  },
})
const late = (provider: Provider): Provider => ({
  ...provider,
  recognize: async (request) => (provider.recognize as (r: RequestView) => AuthOutcome)(request),
})

const webseal = recognizing('webseal')
const bearer = recognizing('bearer')
const play = new ScriptedProvider('PLAY')

describe('who is asking', () => {
  it('is the session, where nothing travels: synchronously once it is known', async () => {
    const world = worldOf([portalOf('home', [webseal, play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    const portal = world.portals.get('home') as never
    const request = requestOf({ cookies: browser.cookies('home.company.com') })
    const [one, two] = [1, 2].map(() => world.identify(request, portal, routeOf(), world.clock.now))
    expect(one).not.toBeInstanceOf(Promise)
    const [first, second] = [one, two] as [Identified, Identified]
    expect(accountOf(first)).toBe('anna@company.com')
    expect(first.session).toBe(second.session)
    expect(first.outcome).toEqual({ kind: 'identified', identity: first.session?.identity })
  })

  it('is nobody without credentials and cookie, at no cost', () => {
    const portal = portalOf('home', [play])
    const { identify, clock } = worldOf([portal])
    const strangers = [1, 2].map(() => identify(requestOf(), portal, undefined, clock.now))
    expect(strangers[0]).toEqual({ outcome: { kind: 'absent' }, cookies: [] })
    expect(strangers[0]).toBe(strangers[1])
  })

  it('is whom the travelling credential says, with what it carries', () => {
    const portal = portalOf('home', [webseal, play])
    const { identify, clock } = worldOf([portal])
    const known = identify(requestOf({ headers: { webseal: 'anna' } }), portal, undefined, clock.now) as Identified
    expect(known.outcome).toMatchObject({
      kind: 'identified',
      passThrough: ['iv-creds'],
      identity: { issuer: 'webseal:webseal' },
    })
    expect(known.session).toBeUndefined()
  })

  it('is refused where two credentials name two people, in either order, awaited or not', async () => {
    for (const providers of [
      [webseal, bearer],
      [bearer, webseal],
      [late(webseal), bearer],
      [webseal, late(bearer)],
      [late(bearer), late(webseal)],
    ]) {
      const portal = portalOf('home', providers)
      const { identify, clock } = worldOf([portal])
      const known = await identify(requestOf({ headers: { webseal: 'anna', bearer: 'anna' } }), portal, undefined, clock.now)
      expect(known.outcome).toMatchObject({ kind: 'rejected', reason: 'several-credentials' })
    }
  })

  it('is one person where two credentials name the same', async () => {
    const same = (name: string) => recognizing(name, (who) => ({ kind: 'identified', identity: identityOf(who) }))
    const portal = portalOf('home', [same('one'), late(same('two'))])
    const { identify, clock } = worldOf([portal])
    expect(accountOf(await identify(requestOf({ headers: { one: 'anna', two: 'anna' } }), portal, undefined, clock.now))).toBe(
      'anna@company.com',
    )
    const two = await identify(requestOf({ headers: { one: 'anna', two: 'bert' } }), portal, undefined, clock.now)
    expect(two.outcome).toMatchObject({ reason: 'several-credentials' })
  })

  it.each([
    ['rejected', { kind: 'rejected', reason: 'credential-rejected', detail: 'x' }],
    ['unavailable', { kind: 'unavailable', detail: 'x' }],
    ['nobody', { kind: 'nobody' }],
  ] as const)('is %s where a credential is: neither the session nor another credential helps', async (_, outcome) => {
    for (const providers of [
      [recognizing('bad', () => outcome), webseal, play],
      [webseal, late(recognizing('bad', () => outcome)), play],
    ]) {
      const world = worldOf([portalOf('home', providers)])
      const browser = new Browser(world)
      await browser.signIn('home', 'anna')
      const request = requestOf({ cookies: browser.cookies('home.company.com'), headers: { bad: 'x', webseal: 'anna' } })
      const known = await world.identify(request, world.portals.get('home') as never, undefined, world.clock.now)
      expect(known.outcome).toEqual(outcome)
    }
  })
})

describe('a session beside a travelling credential', () => {
  it('of somebody else is ended for good, and its cookie goes', async () => {
    const world = worldOf([portalOf('home', [webseal, play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    const cookies = browser.cookies('home.company.com')
    const portal = world.portals.get('home') as never
    const known = await world.identify(requestOf({ cookies, headers: { webseal: 'bert' } }), portal, routeOf(), world.clock.now)
    expect(accountOf(known)).toBe('bert@company.com')
    expect(known.session).toBeUndefined()
    expect(known.cookies).toEqual([expect.stringMatching(/^__Host-postern-home=; .*Max-Age=0/)])
    expect((await world.identify(requestOf({ cookies }), portal, routeOf(), world.clock.now)).outcome.kind).toBe('absent')
  })

  it('of the same person stays, and is not renewed', async () => {
    const same = recognizing('same', (who) => ({ kind: 'identified', identity: identityOf(who) }))
    const world = worldOf([portalOf('home', [same, play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    const cookies = browser.cookies('home.company.com')
    const portal = world.portals.get('home') as never
    const known = await world.identify(
      requestOf({ cookies, headers: { same: 'anna' } }),
      portal,
      routeOf(),
      world.clock.now + 10 * minute,
    )
    expect(known.cookies).toEqual([])
    expect(accountOf(await world.identify(requestOf({ cookies }), portal, routeOf(), world.clock.now))).toBe('anna@company.com')
  })
})

describe('a session', () => {
  it('whose provider the portal does not list is nobody', async () => {
    const before = worldOf([portalOf('home', [play])])
    const browser = new Browser(before)
    await browser.signIn('home', 'anna')
    browser.world = worldOf([portalOf('home', [new ScriptedProvider('OTHER')])], { clock: before.clock })
    const known = await browser.who('home')
    expect(known).toEqual({ outcome: { kind: 'absent' }, cookies: [] })
  })

  it('of a group is nobody at the portal that does not list its provider, and stays for the one that does', async () => {
    const session = rulesOf('group')
    const home = portalOf('home', [play], { session })
    const under = portalOf('under', [new ScriptedProvider('OTHER')], { session, origin: home.origin, path: '/under' })
    const factor = portalOf('factor', [new ScriptedProvider('OTHER')], {
      session,
      origin: home.origin,
      path: '/factor',
      secondFactors: [{ provider: play, after: 'OTHER' }],
    })
    const world = worldOf([home, under, factor])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    expect(await browser.who('under', routeOf(), '/under')).toEqual({ outcome: { kind: 'absent' }, cookies: [] })
    expect((await browser.who('factor', routeOf(), '/factor')).outcome.kind).toBe('absent')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    await browser.open('https://home.company.com/_postern/logout', { portal: 'under' })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('of a group opens every portal that lists its provider', async () => {
    const session = rulesOf('group')
    const home = portalOf('home', [play], { session })
    const under = portalOf('under', [play], { session, origin: home.origin, path: '/under' })
    const browser = new Browser(worldOf([home, under]))
    await browser.signIn('home', 'anna')
    expect(accountOf(await browser.who('under', routeOf(), '/under'))).toBe('anna@company.com')
  })

  it('is renewed on a route that extends it, and only there', async () => {
    const world = worldOf([portalOf('home', [play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    world.clock.pass(10 * minute)
    expect((await browser.who('home', routeOf({ extendsSession: false }))).cookies).toEqual([])
    expect((await browser.who('home', routeOf())).cookies).toHaveLength(1)
    world.clock.pass(25 * minute)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('that ran out leaves a stranger who is known to have been somebody, until they sign out', async () => {
    const world = worldOf([portalOf('home', [play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    world.clock.pass(30 * minute)
    for (const _ of [1, 2]) {
      const known = await browser.who('home')
      expect(known).toMatchObject({ outcome: { kind: 'absent' }, cookies: [], expired: { identity: { subject: 'anna' } } })
      expect(known.session).toBeUndefined()
    }
    await browser.open('https://home.company.com/_postern/logout')
    expect(browser.cookies('home.company.com')).toBe('')
    expect((await browser.who('home')).expired).toBeUndefined()
  })

  it('that was ended before it ran out is nobody at all', async () => {
    const world = worldOf([portalOf('home', [play])])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    const cookies = browser.cookies('home.company.com').split('; ')
    await browser.open('https://home.company.com/_postern/logout')
    browser.take('home.company.com', cookies)
    world.clock.pass(31 * minute)
    const known = await browser.who('home')
    expect(known.expired).toBeUndefined()
    expect(known.cookies).toHaveLength(1)
  })

  it('that cannot be read now is unavailable, not nobody; a bug is still a bug', async () => {
    const portal = portalOf('home', [play])
    const broken = (error: Error) => createIdentify({ find: () => Promise.reject(error) } as unknown as SessionKeeper)
    const error = new PosternError('store-unavailable', 'redis', { retryAfter: 7 })
    const down = await broken(error)(requestOf(), portal, undefined, 0)
    const outcome = { kind: 'unavailable', reason: 'store-unavailable', detail: 'redis', retryAfter: 7 }
    expect(down).toEqual({ outcome, cookies: [] })
    await expect(broken(new TypeError('x'))(requestOf(), portal, undefined, 0)).rejects.toThrow(TypeError)
  })
})
