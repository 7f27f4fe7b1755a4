import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { accountOf, Browser, basePath, failureOf, locationOf, portalOf, ScriptedProvider, usual, worldOf } from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'
const isDeletion = (cookie: string) => cookie.includes('Max-Age=0')
const namesOf = (cookies: readonly string[]) => cookies.map((cookie) => cookie.split('=', 1)[0])

describe('the chooser', () => {
  it('offers every provider with a sign-in, in the order of the portal, and takes the way back along', async () => {
    const down = new ScriptedProvider('DOWN')
    const trouble = Object.assign(down, {
      status: () => ({ state: 'unavailable' as const, detail: 'connect ECONNREFUSED 10.0.0.1' }),
    })
    const world = worldOf([
      portalOf('home', [
        new ScriptedProvider('B c/d'),
        { name: 'H', protocol: 'WEBSEAL', label: 'H', recognize: () => ({ kind: 'absent' }) },
        trouble,
      ]),
    ])
    const answer = await new Browser(world).open(`${home}${basePath}/login?return=%2Fa%3Fb%3D1%26c`)
    expect(answer.show).toEqual({
      kind: 'page',
      page: {
        name: 'chooser',
        returnTo: '/a?b=1&c',
        choices: [
          { label: 'B c/d label', href: '/_postern/start/B%20c%2Fd?return=%2Fa%3Fb%3D1%26c', isDefault: false },
          {
            label: 'DOWN label',
            href: '/_postern/start/DOWN?return=%2Fa%3Fb%3D1%26c',
            isDefault: false,
            trouble: expect.not.stringContaining('ECONN'),
          },
        ],
      },
    })
  })

  it('goes straight on where there is one provider or a default, unless the page is asked for', async () => {
    const one = usual()
    expect(locationOf(await one.browser.open(`${home}${basePath}/login?return=/a`))).toBe('/_postern/start/PLAY?return=%2Fa')
    const two = usual({ mail: { defaultProvider: 'OTHER' } })
    expect(locationOf(await two.browser.open('https://mail.company.com/_postern/login'))).toBe('/_postern/start/OTHER?return=%2F')
    const page = await two.browser.open('https://mail.company.com/_postern/login?choose=1')
    expect(page.show).toMatchObject({ page: { choices: [{ isDefault: false }, { isDefault: true }] } })
    expect((await usual().browser.open('https://mail.company.com/_postern/login')).show.kind).toBe('page')
  })

  it('never carries a foreign way back', async () => {
    expect(locationOf(await usual().browser.open(`${home}${basePath}/login?return=//evil.com`))).toBe(
      '/_postern/start/PLAY?return=%2F',
    )
  })

  it('refuses where nobody can sign in', async () => {
    const world = worldOf([portalOf('home', [])])
    expect(failureOf(await new Browser(world).open(`${home}${basePath}/login`)).reason).toBe('sign-in-needed')
  })
})

describe('start', () => {
  it('sends the person to the provider with a sealed state, keeps one flow cookie, writes one line', async () => {
    const { browser, play, world } = usual()
    const answer = await browser.open(`${home}${basePath}/start/PLAY?return=%2Fa`)
    expect(locationOf(answer)).toMatch(/^https:\/\/idp\.company\.com\/authorize\?/)
    expect(play.starts).toEqual([{ state: expect.stringMatching(/^ey/), callback: `${home}${basePath}/callback/PLAY` }])
    expect(answer.cookies).toEqual([
      expect.stringMatching(
        /^__Host-postern-home\.f[0-9a-z]{9}[\w-]{12}=ey[^;]*; Path=\/; HttpOnly; Secure; SameSite=Lax; Max-Age=600$/,
      ),
    ])
    expect(world.log.authentications).toEqual([
      {
        id: 'request-1',
        result: 'Redirection',
        credentialType: 'FIDO',
        provider: 'PLAY',
        portal: 'home',
        clientIp: '192.0.2.1',
        message: 'Redirection to PLAY for FIDO authentication.',
      },
    ])
    expect(world.counts).toEqual(['PLAY Redirection'])
  })

  it('keeps the flow cookie Lax where the session cookie is None: the callback comes from another site', async () => {
    const { browser } = usual({
      home: {
        session: {
          audience: 'home',
          cookieName: 'c',
          idle: 1e6,
          lifetime: 1e6,
          idleRequiresSignIn: false,
          cookieAttributes: 'Path=/; SameSite=None; Secure; HttpOnly',
        },
      },
    })
    const { cookies } = await browser.open(`${home}${basePath}/start/PLAY`)
    expect(cookies[0]).toMatch(/; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/)
  })

  it('keeps the five newest flows and deletes the older, and no cookie of the portal itself', async () => {
    const { browser, world } = usual()
    browser.jar(host).set('__Host-postern-home.fancy', 'of the portal')
    for (let i = 0; i < 8; i++) {
      world.clock.pass(1000)
      await browser.open(`${home}${basePath}/start/PLAY`)
    }
    const names = [...browser.jar(host).keys()]
    expect(names).toHaveLength(6)
    expect(names).toContain('__Host-postern-home.fancy')
  })

  it('fits into a cookie with the longest way back, and with one that is too long', async () => {
    const { browser } = usual()
    for (const length of [1999, 5000]) {
      const { cookies } = await browser.open(`${home}${basePath}/start/PLAY?return=/${'x'.repeat(length)}`)
      expect((cookies[0] as string).split(';', 1)[0]?.length).toBeLessThan(4096)
    }
  })

  it.each(['POST', 'HEAD', 'PUT'])('takes no %s', async (method) => {
    const { browser } = usual()
    const answer = await browser.open(`${home}${basePath}/start/PLAY`, { method })
    expect([failureOf(answer).status, answer.cookies]).toEqual([405, []])
  })

  it.each([
    { 'sec-purpose': 'prefetch' },
    { 'sec-purpose': 'prefetch;prerender' },
    { purpose: 'prefetch' },
    { 'x-moz': 'prefetch' },
  ])('begins nothing for a prefetch: %j', async (headers) => {
    const { browser, play } = usual()
    const answer = await browser.open(`${home}${basePath}/start/PLAY`, { headers: headers as never })
    expect([failureOf(answer).status, answer.cookies, play.starts]).toEqual([401, [], []])
  })

  it('knows only the providers of the portal', async () => {
    const { browser } = usual()
    for (const name of ['OTHER', 'play', 'X', '', '__proto__'])
      expect(failureOf(await browser.open(`${home}${basePath}/start/${name}`)).status).toBe(404)
  })

  it('takes no prompt, scope or redirect URI from the query (third-party initiated sign-in)', async () => {
    const { browser, play } = usual()
    await browser.open(
      `${home}${basePath}/start/PLAY?prompt=none&scope=admin&redirect_uri=https://evil.com&max_age=0&acr=x&login_hint=x&state=x`,
    )
    expect(Object.keys(play.starts[0] ?? {})).toEqual(['state', 'callback'])
  })

  it('goes to the host of publicUrl first, with the same path and query, and only once', async () => {
    const { browser } = usual()
    const address = { host: 'other.company.com' }
    const to = locationOf(await browser.open(`${home}${basePath}/start/PLAY?return=%2Fa`, address))
    expect(to).toBe(`${home}${basePath}/start/PLAY?return=%2Fa&home=1`)
    expect(locationOf(await browser.open(to, address))).toMatch(/^https:\/\/idp/)
  })

  it('says so where the provider cannot be reached, offers the others, and keeps nothing', async () => {
    const { browser, play, world } = usual()
    play.beginError = new PosternError('provider-unavailable', 'connect ECONNREFUSED', { retryAfter: 7 })
    const answer = await browser.open('https://mail.company.com/_postern/start/PLAY?return=/a')
    expect(failureOf(answer)).toMatchObject({
      status: 503,
      retryAfter: 7,
      signIn: '/_postern/start/PLAY?return=%2Fa',
      choices: [{ label: 'OTHER label', href: '/_postern/start/OTHER?return=%2Fa' }],
    })
    expect(answer.cookies).toEqual([])
    expect(world.log.authentications).toMatchObject([{ result: 'Failure', reason: 'provider-unavailable' }])
    expect(world.counts).toEqual(['PLAY Failure'])
  })

  it('as somebody else ends the session here and has the provider ask', async () => {
    const { browser, play } = usual()
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    const answer = await browser.open(`${home}${basePath}/start/PLAY?return=/a&as=other`)
    expect(play.starts.at(-1)?.prompt).toBe('login')
    expect(namesOf(answer.cookies.filter(isDeletion))).toEqual(['__Host-postern-home'])
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('as somebody else does not end it for a link on another site', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    await browser.open(`${home}${basePath}/start/PLAY?as=other`, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })
})
