import { describe, expect, it } from 'vitest'
import type { Answer, AuthOutcome, Provider } from '../../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  identityOf,
  locationOf,
  portalOf,
  type RequestParts,
  ScriptedProvider,
  usual,
  worldOf,
} from '../harness.ts'

const home = 'https://home.company.com'
const logout = `${home}${basePath}/logout`
const host = 'home.company.com'

function pageOf(answer: Answer) {
  if (answer.show.kind !== 'page' || answer.show.page.name !== 'confirm-sign-out')
    throw new Error(`no confirm page but ${JSON.stringify(answer.show)}`)
  return answer.show.page
}

describe('signing out', () => {
  it.each(['GET', 'POST'])(
    'by %s ends the session, deletes the cookie, and says where the person is signed in still',
    async (method) => {
      const { browser, world } = usual()
      await browser.signIn('home', 'anna')
      const before = browser.cookies(host)
      const answer = await browser.open(logout, { method })
      expect(answer).toMatchObject({
        show: { kind: 'redirect', to: `${home}/_postern/signed-out?still=PLAY` },
        provider: 'PLAY',
        account: 'anna@company.com',
      })
      expect(browser.cookies(host)).toBe('')
      browser.take(host, before.split('; '))
      expect((await browser.who('home')).outcome.kind).toBe('absent')
      expect(world.log.audits).toMatchObject([{ msg: 'signed out', fields: { account: 'anna@company.com', portal: 'home' } }])
    },
  )

  it('goes to the provider and comes back to the signed-out page', async () => {
    const { browser, play } = usual()
    play.keep = { idToken: 'x' }
    const ended: URL[] = []
    Object.assign(play.login, {
      end: async (session: { keep?: unknown }, returnTo: URL) => {
        ended.push(returnTo)
        return { kind: 'redirect', to: `https://idp.company.com/end?hint=${JSON.stringify(session.keep)}` }
      },
    })
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(logout))).toBe('https://idp.company.com/end?hint={"idToken":"x"}')
    expect(ended.map(String)).toEqual([`${home}/_postern/signed-out`])
  })

  it('stays here with scope=local, and where the provider cannot be asked', async () => {
    const { browser, play, world } = usual()
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end' }
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(`${logout}?scope=local`))).toBe(`${home}/_postern/signed-out?still=PLAY`)
    expect(play.ended).toEqual([])
    Object.assign(play.login, { end: () => Promise.reject(new Error('down')) })
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(logout))).toBe(`${home}/_postern/signed-out?still=PLAY`)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.log.servers).toHaveLength(1)
  })

  it('signs out of every portal of the same provider session, and of no other', async () => {
    const { browser, play, world } = usual()
    play.keep = { sid: 's1' }
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    play.keep = { sid: 's2' }
    const elsewhere = new Browser(world)
    await elsewhere.signIn('mail', 'anna')
    world.clock.pass(1000)
    await browser.open(logout)
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect([...browser.jar('mail.company.com').keys()]).toEqual(['__Host-postern-mail.last'])
    expect(accountOf(await elsewhere.who('mail'))).toBe('anna@company.com')
  })

  it('does not stop the same provider session from signing in again', async () => {
    const { browser, play, world } = usual()
    play.keep = { sid: 's1' }
    await browser.signIn('home', 'anna')
    await browser.open(`${logout}?scope=local`)
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('holds over a reload', async () => {
    const { browser, world, home: portal, mail } = usual()
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    await browser.open(logout)
    browser.take(host, before.split('; '))
    browser.world = worldOf([portal, mail], { revocations: world.revocations, clock: world.clock })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('deletes the cookies of portals on the same origin that end with it', async () => {
    const play = new ScriptedProvider('PLAY')
    const under = portalOf('a', [play], { origin: home, path: '/a' })
    const browser = new Browser(worldOf([portalOf('home', [play]), under]))
    await browser.signIn('home', 'anna', { returnTo: '/' })
    await browser.signIn('home', 'anna', { returnTo: '/a' })
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home', '__Host-postern-a'])
    await browser.open(logout)
    expect(browser.cookies(host)).toBe('')
  })

  it('of nobody is the signed-out page, and clears what does not open', async () => {
    const { browser } = usual()
    browser.jar(host).set('__Host-postern-home', 'rubbish')
    expect(locationOf(await browser.open(logout))).toBe(`${home}/_postern/signed-out`)
    expect(browser.cookies(host)).toBe('')
  })

  it('works where the provider left the configuration', async () => {
    const { browser, world, play } = usual()
    await browser.signIn('home', 'anna')
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end' }
    browser.world = worldOf([portalOf('home', [])], { clock: world.clock })
    expect(locationOf(await browser.open(logout))).toBe(`${home}/_postern/signed-out?still=PLAY`)
    expect(browser.cookies(host)).toBe('')
  })

  it.each([{ method: 'HEAD' }, { method: 'PUT' }, { headers: { 'sec-purpose': 'prefetch' } }])(
    'is not done by %j',
    async (parts) => {
      const { browser } = usual()
      await browser.signIn('home', 'anna')
      expect((await browser.open(logout, parts as RequestParts)).status).toBeGreaterThanOrEqual(400)
      expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    },
  )
})

describe('a sign-out that another site asks for', () => {
  const foreign: readonly RequestParts[] = [
    { headers: { 'sec-fetch-site': 'cross-site' } },
    { headers: { 'sec-fetch-site': ['same-origin', 'cross-site'] } },
    { headers: { origin: 'https://evil.com' } },
    { headers: { origin: 'null' } },
    { headers: { origin: 'https://home.company.com.evil.com' } },
    { headers: { referer: 'https://evil.com/home.company.com' } },
    { headers: { referer: 'nonsense' } },
    { method: 'POST', headers: { 'sec-fetch-site': 'cross-site', origin: home } },
  ]

  it.each(foreign)('is only asked about: %j', async (parts) => {
    const { browser, play } = usual()
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end?x' }
    await browser.signIn('home', 'anna')
    const page = pageOf(await browser.open(logout, parts))
    expect(page).toMatchObject({
      account: 'anna@company.com',
      formTargets: ['https://idp.company.com'],
      action: expect.stringMatching(/^\/_postern\/logout\?confirm=ey/),
    })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it.each([
    { headers: { 'sec-fetch-site': 'same-origin', origin: 'null' } },
    { headers: { 'sec-fetch-site': 'same-site', referer: 'https://mail.company.com/' } },
    { headers: { 'sec-fetch-site': 'none' } },
    { headers: { origin: home } },
    { headers: { referer: `${home}/page` } },
    {},
  ] as readonly RequestParts[])('is not this one: %j', async (parts) => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(logout, parts))).toContain('/signed-out')
  })

  it('is done when the page is confirmed, by a browser that hides where it comes from too', async () => {
    const { browser, play } = usual()
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end' }
    await browser.signIn('home', 'anna')
    const page = pageOf(await browser.open(`${logout}?scope=local`, { headers: { 'sec-fetch-site': 'cross-site' } }))
    const answer = await browser.open(home + page.action, { method: 'POST', headers: { origin: 'null' } })
    expect(locationOf(answer)).toBe(`${home}/_postern/signed-out?still=PLAY`)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('is not done by a confirmation for another session, nor by a link with one', async () => {
    const { browser, world } = usual()
    const mallory = new Browser(world)
    await mallory.signIn('home', 'mallory')
    await browser.signIn('home', 'anna')
    const crossSite = { headers: { 'sec-fetch-site': 'cross-site' } }
    const stolen = home + pageOf(await mallory.open(logout, crossSite)).action
    pageOf(await browser.open(stolen, { ...crossSite, method: 'POST' }))
    const own = home + pageOf(await browser.open(logout, crossSite)).action
    pageOf(await browser.open(own, crossSite))
    pageOf(await browser.open(`${logout}?confirm=x`, { ...crossSite, method: 'POST' }))
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('is done at once at /pkmslogout, as portals expect', async () => {
    const { browser } = usual({ home: { compat: 'webseal' } })
    await browser.signIn('home', 'anna')
    expect(locationOf(await browser.open(`${home}/pkmslogout`, { headers: { 'sec-fetch-site': 'cross-site' } }))).toContain(
      '/signed-out',
    )
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})

describe('signing out of a credential that travels', () => {
  const webseal = (extra: Partial<Provider> = {}): Provider => ({
    name: 'webseal',
    protocol: 'WEBSEAL',
    label: 'webseal',
    recognize: (request): AuthOutcome => {
      const [who] = request.lines('iv-user')
      return who === undefined
        ? { kind: 'absent' }
        : { kind: 'identified', identity: identityOf(who, { provider: 'webseal', issuer: 'webseal:webseal' }) }
    },
    logoutUrl: '/pkmslogout',
    ...extra,
  })
  const anna = { headers: { 'iv-user': 'anna' } }

  it('goes where its source signs people out', async () => {
    const browser = new Browser(worldOf([portalOf('home', [webseal()])]))
    expect(locationOf(await browser.open(logout, anna))).toBe('/pkmslogout')
  })

  it('does not go round in a circle', async () => {
    const browser = new Browser(worldOf([portalOf('home', [webseal()], { compat: 'webseal' })]))
    expect(locationOf(await browser.open(`${home}/pkmslogout`, anna))).toBe(`${home}/_postern/signed-out`)
    const { logoutUrl: _, ...without } = webseal()
    expect(locationOf(await new Browser(worldOf([portalOf('home', [without])])).open(logout, anna))).toBe(
      `${home}/_postern/signed-out`,
    )
  })

  it('asks first when another site wants it', async () => {
    const browser = new Browser(worldOf([portalOf('home', [webseal()])]))
    const page = pageOf(await browser.open(logout, { headers: { 'iv-user': 'anna', 'sec-fetch-site': 'cross-site' } }))
    expect(page).toEqual({ name: 'confirm-sign-out', action: '/_postern/logout', formTargets: [], account: 'anna@company.com' })
  })

  it('ends the session beside it too', async () => {
    const play = new ScriptedProvider('PLAY')
    const browser = new Browser(worldOf([portalOf('home', [webseal(), play])]))
    await browser.signIn('home', 'bert')
    const before = browser.cookies(host)
    expect(locationOf(await browser.open(logout, anna))).toBe('/pkmslogout')
    expect(browser.cookies(host)).toBe('')
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})

describe('the signed-out page', () => {
  it('offers to sign in again, and names a provider only if it is one of the portal', async () => {
    const { browser } = usual()
    const page = async (query: string) => (await browser.open(`${home}${basePath}/signed-out${query}`)).show
    expect(await page('')).toEqual({ kind: 'page', page: { name: 'signed-out', signInAgain: '/_postern/login?return=%2F' } })
    expect(await page('?still=PLAY')).toMatchObject({ page: { stillSignedInAt: 'PLAY label' } })
    expect(await page('?still=%3Cscript%3E')).toEqual(await page(''))
  })

  it('leads to the portal where nobody signs in here', async () => {
    const browser = new Browser(worldOf([portalOf('home', [])]))
    expect((await browser.open(`${home}${basePath}/signed-out`)).show).toMatchObject({ page: { signInAgain: '/' } })
  })
})
