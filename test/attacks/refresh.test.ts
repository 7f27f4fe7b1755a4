// Refresh tokens are sent once, whoever asks at the same time, dies, signs out or loses patience: a provider that rotates takes the
// second time for theft. Access tokens reach the portal that is to have them, from us alone, and nobody else. The provider is a real
// one that rotates; in front of its token end point stands a gate of ours that can hold a question, or its answer, back.
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type Loopback, listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, namesLike, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type Pair, type RoutedVisitor, startPair, visitorOf } from '../support/pair.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { type Replica, startReplica } from '../support/replica.ts'
import { createVisitor } from '../support/visitor.ts'

const minute = 60_000

/** Lets questions to the token end point through one by one where it is closed. */
interface Gate extends Loopback {
  /** Refresh tokens as they came, and as they were given. */
  readonly sent: string[]
  readonly given: string[]
  /** Holds what comes from now on before the provider hears it, or before we hear the provider. */
  hold: 'question' | 'answer' | undefined
  readonly held: () => number
  release(): void
}

async function startGate(issuer: () => string): Promise<Gate> {
  const sent: string[] = []
  const given: string[] = []
  let waiting: (() => void)[] = []
  const pass = () => new Promise<void>((go) => waiting.push(go))
  const place = await listenOnLoopback(async (request, response) => {
    try {
      const body = await text(request)
      const token = new URLSearchParams(body).get('refresh_token')
      if (token) sent.push(token)
      if (token && gate.hold === 'question') await pass()
      const { authorization = '', 'content-type': type = '' } = request.headers
      const answer = await fetch(`${issuer()}/token`, { method: 'POST', body, headers: { authorization, 'content-type': type } })
      const answered = await answer.text()
      const refreshed = (JSON.parse(answered) as { refresh_token?: string }).refresh_token
      if (refreshed) given.push(refreshed)
      if (token && gate.hold === 'answer') await pass()
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answered)
    } catch {
      response.destroy()
    }
  })
  const gate: Gate = {
    ...place,
    sent,
    given,
    hold: undefined,
    held: () => waiting.length,
    release() {
      gate.hold = undefined
      for (const go of waiting) go()
      waiting = []
    },
  }
  return gate
}

describe.skipIf(findRedis() === undefined)('tokens', () => {
  let redis: RedisServer
  let portal: MirrorPortal
  let idp: IdentityProvider
  let gate: Gate
  let issuer: string
  let groups: string[]

  beforeAll(async () => {
    redis = await startRedis()
    portal = await startMirrorPortal({ webSockets: true })
  })
  afterAll(async () => {
    await redis?.close()
    await portal?.close()
  })
  beforeEach(async () => {
    const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
    await place.close()
    issuer = place.origin
    gate = await startGate(() => issuer)
    groups = ['staff', 'admins']
  })
  afterEach(async () => {
    vi.useRealTimers()
    gate.release()
    await Promise.all([gate, idp].map((one) => one?.close()))
  })

  const configuration = (port: number): string => `server:
  publicUrl: http://home.localhost:${port}
  timeouts: { drainDelay: 0s }
session: { keys: [${testKey}], store: "${redis.url}", staleness: 1s, idle: 1h }
providers:
  - name: PLAY
    protocol: OIDC
    issuer: "${issuer}"
    tokenEndpoint: "${gate.origin}/token"
    clientId: postern
    clientSecret: s3cret
    refresh: true
portals:
  - name: home
    host: home.localhost
    upstream: "${portal.url}"
    providers: [PLAY]
    accessTokenHeader: x-access-token
    headers: { iv-user: account, iv-groups: groups }
    rules: [{ name: admins-only, when: '"admins" in groups' }]
    routes:
      - { path: /public/**, access: public }
      - { path: /optional/**, access: optional }
      - { path: /api/**, preflight: forward }
      - { path: /leave, endsSession: true }
`
  async function startProvider(home: string, accessToken: number): Promise<void> {
    const claims = { email: `${anna()}@company.com` }
    idp = await startIdentityProvider({
      port: Number(new URL(issuer).port),
      clients: [
        {
          client_id: 'postern',
          client_secret: 's3cret',
          redirect_uris: [`${home}/_postern/callback/PLAY`],
          backchannel_logout_uri: `${home}/_postern/backchannel-logout/PLAY`,
          backchannel_logout_session_required: true,
        },
      ],
      accounts: {
        [`anna-${gate.port}`]: {
          claims: {
            ...claims,
            get groups() {
              return groups
            },
          },
        },
      },
      backChannelLogout: true,
      rotation: true,
      ttl: { accessToken, session: 86_400 },
    })
  }
  const anna = () => `anna-${gate.port}`
  const token = () => valuesOf(portal.seen.at(-1)!, 'x-access-token')
  const sentOnce = () => {
    expect(new Set(gate.sent).size).toBe(gate.sent.length)
    expect(idp.grantErrors).toEqual([])
  }

  describe('of somebody at two replicas', () => {
    let pair: Pair
    let browser: RoutedVisitor

    beforeEach(async () => {
      pair = await startPair(configuration)
      vi.setSystemTime(pair.replicas[0].time.now)
      await startProvider(pair.home, 300)
      browser = visitorOf(pair)
      const away = await browser.follow(0, '/')
      expect((await browser.follow(0, await idp.signIn(away.location ?? '', anna()))).status).toBe(200)
    })
    afterEach(async () => {
      gate.release()
      await pair?.stop()
    })
    function pass(milliseconds: number): void {
      pair.pass(milliseconds)
      vi.setSystemTime(pair.replicas[0].time.now)
    }
    const load = (replica: number, path = '/', headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
      browser.load(replica, path, { xhr: true, headers, method })

    it('are asked for once by fifty requests at each', async () => {
      pass(6 * minute)
      const pages = await Promise.all(Array.from({ length: 100 }, (_, at) => load(at % 2)))
      expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]))
      expect(gate.sent).toHaveLength(1)
      pass(6 * minute)
      await Promise.all(Array.from({ length: 100 }, (_, at) => load(at % 2)))
      expect(gate.sent).toHaveLength(2)
      sentOnce()
    })

    const ends: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['signs out at the other', () => browser.load(1, '/_postern/logout?scope=local')],
      ['signs out at the same', () => browser.load(0, '/_postern/logout?scope=local')],
      ['uses the portal’s own sign-out', () => load(1, '/leave')],
      ['is signed out by an administrator', () => revoke()],
    ]
    const revoke = async () => {
      const answer = await fetch(`${pair.replicas[1].adminUrl}/sessions?account=${anna()}@company.com`, { method: 'DELETE' })
      expect(answer.status).toBe(200)
    }
    it.each(ends)('that come when the person %s meanwhile bring nobody back', async (_, end) => {
      const cookies = browser.visitor.cookieHeader(pair.home)
      gate.hold = 'answer'
      pass(4.5 * minute)
      expect((await load(0)).status).toBe(200) // goes on behind its back
      await vi.waitFor(() => expect(gate.held()).toBe(1))
      await end()
      gate.release()
      pass(3000)
      await vi.waitFor(async () => {
        for (const replica of [0, 1]) expect((await load(replica, '/', { Cookie: cookies })).status).toBe(401)
      })
      await pair.replicas[0].drain()
      expect((await load(1, '/', { Cookie: cookies })).status).toBe(401)
      sentOnce()
    })

    it('lose no group for longer than an access token lives: the next request is refused, at either', async () => {
      groups = ['staff']
      pass(6 * minute)
      expect((await load(0)).status).toBe(403)
      pass(2000)
      expect((await load(1)).status).toBe(403)
      sentOnce()
    })

    it('stand in no page, no log, no admin answer, and not in the clear in Redis', async () => {
      await load(0)
      pass(6 * minute)
      await load(1)
      const secrets = [...gate.sent, ...gate.given, ...token()]
      expect(secrets.length).toBeGreaterThanOrEqual(3)
      const own = ['/_postern/session', '/_postern/login', '/_postern/logout', '/_postern/nowhere']
      const pages = await Promise.all(own.map((path) => load(0, path, { 'Sec-Fetch-Site': 'cross-site' })))
      const admin = await Promise.all(
        ['/config', '/sessions', '/refusals', `/explain?url=${encodeURIComponent(`${pair.home}/`)}&as=anna`].map(async (path) =>
          (await fetch(`${pair.replicas[0].adminUrl}${path}`)).text(),
        ),
      )
      const metrics = await (await fetch(`${pair.replicas[0].healthUrl}/metrics`)).text()
      const shown = pages.map(({ body, headers }) => body + JSON.stringify(headers))
      const said = [...shown, ...admin, metrics, ...pair.replicas.map((one) => one.logText()), await dump()].join('\n')
      expect(said).toContain(`${anna()}@company.com`) // there is something to look through
      for (const secret of secrets) expect(said).not.toContain(secret)
    })

    const spellings = ['X-Access-Token', 'x-access-token', 'X_ACCESS_TOKEN', 'x_access-token', 'X.Access.Token', 'x-access_token']
    it.each(spellings)('are never the client’s own, written %s, wherever it is sent', async (name) => {
      const stranger = visitorOf(pair)
      const forged = { [name]: 'forged' }
      await load(0, '/', forged)
      expect(namesLike(portal.seen.at(-1)!, 'x-access-token')).toHaveLength(1)
      expect(token()).not.toContain('forged')
      for (const path of ['/public/x', '/optional/x']) {
        expect((await stranger.load(0, path, { xhr: true, headers: forged })).status).toBe(200)
        expect(portal.seen.at(-1)).toMatchObject({ target: path })
        expect(portal.seen.at(-1)!.headers.join('\n')).not.toContain('forged')
      }
      const preflight = { ...forged, Origin: 'https://evil.example', 'Access-Control-Request-Method': 'PUT' }
      expect((await stranger.load(0, '/api/x', { method: 'OPTIONS', headers: preflight })).status).toBe(200)
      expect(portal.seen.at(-1)!.headers.join('\n')).not.toContain('forged')
      pass(6 * minute)
      await idp.pause()
      expect((await load(0, '/', forged)).status).toBe(200)
      expect(portal.seen.at(-1)!.headers.join('\n')).not.toContain('forged')
      await idp.resume()
    })

    it('are not taken away by a client that calls their header its own hop’s', async () => {
      await load(0, '/', { Connection: 'close, X-Access-Token, iv-user', 'X-Access-Token': 'forged' })
      expect(token()).toHaveLength(1)
      expect(token()).not.toContain('forged')
      expect(valuesOf(portal.seen.at(-1)!, 'iv-user')).toHaveLength(1)
    })

    it('end nothing and are not asked for by looking at the portal’s own sign-out', async () => {
      for (const headers of [{ 'Sec-Purpose': 'prefetch;prerender' }, { Purpose: 'prefetch' }, { 'X-Moz': 'prefetch' }])
        expect((await load(0, '/leave', headers)).status).toBe(200)
      await load(0, '/leave', {}, 'HEAD')
      await load(0, '/leave', {}, 'OPTIONS')
      expect((await load(1)).status).toBe(200)
      await load(0, '/leave')
      expect(token()).toHaveLength(1) // a last time
      expect((await load(0)).status).toBe(401)
    })

    it('that come after the process lost its lease are not lost, nor asked for twice', async () => {
      gate.hold = 'answer'
      pass(4.5 * minute)
      await load(0)
      await vi.waitFor(() => expect(gate.held()).toBe(1))
      await flushBoard()
      await load(1)
      pass(2 * minute) // the mark looks abandoned
      await load(1)
      gate.release()
      await vi.waitFor(async () => {
        pass(1100) // what was read a moment ago is believed for a second
        await load(1)
        expect(token()).toHaveLength(1)
      })
      expect(gate.sent).toHaveLength(1)
      pass(6 * minute)
      await load(0)
      expect(gate.sent).toHaveLength(2)
      sentOnce()
    })

    async function withRedis<T>(use: (client: Redis) => Promise<T>): Promise<T> {
      const client = new Redis(redis.url)
      try {
        return await use(client)
      } finally {
        client.disconnect()
      }
    }
    const flushBoard = () =>
      withRedis(async (client) => {
        const keys = await client.keys('postern:board:*')
        expect(keys.length).toBeGreaterThan(0)
        await client.del(...keys)
      })
    /** As it lies there, byte by byte. */
    const dump = () =>
      withRedis(async (client) => {
        const keys = await client.keys('*')
        expect(keys.length).toBeGreaterThan(0)
        const texts = await Promise.all(keys.map(async (key) => `${key} ${(await client.dumpBuffer(key))?.toString('latin1')}`))
        const hashes = keys.filter((key) => key.startsWith('postern:session:'))
        return [...texts, ...(await Promise.all(hashes.map(async (key) => JSON.stringify(await client.hgetall(key)))))].join('\n')
      })
  })

  describe('of somebody whose replica is killed', () => {
    let replicas: Replica[] = []
    afterEach(async () => {
      gate.release()
      await Promise.all(replicas.map((one) => one.close()))
    })
    it.each(['question', 'answer'] as const)('while it waits (%s held) are sent by nobody else', async (step) => {
      const ports = [await freePort(), await freePort()] as const
      const home = `http://home.localhost:${ports[0]}`
      replicas = await Promise.all(ports.map((port) => startReplica(port, configuration(ports[0]))))
      await startProvider(home, 3)
      const visitor = createVisitor()
      const away = await visitor.follow(`${home}/`)
      await visitor.follow(await idp.signIn(away.location ?? '', anna()))
      gate.hold = step
      await vi.waitFor(
        async () => {
          askAndForget(ports[0], visitor.cookieHeader(home), ports[0])
          expect(gate.held()).toBe(1)
        },
        { timeout: 8000, interval: 300 },
      )
      await replicas[0]?.kill('SIGKILL')
      gate.release()
      const elsewhere = `http://home.localhost:${ports[1]}/`
      for (let look = 0; look < 3; look++) {
        const page = await visitor.load(elsewhere, { xhr: true, headers: { Host: `home.localhost:${ports[0]}` } })
        expect(page.status).toBe(200)
      }
      expect(gate.sent).toHaveLength(1)
      sentOnce()
    })
  })
})

function askAndForget(port: number, cookie: string, hostPort: number): void {
  const headers = { Host: `home.localhost:${hostPort}`, Cookie: cookie, Accept: 'application/json' }
  httpRequest({ host: '127.0.0.1', port, path: '/', headers, agent: false }, (answer) => answer.resume())
    .on('error', () => undefined)
    .end()
}
