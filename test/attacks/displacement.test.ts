// Somebody who waits to be asked holds a sign-in that opens nothing yet, tokens of the provider among it. Whoever answers the question
// twice, at two replicas, from two tabs or from another site, must not get two sessions of one sign-in out of it: two sessions with one
// refresh token are taken for theft by a provider that rotates, which then ends everything that came of the sign-in.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type Pair, type RoutedVisitor, startPair, visitorOf } from '../support/pair.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import type { LoadOptions, Page } from '../support/visitor.ts'

const minute = 60_000
const displacing = '/_postern/displace?return=%2F'

describe.skipIf(findRedis() === undefined)('the question whether an older session shall end', () => {
  let redis: RedisServer
  let idp: IdentityProvider
  let portal: MirrorPortal
  let pair: Pair

  beforeAll(async () => {
    redis = await startRedis()
    portal = await startMirrorPortal()
  })
  afterAll(async () => {
    await redis?.close()
    await portal?.close()
  })
  beforeEach(async () => {
    const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
    await place.close()
    pair = await startPair(
      (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], store: "${redis.url}", staleness: 1s, maxPerUser: 2, onLimit: displace, idle: 1h }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${place.origin}", clientId: postern, clientSecret: s3cret, refresh: true }
portals:
  - name: home
    host: home.localhost
    upstream: "${portal.url}"
    providers: [PLAY]
    accessTokenHeader: x-access-token
    routes: [{ path: /public/**, access: public }, { path: /optional/**, access: optional }]
`,
    )
    vi.setSystemTime(pair.replicas[0].time.now)
    idp = await startIdentityProvider({
      port: place.port,
      clients: [
        {
          client_id: 'postern',
          client_secret: 's3cret',
          redirect_uris: [`${pair.home}/_postern/callback/PLAY`],
          backchannel_logout_uri: `${pair.home}/_postern/backchannel-logout/PLAY`,
          backchannel_logout_session_required: true,
        },
      ],
      backChannelLogout: true,
      accounts: { [`anna-${place.port}`]: { claims: { email: 'anna@company.com' } } },
      rotation: true,
      ttl: { accessToken: 300, session: 86_400 },
    })
  })
  afterEach(async () => {
    vi.useRealTimers()
    await pair?.stop()
    await idp?.close()
  })

  function pass(milliseconds: number): void {
    pair.pass(milliseconds)
    vi.setSystemTime(pair.replicas[0].time.now)
  }
  async function signIn(browser: RoutedVisitor, replica: number): Promise<Page> {
    const away = await browser.follow(replica, '/')
    const page = await browser.follow(replica, await idp.signIn(away.location ?? '', `anna-${idp.port}`))
    pass(1000)
    return page
  }
  const xhr = (browser: RoutedVisitor, replica: number, path = '/') => browser.load(replica, path, { xhr: true })
  const isIn = async (browser: RoutedVisitor, replica: number) => (await xhr(browser, replica)).status === 200
  const actionIn = ({ body }: Page) => (/<form method="post" action="([^"]*)"/.exec(body)?.[1] ?? '').replaceAll('&amp;', '&')
  const ours: LoadOptions = { method: 'POST' }
  const post = (browser: RoutedVisitor, replica: number, action: string, headers: Readonly<Record<string, string>> = {}) =>
    browser.load(replica, action, { ...ours, headers: { Origin: pair.home, 'Sec-Fetch-Site': 'same-origin', ...headers } })
  /** Another browser with the same cookies: a second tab that keeps what it is given apart. */
  function tabOf({ visitor }: RoutedVisitor): RoutedVisitor {
    const tab = visitorOf(pair)
    for (const [host, cookies] of visitor.jar) tab.visitor.jar.set(host, new Map(cookies))
    return tab
  }
  async function atTheLimit(): Promise<{ old: RoutedVisitor[]; fresh: RoutedVisitor; action: string }> {
    const old = [visitorOf(pair), visitorOf(pair)]
    for (const browser of old) expect((await signIn(browser, 0)).status).toBe(200)
    const fresh = visitorOf(pair)
    const question = await signIn(fresh, 1)
    expect(question.url).toContain(displacing)
    return { old, fresh, action: actionIn(question) }
  }

  it('answered at two replicas at once makes no two sessions with one refresh token', async () => {
    const { old, fresh } = await atTheLimit()
    for (const browser of old) await browser.load(0, '/_postern/logout?scope=local')
    pass(2000)
    const tabs = Array.from({ length: 8 }, () => tabOf(fresh))
    await Promise.all(tabs.map((tab, at) => tab.load(at % 2, displacing)))
    pass(6 * minute)
    await Promise.all(tabs.map((tab, at) => xhr(tab, at % 2)))
    pass(6 * minute)
    await Promise.all(tabs.map((tab, at) => xhr(tab, at % 2)))
    expect(idp.grantErrors).toEqual([])
    const inside = await Promise.all(tabs.map((tab) => isIn(tab, 0)))
    expect(inside.filter(Boolean).length).toBeGreaterThan(0)
    expect(inside.filter(Boolean).length).toBeLessThanOrEqual(2)
    expect(portal.seen.flatMap((seen) => valuesOf(seen, 'x-access-token')).length).toBeGreaterThan(0)
  })

  it('keeps its tokens for whoever was asked', async () => {
    const { fresh, action } = await atTheLimit()
    expect((await post(fresh, 0, action)).status).toBe(200)
    pass(2000)
    expect(await isIn(fresh, 1)).toBe(true)
    expect(valuesOf(portal.seen.at(-1)!, 'x-access-token')).toHaveLength(1)
    pass(6 * minute)
    expect(await isIn(fresh, 0)).toBe(true)
    expect([idp.refreshes(), idp.grantErrors]).toEqual([1, []])
  })

  it('opens nothing before it is answered, and shows nobody: no page, no token, no account', async () => {
    const { fresh } = await atTheLimit()
    const before = portal.seen.length
    expect((await xhr(fresh, 0)).status).toBe(401)
    expect((await xhr(fresh, 1, '/_postern/session')).status).toBe(401)
    expect(portal.seen).toHaveLength(before)
    for (const path of ['/public/x', '/optional/x']) {
      await xhr(fresh, 0, path)
      expect(portal.seen.at(-1)?.headers.join('\n')).not.toMatch(/x-access-token|anna|home_session/i)
    }
    pass(6 * minute)
    await xhr(fresh, 0)
    expect(idp.refreshes()).toBe(0)
  })

  it('is answered by no other site, no other browser, no other token, and by no link', async () => {
    const { old, fresh, action } = await atTheLimit()
    const stranger = await atTheQuestionOfSomebodyElse()
    const tries: readonly (() => Promise<Page>)[] = [
      () => post(fresh, 0, action, { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }),
      () => post(fresh, 0, displacing),
      () => post(fresh, 0, `${displacing}&token=${'x'.repeat(60)}`),
      () => post(fresh, 0, stranger),
      () => post(visitorOf(pair), 0, action),
      () => fresh.load(0, action),
      () => fresh.load(0, action, { method: 'HEAD' }),
      () => fresh.load(0, `${action}&cancel=1`),
    ]
    for (const attempt of tries) await attempt()
    expect([await isIn(old[0]!, 0), await isIn(old[1]!, 1), await isIn(fresh, 0)]).toEqual([true, true, false])
    pass(2000)
    expect((await post(fresh, 1, action)).status).toBe(200)
  })

  /** The same person's other browser that waits too: its token is for its own session. */
  async function atTheQuestionOfSomebodyElse(): Promise<string> {
    return actionIn(await signIn(visitorOf(pair), 0))
  }

  it('of a session that the provider ended meanwhile is answered with nothing', async () => {
    const { fresh, action, old } = await atTheLimit()
    await fresh.load(0, '/_postern/logout?scope=local')
    pass(2000)
    expect((await post(fresh, 1, action)).status).toBe(400)
    expect([await isIn(old[0]!, 0), await isIn(old[1]!, 1), await isIn(fresh, 1)]).toEqual([true, true, false])
  })

  it('leads nowhere else, however its address is written', async () => {
    const { fresh } = await atTheLimit()
    const evil = [
      '//evil.example/',
      '/\\evil.example',
      'https://evil.example/',
      '/%5cevil.example',
      '/\t/evil.example',
      '/_postern/logout',
    ]
    for (const to of evil) {
      const tab = tabOf(fresh)
      const action = actionIn(await tab.load(0, `/_postern/displace?return=${encodeURIComponent(to)}`))
      expect(decodeURIComponent(action)).not.toMatch(/evil\.example\/?(&|$)/)
    }
  })
})
