import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createFlowMemory, type FlowMemory } from '../../../src/identity/signing-in/flow.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  locationOf,
  minute,
  portalOf,
  ScriptedProvider,
  usual,
  worldOf,
} from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'

describe('a callback', () => {
  it.each([
    ['nothing', () => ''],
    ['no state', (query: URLSearchParams) => `?code=${query.get('code')}`],
    ['an empty state', (query: URLSearchParams) => `?code=${query.get('code')}&state=`],
    ['no code', (query: URLSearchParams) => `?state=${query.get('state')}`],
    ['two states', (query: URLSearchParams) => `?${query}&state=${query.get('state')}`],
    ['two codes', (query: URLSearchParams) => `?${query}&code=x`],
    ['a code and an error', (query: URLSearchParams) => `?${query}&error=x`],
  ])('with %s is refused before the provider is asked', async (_, change) => {
    const { browser, play } = usual()
    const back = new URL(await browser.goAway('home', 'anna'))
    const answer = await browser.open(`${home}${back.pathname}${change(back.searchParams)}`)
    expect(failureOf(answer)).toMatchObject({ status: 400, reason: 'sign-in-failed', signIn: '/_postern/start/PLAY?return=%2F' })
    expect(play.completed).toEqual([])
    expect(locationOf(await browser.open(back.href))).toBe(`${home}/`)
  })

  it('with a state that is not ours is refused', async () => {
    const { browser, world, play } = usual()
    const session = await world.sealer.seal({ portal: 'home', id: 'x', at: world.clock.now }, 'session')
    const foreign = await world.sealer.seal({ portal: 'nowhere', id: 'x', at: world.clock.now }, 'state')
    for (const state of ['x', 'a.b.c.d.e', session, foreign, 'null']) {
      const answer = await browser.open(`${home}${basePath}/callback/PLAY?code=x&state=${state}`)
      expect(failureOf(answer)).toMatchObject({ status: 400, reason: 'sign-in-unknown' })
    }
    expect(play.completed).toEqual([])
    expect(world.log.authentications).toHaveLength(5)
    expect(world.log.authentications[0]).toMatchObject({
      result: 'Failure',
      reason: 'sign-in-unknown',
      message: 'Sign-in with PLAY failed: the state is not ours',
    })
  })

  it('in another browser is refused (login CSRF)', async () => {
    const { browser, world, play } = usual()
    const back = await browser.goAway('home', 'mallory')
    const victim = new Browser(world)
    expect(failureOf(await victim.open(back)).reason).toBe('sign-in-unknown')
    expect(victim.cookies(host)).toBe('')
    expect(play.completed).toEqual([])
  })

  it('with the flow of another sign-in of the same browser is refused', async () => {
    const { browser } = usual()
    const one = new URL(await browser.goAway('home', 'anna'))
    const two = new URL(await browser.goAway('home', 'mallory'))
    one.searchParams.set('code', two.searchParams.get('code') as string)
    expect(failureOf(await browser.open(one.href)).reason).toBe('sign-in-failed')
  })

  it('at the end point of another provider is refused', async () => {
    const { browser, play, other } = usual()
    const back = await browser.goAway('mail', 'anna', { provider: 'PLAY' })
    expect(failureOf(await browser.open(back.replace('/callback/PLAY', '/callback/OTHER'))).reason).toBe('sign-in-unknown')
    expect([play.completed, other.completed]).toEqual([[], []])
  })

  it('of an unknown provider is no end point', async () => {
    expect(failureOf(await usual().browser.open(`${home}${basePath}/callback/X?code=x&state=y`)).status).toBe(404)
  })

  it('a second time makes no second session: who is signed in goes to the portal, who is not is refused', async () => {
    const { browser, world, play } = usual()
    const back = await browser.goAway('home', 'anna', { returnTo: '/deep' })
    const flow = browser.cookies(host)
    await browser.open(back)
    expect(locationOf(await browser.open(back))).toBe(`${home}/`)
    const thief = new Browser(world)
    thief.take(host, flow.split('; '))
    expect(failureOf(await thief.open(back)).reason).toBe('sign-in-unknown')
    expect(play.completed).toHaveLength(1)
  })

  it('twice at the same moment is completed once', async () => {
    const { browser, play } = usual()
    const back = await browser.goAway('home', 'anna')
    const [one, two] = await Promise.all([browser.open(back), browser.open(back)])
    expect(play.completed).toHaveLength(1)
    expect([one, two].filter(({ show }) => show.kind === 'redirect')).toHaveLength(1)
  })

  it('that was used stays used over a reload', async () => {
    const { browser, world, home: portal, mail } = usual()
    const back = await browser.goAway('home', 'anna')
    const flow = browser.cookies(host)
    await browser.open(back)
    const thief = new Browser(worldOf([portal, mail], { memory: world.memory, clock: world.clock }))
    thief.take(host, flow.split('; '))
    expect(failureOf(await thief.open(back)).reason).toBe('sign-in-unknown')
  })

  it('after ten minutes is a redirection timeout, with a way to start again for the same page', async () => {
    const { browser, world, play } = usual()
    const back = await browser.goAway('home', 'anna', { returnTo: '/deep?x' })
    world.clock.pass(10 * minute)
    const answer = await browser.open(back)
    expect(answer.words).toBe('Redirection timeout')
    expect(failureOf(answer)).toMatchObject({
      status: 400,
      reason: 'sign-in-expired',
      signIn: '/_postern/start/PLAY?return=%2Fdeep%3Fx',
    })
    expect(world.log.authentications.at(-1)).toMatchObject({
      result: 'Failure',
      reason: 'sign-in-expired',
      message: 'Sign-in with PLAY failed: Redirection timeout',
    })
    expect(play.completed).toEqual([])
    expect(browser.cookies(host)).toBe('')
  })

  it('just before ten minutes is in time', async () => {
    const { browser, world } = usual()
    const back = await browser.goAway('home', 'anna')
    world.clock.pass(10 * minute - 1)
    expect(locationOf(await browser.open(back))).toBe(`${home}/`)
  })

  it('for another portal goes on to its own origin, untouched, and opens nothing here', async () => {
    const callback = `${home}${basePath}/callback/PLAY`
    const { browser, world, play } = usual({ mail: { redirectUris: new Map([['PLAY', callback]]) } })
    const back = `${await browser.goAway('mail', 'anna', { returnTo: '/inbox' })}&iss=https%3A%2F%2Fidp.company.com&x=a+b%20c`
    expect(back.startsWith(callback)).toBe(true)
    const relayed = await browser.open(back)
    expect(relayed).toEqual({
      show: { kind: 'redirect', to: `https://mail.company.com/_postern/callback/PLAY${new URL(back).search}` },
      cookies: [],
      headers: ['Referrer-Policy', 'no-referrer'],
      provider: 'PLAY',
    })
    expect(play.completed).toEqual([])
    expect(locationOf(await browser.open(locationOf(relayed)))).toBe('https://mail.company.com/inbox')
    expect(play.completed[0]?.callback).toBe(callback)
    expect(accountOf(await browser.who('mail'))).toBe('anna@company.com')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.counts).toEqual(['PLAY Redirection', 'PLAY Success'])
  })

  it('is relayed also from a portal that does not use the provider itself', async () => {
    const play = new ScriptedProvider('PLAY')
    const mail = portalOf('mail', [play], { redirectUris: new Map([['PLAY', `${home}${basePath}/callback/PLAY`]]) })
    const browser = new Browser(worldOf([portalOf('home', []), mail]))
    const relayed = await browser.open(await browser.goAway('mail', 'anna'))
    expect(locationOf(relayed)).toMatch(/^https:\/\/mail\.company\.com\/_postern\/callback\/PLAY\?code=/)
  })

  it('of two portals on one origin is served in place, each with its own session', async () => {
    const play = new ScriptedProvider('PLAY')
    const root = portalOf('home', [play])
    const under = portalOf('a', [play], { origin: home, path: '/a' })
    const browser = new Browser(worldOf([root, under]))
    const answer = await browser.open(await browser.goAway('home', 'anna', { returnTo: '/a/x' }))
    expect(locationOf(answer)).toBe(`${home}/a/x`)
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-a'])
    expect(accountOf(await browser.who('a'))).toBe('anna@company.com')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    await browser.open(await browser.goAway('home', 'anna', { returnTo: '/ab' }))
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it.each([
    ['sign-in-denied', 403, 'signIn'],
    ['sign-in-failed', 400, 'signIn'],
    ['account-missing', 403, 'otherAccount'],
    ['email-not-verified', 403, 'otherAccount'],
  ] as const)('that the provider rejects with %s is refused, and the session before stays', async (reason, status, link) => {
    const { browser, play, world } = usual()
    await browser.signIn('home', 'anna')
    play.outcome = { kind: 'rejected', reason, detail: 'because' }
    const answer = await browser.signIn('home', 'bert', { returnTo: '/x' })
    expect(failureOf(answer)).toMatchObject({
      status,
      reason,
      provider: 'PLAY',
      [link]: expect.stringContaining('/_postern/start/PLAY?return=%2Fx'),
    })
    expect(JSON.stringify(answer)).not.toContain('because')
    expect(world.log.authentications.at(-1)).toMatchObject({
      result: 'Failure',
      reason,
      message: 'Sign-in with PLAY failed: because',
    })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home'])
  })

  it('while the provider is down is a 503 that offers the others', async () => {
    const { browser, play } = usual()
    play.outcome = { kind: 'unavailable', detail: 'ETIMEDOUT' }
    const answer = await browser.signIn('mail', 'anna')
    expect(failureOf(answer)).toMatchObject({
      status: 503,
      reason: 'provider-unavailable',
      retryAfter: 5,
      choices: [{ label: 'OTHER label' }],
    })
    expect(JSON.stringify(answer)).not.toContain('ETIMEDOUT')
  })

  it.each([{ kind: 'absent' }, { kind: 'nobody' }] as const)('that the provider answers with %j is refused', async (outcome) => {
    const { browser, play } = usual()
    play.outcome = outcome
    expect(failureOf(await browser.signIn('home', 'anna')).reason).toBe('sign-in-failed')
  })

  it('takes GET only', async () => {
    const { browser } = usual()
    const back = await browser.goAway('home', 'anna')
    for (const method of ['POST', 'HEAD']) expect(failureOf(await browser.open(back, { method })).status).toBe(405)
    expect(locationOf(await browser.open(back))).toBe(`${home}/`)
  })
})

describe('a callback while it cannot be said whether it was used at another replica', () => {
  it('is not used up: the provider is not asked, and the same address works later', async () => {
    const memory = createFlowMemory()
    let down = true
    const shared: FlowMemory = {
      ...memory,
      use: async (id) => {
        if (down) throw new PosternError('store-unavailable', 'down')
        return memory.use(id)
      },
    }
    const { browser, play } = usual({ memory: shared })
    const back = await browser.goAway('home', 'anna', { returnTo: '/a' })
    const answer = await browser.open(back)
    expect(failureOf(answer)).toEqual({
      status: 503,
      reason: 'store-unavailable',
      requestId: 'request-1',
      provider: 'PLAY',
      retryAfter: 5,
    })
    expect([answer.cookies, play.completed]).toEqual([[], []])
    down = false
    expect(locationOf(await browser.open(back))).toBe(`${home}/a`)
  })

  it('that fails in another way is no business of the person', async () => {
    const memory: FlowMemory = {
      ...createFlowMemory(),
      use: async () => {
        throw new TypeError('a mistake of ours')
      },
    }
    const { browser } = usual({ memory })
    await expect(browser.open(await browser.goAway('home', 'anna'))).rejects.toThrow(TypeError)
  })
})
