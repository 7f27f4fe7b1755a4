import { afterEach, describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createIdentify } from '../../../src/identity/identify.ts'
import { createRevocations } from '../../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createSessionKeeper } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { createFlowMemory } from '../../../src/identity/signing-in/flow.ts'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import type { SessionLimit } from '../../../src/identity/signing-in/sign-in-context.ts'
import type { Answer, Page, Portal } from '../../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  keyA,
  locationOf,
  minute,
  noon,
  portalOf,
  requestOf,
  rulesOf,
  ScriptedProvider,
  TestClock,
  TestLog,
  type World,
} from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'

interface Limited extends World {
  readonly store: SessionStore
  readonly portal: Portal
  readonly play: ScriptedProvider
}
/** One replica; those that are given the same sessions and clock share them. */
function limited(
  sessionLimit: SessionLimit | undefined,
  parts: {
    sessions?: ReturnType<typeof createMemorySessions>
    clock?: TestClock
    secondFactor?: ScriptedProvider
    idle?: number
  } = {},
): Limited {
  const { clock = new TestClock(), sessions = createMemorySessions() } = parts
  const play = new ScriptedProvider('PLAY', 'FIDO')
  const secondFactors = parts.secondFactor ? [{ provider: parts.secondFactor, after: 'PLAY' }] : []
  const portal = portalOf('home', [play], { secondFactors, session: rulesOf('home', { idle: parts.idle ?? 30 * minute }) })
  const portals = new Map([[portal.name, portal]])
  const log = new TestLog()
  const revocations = createRevocations({ log })
  const sealer = createSealer([keyA])
  const store = createMemoryStore({ sessions, sealer, clock: clock.read })
  const keeper = createSessionKeeper({ sealer, claims: [], revocations, store })
  const identify = createIdentify(keeper)
  const memory = createFlowMemory()
  const signIn = createSignIn({
    basePath,
    portals,
    keeper,
    identify,
    sealer,
    revocations,
    log,
    clock: clock.read,
    memory,
    ...(sessionLimit ? { sessionLimit } : {}),
  })
  return { clock, log, portals, sealer, revocations, keeper, identify, signIn, memory, counts: [], store, portal, play }
}
const pageOf = <Name extends Page['name']>(answer: Answer, name: Name): Extract<Page, { name: Name }> => {
  if (answer.show.kind !== 'page' || answer.show.page.name !== name)
    throw new Error(`no ${name} but ${JSON.stringify(answer.show)}`)
  return answer.show.page as Extract<Page, { name: Name }>
}
async function displace(browser: Browser, world: Limited, address: string, parts: Parameters<typeof requestOf>[0] = {}) {
  const url = new URL(address, home)
  const request = requestOf({ path: url.pathname, query: url.search, cookies: browser.cookies(host), ...parts })
  const answer = await world.signIn.displace(request, world.portal)
  browser.take(host, answer.cookies)
  return answer
}
const post = (browser: Browser, world: Limited, address: string, headers: Readonly<Record<string, string>> = {}) =>
  displace(browser, world, address, { method: 'POST', headers: { origin: home, 'sec-fetch-site': 'same-origin', ...headers } })
/** From the sign-in to the question. */
async function waiting(world: Limited, returnTo = '/a', person = 'anna') {
  const browser = new Browser(world)
  const to = locationOf(await browser.signIn('home', person, { returnTo }))
  return { browser, to, ask: async () => pageOf(await displace(browser, world, to), 'displace') }
}
/** The next look at the store sees nobody. */
function blindOnce({ store }: Limited): void {
  const { list } = store
  store.list = async () => {
    store.list = list
    return { records: [], complete: true }
  }
}
const isIn = async (browser: Browser): Promise<boolean> => accountOf(await browser.who('home')) !== undefined
const count = async (world: Limited, subject = 'anna') =>
  (await world.store.list({ person: { issuer: 'https://idp.company.com', subject } }, 100)).records.filter(({ waits }) => !waits)
    .length
async function signedIn(world: Limited, how: number, person = 'anna'): Promise<Browser[]> {
  const browsers: Browser[] = []
  for (let i = 0; i < how; i++) {
    const browser = new Browser(world)
    expect(locationOf(await browser.signIn('home', person))).toBe(`${home}/`)
    browsers.push(browser)
    world.clock.pass(minute)
  }
  return browsers
}

describe('a limit that refuses', () => {
  const limit = { most: 2, onLimit: 'refuse' } as const

  it('refuses whoever has as many sessions as are allowed, says since when, and leaves the others alone', async () => {
    const world = limited(limit)
    const others = await signedIn(world, 2)
    const third = new Browser(world)
    const answer = await third.signIn('home', 'anna', { returnTo: '/a' })
    expect(failureOf(answer)).toMatchObject({
      status: 403,
      reason: 'too-many-sessions',
      account: 'anna@company.com',
      signIn: `${basePath}/start/PLAY?return=%2Fa`,
      signedInSince: [noon, noon + minute],
    })
    expect(await isIn(third)).toBe(false)
    for (const browser of others) expect(await isIn(browser)).toBe(true)
    expect(world.log.authentications.at(-1)).toMatchObject({ result: 'Failure', reason: 'too-many-sessions' })
  })

  it('counts each person and each portal by itself', async () => {
    const world = limited(limit)
    await signedIn(world, 2)
    await signedIn(world, 2, 'bert')
    expect(await count(world, 'bert')).toBe(2)
  })

  it('lets the same browser sign in again: its own session is replaced, and never counts against itself', async () => {
    const world = limited(limit)
    const [browser] = (await signedIn(world, 2)) as [Browser]
    world.play.about = { authenticatedAt: world.clock.now }
    for (const query of ['', '&fresh=1', '&as=other'])
      expect(locationOf(await browser.signIn('home', 'anna', { query }))).toBe(`${home}/`)
    expect([await isIn(browser), await count(world)]).toEqual([true, 2])
  })

  it('lets a second factor be added at the limit', async () => {
    const fido = new ScriptedProvider('FIDO')
    fido.about = { issuer: 'https://fido.company.com', provider: 'FIDO' }
    const world = limited(limit, { secondFactor: fido })
    const [browser] = (await signedIn(world, 2)) as [Browser]
    expect(locationOf(await browser.signIn('home', 'anna', { provider: 'FIDO' }))).toBe(`${home}/`)
    expect(Object.keys((await browser.who('home')).session?.factors ?? {})).toEqual(['FIDO'])
    expect(await count(world)).toBe(2)
  })

  it('that was lowered meanwhile takes nothing away from a browser that signs in again', async () => {
    const clock = new TestClock()
    const sessions = createMemorySessions()
    const [browser] = (await signedIn(limited({ ...limit, most: 3 }, { sessions, clock }), 3)) as [Browser]
    const lowered = limited({ ...limit, most: 1 }, { sessions, clock })
    browser.world = lowered
    expect(failureOf(await browser.signIn('home', 'anna')).reason).toBe('too-many-sessions')
    expect(await isIn(browser)).toBe(true)
  })

  it('ends the session of somebody else in that browser all the same', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    const [shared] = (await signedIn(world, 1, 'bert')) as [Browser]
    expect(failureOf(await shared.signIn('home', 'anna')).reason).toBe('too-many-sessions')
    expect([await isIn(shared), await count(world, 'bert')]).toEqual([false, 0])
  })

  it('has room again when a session is over', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    world.clock.pass(30 * minute)
    await signedIn(world, 1)
  })

  it('holds for any number who come back at the same time, at any replica', async () => {
    const clock = new TestClock()
    const sessions = createMemorySessions()
    const worlds = [1, 2, 3].map(() => limited(limit, { sessions, clock }))
    const browsers = Array.from({ length: 12 }, (_, i) => new Browser(worlds[i % 3] as Limited))
    const back = await Promise.all(browsers.map((browser) => browser.goAway('home', 'anna')))
    const answers = await Promise.all(browsers.map((browser, i) => browser.open(back[i] as string)))
    expect(answers.filter(({ show }) => show.kind === 'redirect')).toHaveLength(2)
    expect(answers.filter(({ reason }) => reason === 'too-many-sessions')).toHaveLength(10)
    expect(await count(worlds[0] as Limited)).toBe(2)
  })

  it('holds also for whoever looks at the same moment as another: the store counts', async () => {
    const world = limited(limit)
    await signedIn(world, 2)
    blindOnce(world)
    expect(failureOf(await new Browser(world).signIn('home', 'anna'))).toMatchObject({
      reason: 'too-many-sessions',
      signedInSince: [noon, noon + minute],
    })
    expect(await count(world)).toBe(2)
  })

  it('counts nothing that is over by rules which were shortened, whatever the store still has', async () => {
    const clock = new TestClock()
    const sessions = createMemorySessions()
    await signedIn(limited(limit, { sessions, clock }), 2)
    clock.pass(5 * minute)
    const shortened = limited(limit, { sessions, clock, idle: 5 * minute })
    await signedIn(shortened, 1)
    expect(await count(shortened)).toBe(1)
  })

  it('is no limit where there is none', async () => {
    const world = limited(undefined)
    await signedIn(world, 5)
    expect(await count(world)).toBe(5)
  })
})

describe('a limit that displaces', () => {
  const limit = { most: 2, onLimit: 'displace' } as const

  it('asks first: until the answer the new session opens nothing and the others stay', async () => {
    const world = limited(limit)
    const others = await signedIn(world, 2)
    const { browser, to, ask } = await waiting(world, '/a?b=c')
    expect(to).toBe(`${home}${basePath}/displace?return=%2Fa%3Fb%3Dc`)
    expect(await isIn(browser)).toBe(false)
    expect(await ask()).toMatchObject({ account: 'anna@company.com', since: [noon, noon + minute], ends: 1 })
    for (const other of others) expect(await isIn(other)).toBe(true)
    expect(world.log.authentications.filter(({ result }) => result === 'Success')).toHaveLength(2)
  })

  it('ends the oldest where the person says so, and goes on to the page', async () => {
    const world = limited(limit)
    const [oldest, newer] = (await signedIn(world, 2)) as [Browser, Browser]
    const { browser, ask } = await waiting(world, '/a?b=c')
    const before = browser.cookies(host)
    const answer = await post(browser, world, (await ask()).action)
    expect(pageOf(answer, 'displaced').onward).toBe(`${home}/a?b=c`)
    expect([await isIn(oldest), await isIn(newer), await isIn(browser)]).toEqual([false, true, true])
    expect(await count(world)).toBe(2)
    expect(browser.cookies(host)).not.toBe(before)
    expect(world.log.audits.find(({ msg }) => msg === 'displaced')?.fields).toMatchObject({
      portal: 'home',
      account: 'anna@company.com',
    })
    expect(world.log.authentications.at(-1)).toMatchObject({ result: 'Success', account: 'anna@company.com' })
    browser.take(host, before.split('; '))
    expect(await isIn(browser)).toBe(false)
    expect((await world.store.list({}, 100)).records.filter(({ waits }) => waits)).toEqual([])
  })

  it('asks also whoever was let in and found no room at the same moment', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    blindOnce(world)
    const { to, ask } = await waiting(world)
    expect(to).toBe(`${home}${basePath}/displace?return=%2Fa`)
    expect(await ask()).toMatchObject({ since: [noon], ends: 1 })
    expect(await count(world)).toBe(1)
  })

  it('ends as many as needed where the limit was lowered', async () => {
    const clock = new TestClock()
    const sessions = createMemorySessions()
    const many = await signedIn(limited({ ...limit, most: 4 }, { sessions, clock }), 4)
    const world = limited(limit, { sessions, clock })
    for (const browser of many) browser.world = world
    const { browser, ask } = await waiting(world)
    const page = await ask()
    expect(page.ends).toBe(3)
    await post(browser, world, page.action)
    expect(await Promise.all(many.map(isIn))).toEqual([false, false, false, true])
    expect(await isIn(browser)).toBe(true)
  })

  it('keeps all that the provider gave, and the end it had', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    world.play.keep = { idToken: 't', sid: 's' }
    world.play.endsAt = world.clock.now + 60 * minute
    const { browser, ask } = await waiting(world)
    const { action } = await ask()
    world.clock.pass(9 * minute)
    await post(browser, world, action)
    const { session } = await browser.who('home')
    expect(session).toMatchObject({ keep: { idToken: 't', sid: 's' }, endsAt: world.play.endsAt, createdAt: world.clock.now })
    expect(session?.waits).toBeUndefined()
  })

  it('ends nothing but what waits where the person would rather not', async () => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, ask } = await waiting(world)
    const { cancel, action } = await ask()
    const before = browser.cookies(host)
    expect(locationOf(await post(browser, world, cancel))).toBe(`${home}${basePath}/signed-out?still=PLAY`)
    expect(browser.jar(host).has('__Host-postern-home')).toBe(false)
    expect([await isIn(other), await isIn(browser)]).toEqual([true, false])
    browser.take(host, before.split('; '))
    expect(failureOf(await post(browser, world, action)).reason).toBe('sign-in-expired')
  })

  it.each([
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, ''],
    ['a page that says nothing of itself', { origin: 'null', 'sec-fetch-site': 'cross-site' }, ''],
    ['a form without the token', {}, 'none'],
    ["a form with another session's token", {}, 'other'],
  ])('does nothing for %s: it asks', async (_, headers, token) => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, ask } = await waiting(world)
    const { action, cancel } = await ask()
    const stolen = (await (await waiting(world)).ask()).action
    const tokenOf = (address: string) => new URL(address, home).searchParams.get('token') as string
    for (const address of [action, cancel]) {
      const url = new URL(address, home)
      if (token === 'none') url.searchParams.delete('token')
      if (token === 'other') url.searchParams.set('token', tokenOf(stolen))
      pageOf(await post(browser, world, url.pathname + url.search, headers), 'displace')
    }
    expect([await isIn(other), await isIn(browser)]).toEqual([true, false])
    pageOf(await post(browser, world, action), 'displaced')
  })

  it('does nothing by a link, a look ahead, a frame or HEAD', async () => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, ask } = await waiting(world)
    const { action } = await ask()
    for (const parts of [{ method: 'HEAD' }, {}]) pageOf(await displace(browser, world, action, parts), 'displace')
    const ahead = { method: 'POST', headers: { 'sec-purpose': 'prefetch', origin: home, 'sec-fetch-site': 'same-origin' } }
    expect(failureOf(await displace(browser, world, action, ahead)).reason).toBe('sign-in-needed')
    expect(failureOf(await displace(browser, world, action, { method: 'PUT' })).reason).toBe('method-refused')
    expect([await isIn(other), await isIn(browser)]).toEqual([true, false])
  })

  it('waits ten minutes and no longer', async () => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, ask } = await waiting(world, '/a')
    world.clock.pass(10 * minute - 1)
    const { action } = await ask()
    world.clock.pass(1)
    const answer = await post(browser, world, action)
    expect(failureOf(answer)).toMatchObject({ reason: 'sign-in-expired', signIn: `${basePath}/login?return=%2Fa` })
    expect([await isIn(other), await isIn(browser), browser.jar(host).has('__Host-postern-home')]).toEqual([true, false, false])
  })

  it('goes on without asking where there is room again', async () => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, to } = await waiting(world, '/a')
    const { session } = await other.who('home')
    if (session) await world.keeper.end(session, world.clock.now)
    pageOf(await displace(browser, world, to, { method: 'HEAD' }), 'displace')
    expect(locationOf(await displace(browser, world, to))).toBe(`${home}/a`)
    expect([await isIn(browser), await count(world)]).toEqual([true, 1])
  })

  it('sends whoever answers twice, or goes back, to the page', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    const { browser, ask } = await waiting(world, '/a')
    const { action } = await ask()
    await post(browser, world, action)
    expect(locationOf(await post(browser, world, action))).toBe(`${home}/a`)
    expect(locationOf(await displace(browser, world, action))).toBe(`${home}/a`)
    expect(await count(world)).toBe(1)
  })

  it('leads on to what the person had typed', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    const slot = `${'0'.repeat(9)}abcdefghijkl`
    const browser = new Browser(world)
    const to = locationOf(await browser.signIn('home', 'anna', { returnTo: '/a', query: `&kept=${slot}` }))
    const { action } = pageOf(await displace(browser, world, to), 'displace')
    expect(pageOf(await post(browser, world, action), 'displaced').onward).toBe(`${home}${basePath}/resume/${slot}?return=%2Fa`)
  })

  it('leads to no other site', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    const { browser, to } = await waiting(world)
    const evil = `${to.split('?')[0]}?return=${encodeURIComponent('//evil.example/')}`
    const { action } = pageOf(await displace(browser, world, evil), 'displace')
    expect(pageOf(await post(browser, world, action), 'displaced').onward).toBe(`${home}/`)
  })

  it('is not there for whoever has no session that waits', async () => {
    const world = limited(limit)
    expect(failureOf(await displace(new Browser(world), world, `${basePath}/displace?return=%2Fa`))).toMatchObject({
      reason: 'sign-in-expired',
      signIn: `${basePath}/login?return=%2Fa`,
    })
  })

  it('never exceeds the limit, however many say yes at the same time at any replica, and asks the others again', async () => {
    const clock = new TestClock()
    const sessions = createMemorySessions()
    const worlds = [1, 2, 3].map(() => limited(limit, { sessions, clock }))
    await signedIn(worlds[0] as Limited, 2)
    const all = await Promise.all(Array.from({ length: 9 }, (_, i) => waiting(worlds[i % 3] as Limited)))
    const actions = await Promise.all(all.map(async ({ ask }) => (await ask()).action))
    const answers = await Promise.all(all.map(({ browser }, i) => post(browser, browser.world as Limited, actions[i] as string)))
    const shown = answers.map(({ show }) => (show.kind === 'page' ? show.page.name : show.kind))
    expect(await count(worlds[0] as Limited)).toBe(2)
    expect(new Set(shown)).toEqual(new Set(['displaced', 'redirect']))
    for (const [i, answer] of answers.entries()) {
      if (shown[i] === 'redirect') expect(locationOf(answer)).toBe(`${home}${basePath}/displace?return=%2Fa`)
    }
    const inside = await Promise.all(all.map(({ browser }) => isIn(browser)))
    expect(inside.filter(Boolean).length).toBeLessThanOrEqual(2)
  })

  it('ends no session that came after the question: it is asked again', async () => {
    const world = limited({ ...limit, most: 1 })
    const [oldest] = (await signedIn(world, 1)) as [Browser]
    const one = await waiting(world)
    const two = await waiting(world)
    const [first, second] = [await one.ask(), await two.ask()]
    world.clock.pass(minute)
    pageOf(await post(one.browser, world, first.action), 'displaced')
    expect(locationOf(await post(two.browser, world, second.action))).toBe(`${home}${basePath}/displace?return=%2Fa`)
    expect([await isIn(oldest), await isIn(one.browser), await isIn(two.browser)]).toEqual([false, true, false])
    world.clock.pass(minute)
    expect(await two.ask()).toMatchObject({ since: [noon + 2 * minute], ends: 1 })
    pageOf(await post(two.browser, world, (await two.ask()).action), 'displaced')
    expect([await isIn(one.browser), await isIn(two.browser)]).toEqual([false, true])
  })

  it('ends nothing else and stays where it is while the store is down', async () => {
    const world = limited({ ...limit, most: 1 })
    const [other] = (await signedIn(world, 1)) as [Browser]
    const { browser, ask } = await waiting(world)
    const { action } = await ask()
    const { list } = world.store
    world.store.list = async () => {
      throw new PosternError('store-unavailable', 'down')
    }
    restore = () => Object.assign(world.store, { list })
    await expect(post(browser, world, action)).rejects.toMatchObject({ reason: 'store-unavailable' })
    restore()
    expect(await isIn(other)).toBe(true)
    pageOf(await post(browser, world, action), 'displaced')
  })

  it('tells whoever comes back to try again while the store is down', async () => {
    const world = limited(limit)
    const browser = new Browser(world)
    const back = await browser.goAway('home', 'anna', { returnTo: '/a' })
    const { list } = world.store
    world.store.list = async () => {
      throw new PosternError('store-unavailable', 'down')
    }
    restore = () => Object.assign(world.store, { list })
    expect(failureOf(await browser.open(back))).toMatchObject({
      status: 503,
      reason: 'store-unavailable',
      retryAfter: 5,
      signIn: `${basePath}/start/PLAY?return=%2Fa`,
    })
  })

  it('lets somebody who is asked sign in anew: what waited is over', async () => {
    const world = limited({ ...limit, most: 1 })
    await signedIn(world, 1)
    const { browser } = await waiting(world)
    const to = locationOf(await browser.signIn('home', 'anna', { returnTo: '/b' }))
    expect(to).toBe(`${home}${basePath}/displace?return=%2Fb`)
    expect((await world.store.list({}, 100)).records.filter(({ waits }) => waits)).toHaveLength(1)
    expect(locationOf(await browser.signIn('home', 'bert', { returnTo: '/b' }))).toBe(`${home}/b`)
    expect((await world.store.list({}, 100)).records.filter(({ waits }) => waits)).toHaveLength(0)
  })
})

let restore: (() => void) | undefined
afterEach(() => restore?.())
