// Sign-ins and kept forms that begin at one replica and end at another; and what may not be taken over from one session to the next.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type Pair, type RoutedVisitor, startPair, visitorOf } from '../support/pair.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import type { LoadOptions, Page } from '../support/visitor.ts'

const minute = 60_000
const hour = 60 * minute
const urlEncoded = 'application/x-www-form-urlencoded'

describe.skipIf(findRedis() === undefined)('two replicas', () => {
  let redis: RedisServer
  let provider: IdentityProvider
  let portal: MirrorPortal
  let pair: Pair
  let port: number
  let issuer: string

  const configuration = (factorClient = 'factor'): string => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], store: "${redis.url}", idle: 30m }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${issuer}", clientId: postern, clientSecret: s3cret }
  - { name: FIDO, protocol: OIDC, issuer: "${issuer}", clientId: ${factorClient}, clientSecret: s3cret }
portals:
  - name: home
    host: home.localhost
    upstream: "${portal.url}"
    headers: { iv-user: account }
    providers: [PLAY, { name: FIDO, after: PLAY, when: '$substring(request.path, 0, 6) = "/vault"' }]
    routes: [{ path: /bank/**, reauthenticate: 5m }, { path: /**, access: authenticated }]
`
  beforeAll(async () => {
    redis = await startRedis()
    portal = await startMirrorPortal()
    const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
    await place.close()
    issuer = place.origin
    pair = await startPair((given) => {
      port = given
      return configuration()
    })
    const callback = (name: string) => [`${pair.home}/_postern/callback/${name}`]
    provider = await startIdentityProvider({
      port: place.port,
      clients: [
        { client_id: 'postern', client_secret: 's3cret', redirect_uris: callback('PLAY') },
        { client_id: 'factor', client_secret: 's3cret', redirect_uris: callback('FIDO') },
        { client_id: 'other-factor', client_secret: 's3cret', redirect_uris: callback('FIDO') },
      ],
      accounts: { anna: { claims: { email: 'anna@company.com' } }, bert: { claims: { email: 'bert@company.com' } } },
    })
  })
  afterAll(async () => {
    await pair?.stop()
    await Promise.all([provider, portal, redis].map((one) => one?.close()))
  })
  beforeEach(() => void portal.seen.splice(0))

  const form = (body: string): LoadOptions => ({
    method: 'POST',
    body,
    headers: { 'Content-Type': urlEncoded, Origin: pair.home, 'Sec-Fetch-Site': 'same-origin' },
  })
  /** Away at one replica, back at the other. */
  async function signIn(browser: RoutedVisitor, path = '/', account = 'anna', [away, back] = [0, 1]): Promise<Page> {
    const left = await browser.follow(away as number, path)
    return browser.follow(back as number, await provider.signIn(left.location ?? '', account))
  }
  const tokensAsked = (): number => provider.asked.filter((path) => path.startsWith('/token')).length
  const posts = () => portal.seen.filter(({ method }) => method === 'POST')

  it('take up what the other one began, once', async () => {
    const browser = visitorOf(pair)
    const left = await browser.follow(0, '/a?b=c')
    const back = await provider.signIn(left.location ?? '', 'anna')
    const jar = browser.visitor.jar.get('home.localhost') as Map<string, string>
    const before = new Map(jar)
    const asked = tokensAsked()
    expect((await browser.load(1, back)).location).toBe(`${pair.home}/a?b=c`)
    expect((await browser.load(0, '/', { xhr: true })).status).toBe(200)
    for (const replica of [0, 1]) {
      jar.clear()
      for (const [name, value] of before) jar.set(name, value)
      const again = await browser.load(replica, back)
      expect([again.status, again.body.includes('already used')]).toEqual([400, true])
    }
    expect(tokensAsked()).toBe(asked + 1)
  })

  it('take it up once also where both are asked at the same time', async () => {
    const browser = visitorOf(pair)
    const left = await browser.follow(0, '/')
    const back = await provider.signIn(left.location ?? '', 'anna')
    const cookie = browser.visitor.cookieHeader(pair.home)
    const asked = tokensAsked()
    const answers = await Promise.all(
      [0, 1, 0, 1].map((replica) => visitorOf(pair).load(replica, back, { headers: { Cookie: cookie } })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 400, 400, 400])
    expect(tokensAsked()).toBe(asked + 1)
  })

  /** Where what was typed is kept, by the way to the sign-in. */
  const sendOut = (browser: RoutedVisitor, replica: number, path: string) => browser.load(replica, path, form('text=hello'))

  it('give back at one what was typed at the other, once', async () => {
    const browser = visitorOf(pair)
    await signIn(browser)
    pair.pass(hour)
    const sent = await sendOut(browser, 0, '/notes')
    expect(sent.location).toMatch(/&kept=[0-9A-Za-z_-]{21}$/)
    const left = await browser.follow(1, sent.location ?? '')
    const back = await browser.load(0, await provider.signIn(left.location ?? '', 'anna'))
    const jar = new Map(browser.visitor.jar.get('home.localhost'))
    const page = await browser.load(1, back.location ?? '')
    expect(page.body).toContain('name="text" value="hello"')
    await browser.load(1, '/notes', form('text=hello'))
    expect(posts().map((seen) => [seen.body, valuesOf(seen, 'iv-user')])).toEqual([['text=hello', ['anna@company.com']]])
    browser.visitor.jar.set('home.localhost', jar)
    for (const replica of [0, 1]) expect((await browser.load(replica, back.location ?? '')).status).toBe(400)
  })

  it('keep nothing for somebody whom they cannot tell from another while Redis is gone', async () => {
    const browser = visitorOf(pair)
    await signIn(browser)
    pair.pass(4000)
    expect((await browser.load(0, '/')).status).toBe(200)
    pair.pass(5 * minute - 4000)
    await redis.kill()
    const sent = await sendOut(browser, 0, '/bank/transfer')
    expect([sent.status, sent.setCookies]).toEqual([503, []])
    await redis.start()
    while ((await browser.load(0, '/')).status === 503 || (await browser.load(1, '/')).status === 503);
  })

  it('show what was typed to no session that would not do for it, and to the next one of the same person', async () => {
    const browser = visitorOf(pair)
    pair.now()
    await signIn(browser)
    pair.pass(6 * minute)
    const sent = await sendOut(browser, 0, '/bank/transfer')
    const slot = new URL(sent.location ?? '', pair.home).searchParams.get('kept')
    const jar = new Map(browser.visitor.jar.get('home.localhost'))
    const early = await browser.load(1, `/_postern/resume/${slot}?return=%2Fbank%2Ftransfer`)
    expect([early.status, early.body.includes('hello')]).toEqual([400, false])

    browser.visitor.jar.set('home.localhost', jar)
    const again = await sendOut(browser, 0, '/bank/transfer')
    pair.now()
    const left = await browser.follow(0, again.location ?? '')
    const page = await browser.follow(1, await provider.signIn(left.location ?? '', 'anna'))
    expect([page.status, page.body.includes('name="text" value="hello"')]).toEqual([200, true])
  })

  it('ask for a second factor again where its provider is another one under the same name', async () => {
    const browser = visitorOf(pair)
    await signIn(browser)
    expect((await signIn(browser, '/vault')).status).toBe(200)
    expect((await browser.load(0, '/vault')).status).toBe(200)
    for (const replica of pair.replicas) expect(await replica.reconfigure(configuration('other-factor'))).toBe(true)
    expect((await browser.load(1, '/')).status).toBe(200)
    expect((await browser.load(1, '/vault')).location).toContain('/_postern/start/FIDO?return=%2Fvault')
    expect((await signIn(browser, '/vault')).status).toBe(200)
    for (const replica of pair.replicas) expect(await replica.reconfigure(configuration())).toBe(true)
    expect((await browser.load(0, '/vault')).status).toBe(200)
  })
})
