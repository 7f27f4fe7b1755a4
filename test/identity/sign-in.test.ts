import { describe, expect, it } from 'vitest'
import { PosternError } from '../../src/errors.ts'
import type { Portal, RequestView, Verdict } from '../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  identityOf,
  keyB,
  locationOf,
  minute,
  portalOf,
  ScriptedProvider,
  usual,
  worldOf,
} from './harness.ts'

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

  it('fits into a cookie with the longest way back', async () => {
    const { browser } = usual()
    const { cookies } = await browser.open(`${home}${basePath}/start/PLAY?return=/${'x'.repeat(1999)}`)
    expect((cookies[0] as string).split(';', 1)[0]?.length).toBeLessThan(4096)
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

describe('a sign-in', () => {
  it('lands on the page first asked for, query and fragment included, signed in', async () => {
    const { browser, world } = usual()
    const answer = await browser.signIn('home', 'anna', { returnTo: '/a/b?c=d&e=%2Ff#g' })
    expect(answer.show).toEqual({ kind: 'redirect', to: `${home}/a/b?c=d&e=%2Ff#g` })
    expect(answer).toMatchObject({ provider: 'PLAY', account: 'anna@company.com' })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home'])
    expect(world.log.authentications.map(({ result, message, account }) => [result, message, account])).toEqual([
      ['Redirection', 'Redirection to PLAY for FIDO authentication.', undefined],
      ['Success', 'Redirection to PLAY for FIDO authentication.', 'anna@company.com'],
    ])
    expect(world.counts).toEqual(['PLAY Redirection', 'PLAY Success'])
  })

  it('without credentialsName is logged by the name of the provider', async () => {
    const { browser, world } = usual()
    await browser.signIn('mail', 'anna', { provider: 'OTHER' })
    expect(world.log.authentications[1]).toMatchObject({
      credentialType: 'OTHER',
      message: 'Redirection to OTHER for OTHER authentication.',
    })
  })

  it('completes with the exact redirect URI that was sent', async () => {
    const callback = `${home}/cas/login?client_name=PLAY`
    const { browser, play, home: portal } = usual({ home: { redirectUris: new Map([['PLAY', callback]]) } })
    const start = await browser.open(`${home}${basePath}/start/PLAY`)
    const to = new URL(locationOf(start))
    const query = `?client_name=PLAY&code=anna.${to.searchParams.get('nonce')}&state=${to.searchParams.get('state')}`
    await browser.open(`${home}${basePath}/callback/PLAY${query}`)
    expect(play.starts[0]?.callback).toBe(callback)
    expect(play.completed).toEqual([{ callback, query }])
    expect(accountOf(await browser.who(portal.name))).toBe('anna@company.com')
  })

  it('makes a new session each time and ends the old one (fixation)', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const first = browser.cookies(host)
    const { session: before } = await browser.who('home')
    await browser.signIn('home', 'anna')
    const { session: after } = await browser.who('home')
    expect(after?.id).not.toBe(before?.id)
    browser.take(host, first.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('as somebody else replaces who was there', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const first = browser.cookies(host)
    await browser.signIn('home', 'bert')
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
    browser.take(host, first.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('in two tabs at once succeeds in both', async () => {
    const { browser } = usual()
    const one = await browser.goAway('home', 'anna', { returnTo: '/one' })
    const two = await browser.goAway('home', 'anna', { returnTo: '/two' })
    expect(locationOf(await browser.open(one))).toBe(`${home}/one`)
    expect(locationOf(await browser.open(two))).toBe(`${home}/two`)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('at one portal signs in to that portal alone', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const session = browser.jar(host).get('__Host-postern-home') as string
    browser.jar('mail.company.com').set('__Host-postern-mail', session)
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect(browser.cookies('mail.company.com')).toBe('')
  })

  it('of two people, a thousand times in parallel, is never swapped (CVE-2014-8566, CVE-2021-35472)', async () => {
    const { world } = usual()
    const people = Array.from({ length: 1000 }, (_, i) => ({ name: i % 2 === 0 ? 'anna' : 'bert', browser: new Browser(world) }))
    await Promise.all(people.map(({ name, browser }) => browser.signIn('home', name)))
    const accounts = await Promise.all(
      people.map(async ({ name, browser }) => [name, accountOf(await browser.who('home')), accountOf(await browser.who('home'))]),
    )
    for (const [name, cold, warm] of accounts) expect([cold, warm]).toEqual([`${name}@company.com`, `${name}@company.com`])
    expect(new Set(people.map(({ browser }) => browser.cookies(host))).size).toBe(1000)
  })

  it('after the keys were changed begins afresh instead of going round', async () => {
    const before = usual()
    await before.browser.signIn('home', 'anna')
    const pending = await before.browser.goAway('home', 'anna')
    before.browser.world = worldOf([before.home, before.mail], { keys: [keyB], clock: before.world.clock })
    expect(failureOf(await before.browser.open(pending)).reason).toBe('sign-in-unknown')
    expect((await before.browser.who('home')).outcome.kind).toBe('absent')
    await before.browser.signIn('home', 'anna')
    expect(accountOf(await before.browser.who('home'))).toBe('anna@company.com')
  })

  it('keeps only the claims that are wanted, and lets the rules see no others', async () => {
    const seen: unknown[] = []
    const admit: Portal['admit'] = (identity) => {
      seen.push(identity.claims)
      return { allowed: true, reason: 'allowed', rule: '' }
    }
    const { browser, play } = usual({ claims: ['email'], home: { admit } })
    play.claims = { hd: 'company.com', sid: 'provider-session' }
    await browser.signIn('home', 'anna')
    expect((await browser.who('home')).session?.identity.claims).toEqual({ email: 'anna@company.com' })
    expect(seen).toEqual([{ email: 'anna@company.com' }])
  })

  it('ends when the provider says so', async () => {
    const { browser, play, world } = usual()
    play.endsAt = world.clock.now + 2 * minute
    await browser.signIn('home', 'anna')
    world.clock.pass(2 * minute)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})

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

describe('the rules at the callback', () => {
  const refusal: Verdict = { allowed: false, reason: 'rule-refused', rule: 'company-domain', message: 'Only for staff.' }

  it('refuse: no session, whoever was there before is gone, and the page says why', async () => {
    const { browser, world } = usual({
      home: { admit: (identity) => (identity.subject === 'bert' ? refusal : { ...refusal, allowed: true }) },
    })
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    const answer = await browser.signIn('home', 'bert', { returnTo: '/x' })
    expect(failureOf(answer)).toEqual({
      status: 403,
      reason: 'rule-refused',
      requestId: 'request-1',
      provider: 'PLAY',
      account: 'bert@company.com',
      message: 'Only for staff.',
      rule: 'company-domain',
      otherAccount: '/_postern/start/PLAY?return=%2Fx&as=other',
    })
    expect(browser.cookies(host)).toBe('')
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.log.authentications.at(-1)).toMatchObject({
      result: 'Failure',
      reason: 'rule-refused',
      account: 'bert@company.com',
    })
  })

  it('see the page the person will be sent to, not the callback', async () => {
    const seen: RequestView[] = []
    const admit: Portal['admit'] = (_, request) => {
      seen.push(request)
      return { ...refusal, allowed: true }
    }
    const { browser } = usual({ home: { admit } })
    await browser.signIn('home', 'anna', { returnTo: '/deep/page?x=1#y' })
    expect(seen).toMatchObject([{ method: 'GET', path: '/deep/page', query: '?x=1', host, clientAddress: '192.0.2.1' }])
    expect(seen[0]?.lines('x')).toEqual([])
  })

  it('that break let nobody in', async () => {
    const { browser } = usual({ home: { admit: () => Promise.reject(new Error('broken')) } })
    await expect(browser.signIn('home', 'anna')).rejects.toThrow('broken')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('a session too large is refused, and the log names the claim', async () => {
    const { browser, play, world } = usual()
    play.claims = { memberOf: 'g'.repeat(20_000) }
    const answer = await browser.signIn('home', 'anna')
    expect(failureOf(answer)).toMatchObject({ status: 403, reason: 'session-too-large', account: 'anna@company.com' })
    expect(world.log.authentications.at(-1)?.message).toContain('largest claim: "memberOf"')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})

describe('redirections nobody came back from', () => {
  it('are logged once, when their ten minutes end', async () => {
    const { browser, world } = usual()
    await browser.goAway('home', 'anna')
    world.signIn.sweep(world.clock.now + 10 * minute - 1)
    expect(world.log.authentications).toHaveLength(1)
    world.signIn.sweep(world.clock.now + 10 * minute)
    world.signIn.sweep(world.clock.now + 11 * minute)
    expect(world.log.authentications.slice(1)).toEqual([
      {
        id: 'request-1',
        result: 'Failure',
        credentialType: 'FIDO',
        provider: 'PLAY',
        portal: 'home',
        clientIp: '192.0.2.1',
        reason: 'Redirection timeout',
        message: 'Timing out without response from PLAY.',
      },
    ])
    expect(world.counts).toEqual(['PLAY Redirection', 'PLAY Failure'])
  })

  it('are not logged where somebody came back, even to be refused', async () => {
    const { browser, world, play } = usual()
    await browser.signIn('home', 'anna')
    play.outcome = { kind: 'rejected', reason: 'sign-in-denied', detail: 'cancelled' }
    await browser.signIn('home', 'anna')
    const lines = world.log.authentications.length
    world.signIn.sweep(world.clock.now + 20 * minute)
    expect(world.log.authentications).toHaveLength(lines)
  })
})

describe('who am I', () => {
  it('says who and until when, and never a token', async () => {
    const { browser, play, world } = usual()
    play.keep = { idToken: 'secret-token', sid: 's1' }
    await browser.signIn('home', 'anna')
    const answer = await browser.open(`${home}${basePath}/session`)
    if (answer.show.kind !== 'document') throw new Error('no document')
    expect(answer.show.type).toBe('application/json')
    const time = (at: number) => new Date(at).toISOString()
    expect(JSON.parse(answer.show.body)).toEqual({
      account: 'anna@company.com',
      provider: 'PLAY',
      groups: ['staff'],
      portal: 'home',
      authenticatedAt: time(identityOf('anna').authenticatedAt),
      idleUntil: time(world.clock.now + 30 * minute),
      endsAt: time(world.clock.now + 480 * minute),
    })
    expect(answer.show.body).not.toContain('secret-token')
  })

  it('does not extend the session', async () => {
    const { browser, world } = usual()
    await browser.signIn('home', 'anna')
    world.clock.pass(20 * minute)
    expect((await browser.open(`${home}${basePath}/session`)).cookies).toEqual([])
    world.clock.pass(10 * minute)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('is 401 for nobody, with a challenge and a way to sign in', async () => {
    const { browser } = usual()
    expect(failureOf(await browser.open(`${home}${basePath}/session`))).toMatchObject({
      status: 401,
      reason: 'sign-in-needed',
      challenge: 'Bearer realm="home"',
      signIn: '/_postern/login?return=%2F',
    })
  })

  it('is the refusal itself where a credential is refused', async () => {
    const bad = {
      name: 'H',
      protocol: 'WEBSEAL',
      label: 'H',
      recognize: () => ({ kind: 'rejected', reason: 'wrong-junction-password', detail: 'x' }) as const,
    }
    const down = { name: 'H', protocol: 'WEBSEAL', label: 'H', recognize: () => ({ kind: 'unavailable', detail: 'x' }) as const }
    for (const [provider, status] of [
      [bad, 403],
      [down, 503],
    ] as const) {
      expect(
        failureOf(await new Browser(worldOf([portalOf('home', [provider])])).open(`${home}${basePath}/session`)).status,
      ).toBe(status)
    }
  })

  it('takes GET and HEAD only', async () => {
    for (const path of ['session', 'login', 'signed-out']) {
      expect(failureOf(await usual().browser.open(`${home}${basePath}/${path}`, { method: 'POST' })).status).toBe(405)
    }
  })
})
