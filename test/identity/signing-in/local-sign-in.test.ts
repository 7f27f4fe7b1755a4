import { describe, expect, it } from 'vitest'
import type { Answer, Provider, Route } from '../../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  locationOf,
  minute,
  portalOf,
  routeOf,
  ScriptedProvider,
  worldOf,
} from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'
const start = `${home}${basePath}/start/OWN?return=%2Fa`

function localWorld(route?: Route) {
  const own: Provider = { name: 'OWN', protocol: 'LOCAL', label: "Use the portal's own sign-in" }
  const play = new ScriptedProvider('PLAY')
  const world = worldOf([portalOf('home', [play, own])], route ? { findRoute: () => route } : {})
  return { world, play, own, browser: new Browser(world) }
}
const documentOf = (answer: Answer) => (answer.show.kind === 'document' ? JSON.parse(answer.show.body) : answer.show)

describe("the portal's own sign-in", () => {
  it('is a choice, under its own words', async () => {
    const { browser } = localWorld()
    const { show } = await browser.open(`${home}${basePath}/login?return=%2Fa`)
    expect(show).toMatchObject({
      page: {
        choices: [
          { label: 'PLAY label' },
          { label: "Use the portal's own sign-in", isLocal: true, href: '/_postern/start/OWN?return=%2Fa' },
        ],
      },
    })
  })

  it('is a session of nobody, with its times, until it is signed out', async () => {
    const { browser, world } = localWorld()
    expect(locationOf(await browser.open(start))).toBe(`${home}/a`)
    const known = await browser.who('home')
    expect(known.outcome).toEqual({ kind: 'local', provider: 'OWN' })
    expect(known.session).toMatchObject({ local: true, identity: { account: '', groups: [], claims: {} } })
    expect(documentOf(await browser.open(`${home}${basePath}/session`))).toEqual({
      account: null,
      provider: 'OWN',
      portal: 'home',
      idleUntil: expect.any(String),
      endsAt: expect.any(String),
    })
    const cookies = browser.cookies(host).split('; ')
    expect(locationOf(await browser.open(`${home}${basePath}/logout`))).toContain('/signed-out')
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home.last'])
    browser.take(host, cookies)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.log.authentications).toMatchObject([{ result: 'Success', provider: 'OWN' }])
    expect(world.log.authentications[0]).not.toHaveProperty('account')
  })

  it('ends by itself, and is then nobody whose typing would be kept', async () => {
    const { browser, world } = localWorld()
    await browser.open(start)
    world.clock.pass(30 * minute)
    expect(await browser.who('home')).toEqual({ outcome: { kind: 'absent' }, cookies: [] })
  })

  it('takes the place of whoever was signed in, and gives it back', async () => {
    const { browser } = localWorld()
    await browser.signIn('home', 'anna')
    const old = browser.cookies(host).split('; ')
    await browser.open(start)
    expect((await browser.who('home')).outcome.kind).toBe('local')
    browser.take(host, old)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    await browser.signIn('home', 'anna')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('of a link on another site signs nobody out: it asks', async () => {
    const { browser } = localWorld()
    const foreign = { headers: { 'sec-fetch-site': 'cross-site' } }
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(start, foreign))).toBe('/_postern/login?return=%2Fa&choose=1')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    const stranger = localWorld().browser
    expect(locationOf(await stranger.open(start, foreign))).toBe(`${home}/a`)
  })

  it.each([
    ['its own rules', routeOf({ hasOwnRules: true })],
    ['a fresh sign-in', routeOf({ freshness: { maxAge: minute } })],
  ])('is not offered for a page that wants %s', async (_, route) => {
    const { browser } = localWorld(route)
    expect(locationOf(await browser.open(`${home}${basePath}/login`))).toBe('/_postern/start/PLAY?return=%2F')
    expect(failureOf(await browser.open(start))).toMatchObject({ status: 403, reason: 'provider-not-enough' })
  })

  it('whose provider asks people now, or the other way round, is nobody', async () => {
    const { browser, world } = localWorld()
    await browser.open(start)
    browser.world = worldOf([portalOf('home', [new ScriptedProvider('OWN')])], { clock: world.clock })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    const other = localWorld()
    await other.browser.signIn('home', 'anna')
    other.browser.world = worldOf([portalOf('home', [{ name: 'PLAY', protocol: 'LOCAL', label: 'x' }])], {
      clock: other.world.clock,
    })
    expect((await other.browser.who('home')).outcome.kind).toBe('absent')
  })

  it('is forged by no session of somebody: the seal says which it is', async () => {
    const { browser } = localWorld()
    await browser.signIn('home', 'anna')
    expect((await browser.who('home')).outcome.kind).toBe('identified')
  })
})
