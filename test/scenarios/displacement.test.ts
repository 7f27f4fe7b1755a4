// A limit of sessions over two replicas and one Redis: who is asked, who is out afterwards, and that nobody gets past it.
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type Loopback, listenOnLoopback } from '../support/loopback.ts'
import { type Pair, type RoutedVisitor, startPair, visitorOf } from '../support/pair.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import type { Page } from '../support/visitor.ts'

const hour = 3_600_000

describe.skipIf(findRedis() === undefined)('a limit of sessions', () => {
  let redis: RedisServer
  let provider: IdentityProvider
  let portal: Loopback
  let elsewhere: Loopback
  let pair: Pair
  let issuer: string

  beforeAll(async () => {
    redis = await startRedis()
    elsewhere = await listenOnLoopback((_, response) => void response.end('<title>Elsewhere</title>'))
    portal = await listenOnLoopback((request, response) => {
      if (request.url === '/away') return void response.writeHead(302, { Location: `${elsewhere.origin}/` }).end()
      response.writeHead(200, { 'Content-Type': 'text/html' })
      response.end(`<title>Portal</title><p>${request.headers['iv-user'] ?? 'nobody'}`)
    })
    const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
    await place.close()
    issuer = place.origin
    await start('displace')
  })
  afterAll(async () => {
    await pair?.stop()
    await Promise.all([provider, portal, elsewhere, redis].map((one) => one?.close()))
  })
  afterEach(() => pair.pass(9 * hour))

  const configuration = (port: number, onLimit: string): string => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], store: "${redis.url}", staleness: 1s, maxPerUser: 1, onLimit: ${onLimit} }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.origin}", providers: [PLAY], headers: { iv-user: account } }
`
  async function start(onLimit: string): Promise<void> {
    pair = await startPair((port) => configuration(port, onLimit))
    provider = await startIdentityProvider({
      port: Number(new URL(issuer).port),
      clients: [{ client_id: 'postern', client_secret: 's3cret', redirect_uris: [`${pair.home}/_postern/callback/PLAY`] }],
      accounts: { anna: { claims: { email: 'anna@company.com' } } },
    })
  }
  /** To whatever comes after the sign-in. */
  async function signIn(browser: RoutedVisitor, replica: number, path = '/'): Promise<Page> {
    const away = await browser.follow(replica, path)
    return browser.follow(replica, await provider.signIn(away.location ?? '', 'anna'))
  }
  const isIn = async (browser: RoutedVisitor, replica: number): Promise<boolean> =>
    (await browser.load(replica, '/', { xhr: true })).status === 200
  const actions = ({ body }: Page): readonly string[] =>
    [...body.matchAll(/<form method="post" action="([^"]*)"/g)].map(([, action = '']) => action.replaceAll('&amp;', '&'))
  const answer = (browser: RoutedVisitor, replica: number, action: string): Promise<Page> =>
    browser.load(replica, action, { method: 'POST', headers: { Origin: pair.home, 'Sec-Fetch-Site': 'same-origin' } })

  it('asks at one replica of a session at the other, ends it, and it is out everywhere', async () => {
    const [old, fresh] = [visitorOf(pair), visitorOf(pair)]
    expect((await signIn(old, 0)).status).toBe(200)
    pair.pass(1000)
    const question = await signIn(fresh, 1, '/a?b=c')
    expect(question.url).toContain('/_postern/displace?return=%2Fa%3Fb%3Dc')
    expect(question.body).toContain('You are signed in at one other place.')
    expect([await isIn(old, 0), await isIn(old, 1), await isIn(fresh, 0), await isIn(fresh, 1)]).toEqual([
      true,
      true,
      false,
      false,
    ])
    pair.pass(2000)
    const done = await answer(fresh, 0, actions(question)[0] as string)
    expect(done.headers['refresh']).toBe(`0; url=${pair.home}/a?b=c`)
    pair.pass(2000)
    expect([await isIn(fresh, 0), await isIn(fresh, 1), await isIn(old, 0), await isIn(old, 1)]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('leaves everything as it was where the person would rather not', async () => {
    const [old, fresh] = [visitorOf(pair), visitorOf(pair)]
    await signIn(old, 0)
    const [goOn, cancel] = actions(await signIn(fresh, 1)) as [string, string]
    expect((await answer(fresh, 0, cancel)).location).toBe(`${pair.home}/_postern/signed-out?still=PLAY`)
    pair.pass(2000)
    expect((await answer(fresh, 1, goOn)).status).toBe(400)
    expect([await isIn(old, 0), await isIn(fresh, 1)]).toEqual([true, false])
  })

  it('is passed by nobody, however many say yes at the same time at both', async () => {
    const old = visitorOf(pair)
    await signIn(old, 0)
    pair.pass(1000)
    const browsers = Array.from({ length: 6 }, () => visitorOf(pair))
    const questions: Page[] = []
    for (const [i, browser] of browsers.entries()) questions.push(await signIn(browser, i % 2))
    pair.pass(2000)
    const answers = await Promise.all(
      browsers.map((browser, i) => answer(browser, i % 2, actions(questions[i] as Page)[0] as string)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ location }) => location?.startsWith(`${pair.home}/_postern/displace?`))).toHaveLength(5)
    pair.pass(2000)
    const inside = await Promise.all([old, ...browsers].map((browser, i) => isIn(browser, i % 2)))
    expect(inside.filter(Boolean)).toHaveLength(1)
    expect(inside[0]).toBe(false)
  })

  it('tells whoever comes back while Redis is gone to try again, and the same address then works', async () => {
    const browser = visitorOf(pair)
    const away = await browser.follow(0, '/')
    const back = await provider.signIn(away.location ?? '', 'anna')
    const asked = provider.asked.length
    await redis.kill()
    const down = await browser.load(1, back)
    expect([down.status, down.headers['retry-after']]).toEqual([503, '5'])
    expect(down.body).toContain('href=""')
    expect(provider.asked).toHaveLength(asked)
    await redis.start()
    let page = await browser.load(1, back)
    while (page.status === 503) page = await browser.load(1, back) // until the connection is back
    expect(page.location).toBe(`${pair.home}/`)
    expect(await isIn(browser, 0)).toBe(true)
  })

  describe('in Chromium', () => {
    let chromium: Browser
    beforeAll(async () => {
      chromium = await launchBrowser()
    })
    afterAll(() => chromium?.close())

    it.each(['/', '/away'])(
      'one click leads on to %s, even where the portal sends the person to another origin',
      async (path) => {
        const old = visitorOf(pair)
        await signIn(old, 0)
        const context = await chromium.newContext()
        const page = await context.newPage()
        const complaints: string[] = []
        page.on('console', (line) => void (/Content.Security/i.test(line.text()) && complaints.push(line.text())))
        await page.goto(`${pair.home}${path}`)
        await page.fill('[name=user]', 'anna')
        await page.fill('[name=password]', 'any')
        await page.click('button')
        await page.waitForURL(/displace/)
        pair.pass(2000)
        await page.getByRole('button', { name: 'End that session and go on here' }).click()
        await page.waitForURL(path === '/' ? `${pair.home}/` : `${elsewhere.origin}/`)
        pair.pass(2000)
        expect([complaints, await isIn(old, 0)]).toEqual([[], false])
        await context.close()
      },
    )
  })

  it('that refuses says since when, and the others stay', async () => {
    await Promise.all([pair.stop(), provider.close(), redis.close()])
    redis = await startRedis()
    await start('refuse')
    const [old, fresh] = [visitorOf(pair), visitorOf(pair)]
    await signIn(old, 0)
    const refused = await signIn(fresh, 1)
    expect(refused.status).toBe(403)
    expect(refused.body).toContain('Sign out at one of them, then try again.')
    expect(refused.body).toMatch(/Signed in elsewhere since<\/dt><dd><time datetime="/)
    expect([await isIn(old, 0), await isIn(old, 1), await isIn(fresh, 1)]).toEqual([true, true, false])
    expect((await signIn(old, 1, '/_postern/start/PLAY?return=%2F')).status).toBe(200)
  })
})
