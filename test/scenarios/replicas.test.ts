// Three replicas behind nginx, which goes round, with one Redis: a crowd works while each of them is killed in turn. Real processes and
// real time; every step waits for what has happened, none for a time.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CountingPortal, startCountingPortal } from '../support/counting-portal.ts'
import { type Crowd, createCrowd, type Member } from '../support/crowd.ts'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { hasNginx, type Nginx, startNginx } from '../support/nginx.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, persistent, type RedisServer, startRedis } from '../support/redis.ts'
import { type Replica, startReplica } from '../support/replica.ts'
import { createVisitor } from '../support/visitor.ts'

const people = 200
const sockets = 40
const isHere = findRedis() !== undefined && hasNginx()
if (!isHere) console.warn('\n!!! nginx or redis-server is not installed: the scenario of three replicas is NOT tested here\n')
const accounts = Array.from({ length: people }, (_, at) => `person${at}@company.com`)
const patience = { timeout: 120_000, interval: 20 }

interface Trouble {
  readonly what: string
  readonly interrupted: number
  readonly pages: number
  readonly seconds: number
}

if (!isHere)
  it('the scenario of three replicas needs nginx and redis-server', () =>
    expect(process.env['CI'], 'install nginx-light and redis-server').toBeUndefined())

describe.runIf(isHere)('three replicas behind nginx, with one Redis', () => {
  let redis: RedisServer
  let provider: IdentityProvider
  let portal: CountingPortal
  let nginx: Nginx
  let replicas: readonly Replica[]
  let members: readonly Member[]
  let crowd: Crowd
  let home: string
  const day: Trouble[] = []

  beforeAll(async () => {
    const [front, ...ports] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
    home = `http://home.localhost:${front}`
    redis = await startRedis(persistent)
    portal = await startCountingPortal()
    provider = await startIdentityProvider({
      clients: [{ client_id: 'portal', client_secret: 's3cret', redirect_uris: [`${home}/_postern/callback/PLAY`] }],
      accounts: Object.fromEntries(accounts.map((email) => [email, { claims: { email, email_verified: true } }])),
      rotation: true,
      crowd: true,
      ttl: { accessToken: 15, session: 3600 },
    })
    const configuration = `server:
  publicUrl: ${home}
  trustedProxies: [127.0.0.1/32]
  timeouts: { drainDelay: 200ms, drain: 1s }
session: { keys: [${testKey}], store: "${redis.url}" }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${provider.issuer}", clientId: portal, clientSecret: s3cret, refresh: true, scope: "email offline_access" }
portals:
  - { name: home, upstream: "${portal.url}", providers: [PLAY], accessTokenHeader: x-forwarded-access-token }
`
    replicas = await Promise.all(ports.map((port) => startReplica(port, configuration)))
    nginx = await startNginx(ports, front)
    members = await inTurn(accounts, 8, signIn)
    crowd = createCrowd(members, home, sockets)
    await step('everybody works', () => crowd.pages(4))
  }, 180_000)
  afterAll(async () => {
    await crowd?.stop()
    await Promise.all([...(replicas ?? []), nginx, redis, provider, portal].map((one) => one?.close()))
    console.info(`\n${tableOf(day)}\n`)
  }, 60_000)

  async function signIn(account: string): Promise<Member> {
    const visitor = createVisitor()
    const start = await visitor.follow(`${home}/start`)
    const landed = await visitor.follow(await provider.signIn(start.location ?? '', account))
    if (landed.status !== 200) throw new Error(`${account} could not sign in: ${landed.status} ${landed.body}`)
    return { account, cookie: visitor.cookieHeader(home) }
  }
  async function step(what: string, happens: () => Promise<void>): Promise<void> {
    const { interrupted, pages } = crowd.tally
    const begun = performance.now()
    await happens()
    const seconds = (performance.now() - begun) / 1000
    day.push({ what, interrupted: crowd.tally.interrupted - interrupted, pages: crowd.tally.pages - pages, seconds })
    expect(crowd.tally.wrong, what).toEqual([])
  }

  it('serve a crowd whose tokens are refreshed, each once', async () => {
    await step('all are refreshed', () => vi.waitFor(() => expect(provider.refreshes()).toBeGreaterThanOrEqual(people), patience))
  }, 150_000)

  it.each([0, 1, 2])(
    'go on when replica %i is killed, and take it back',
    async (at) => {
      await step(`replica ${at + 1} is killed, and comes back`, async () => {
        await replicas[at]?.kill('SIGKILL')
        await crowd.pages(3)
        await replicas[at]?.start()
        await crowd.pages(3)
      })
    },
    120_000,
  )

  it('say that it is down while Redis is killed, let nobody in and sign nobody out', async () => {
    await step('Redis is killed, and comes back', async () => {
      const before = crowd.tally.interrupted
      await redis.kill()
      await vi.waitFor(() => expect(crowd.tally.interrupted - before).toBeGreaterThan(10 * people), patience)
      await redis.start()
      await crowd.pages(3)
    })
  }, 120_000)

  it('are restarted one by one, and nobody notices', async () => {
    await step('all replicas are restarted in turn', async () => {
      for (const replica of replicas) {
        await replica.kill('SIGTERM')
        await replica.start()
        await crowd.pages(2)
      }
    })
  }, 120_000)

  it('have refreshed everybody again, and no refresh token came twice', async () => {
    const before = provider.refreshes()
    await step('all are refreshed again', () =>
      vi.waitFor(() => expect(provider.refreshes() - before).toBeGreaterThanOrEqual(people / 2), patience),
    )
    await crowd.stop()
    expect(provider.grantErrors).toEqual([])
  }, 150_000)

  it('have kept everybody signed in as themselves, in the session of their first sign-in', async () => {
    const seen = await inTurn(members, 8, async ({ account, cookie }) => {
      const page = await createVisitor().load(`${home}/_postern/session`, { headers: { Cookie: cookie }, xhr: true })
      return { account, status: page.status, known: page.status === 200 ? JSON.parse(page.body).account : page.body }
    })
    expect(seen.filter(({ account, status, known }) => status !== 200 || known !== account)).toEqual([])
    const signIns = replicas
      .flatMap((replica) => replica.logs())
      .filter(({ log, result }) => log === 'authentication' && result === 'Success')
    expect(signIns).toHaveLength(people)
  }, 60_000)

  it('have doubled no order, and given none to somebody else', () => {
    const wrong = [...portal.orders].filter(([id, { times, account }]) => times !== 1 || !id.startsWith(`${account}-`))
    expect(wrong).toEqual([])
    expect(crowd.tally.orders).toBeGreaterThan(people)
    expect(portal.orders.size).toBeGreaterThanOrEqual(crowd.tally.orders)
  })

  it('have opened every WebSocket again that was lost with its replica, and heard the right person on it', () => {
    expect(crowd.tally.reopened).toBeGreaterThanOrEqual(sockets)
    expect(crowd.tally.messages).toBeGreaterThan(sockets)
  })

  it('have met no bug of their own', () => {
    const bad = replicas
      .flatMap((replica) => replica.logs())
      .filter(({ reason, msg }) => reason === 'internal' || msg === 'unhandled rejection')
    expect(bad).toEqual([])
  })
})

/** A few at a time: signing in costs a provider some milliseconds of both cores. */
async function inTurn<T, R>(all: readonly T[], atOnce: number, work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = []
  for (let from = 0; from < all.length; from += atOnce)
    done.push(...(await Promise.all(all.slice(from, from + atOnce).map((one) => work(one)))))
  return done
}

function tableOf(day: readonly Trouble[]): string {
  const rows = day.map(
    ({ what, pages, interrupted, seconds }) => `| ${what} | ${pages} | ${interrupted} | ${seconds.toFixed(1)} |`,
  )
  return ['| what happens | pages | tried again | seconds |', '| --- | --- | --- | --- |', ...rows].join('\n')
}
