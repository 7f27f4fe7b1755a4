// Two replicas, one Redis, and people who bring what is not theirs, or what has been taken from them: over the wire, and asked at the
// replica that has not seen it yet.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { connectRedis, type RedisConnection } from '../../src/state/redis-connection.ts'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../support/crooked-provider.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type Pair, type RoutedVisitor, startPair, visitorOf } from '../support/pair.ts'
import { testKey } from '../support/postern.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import type { Page } from '../support/visitor.ts'

const otherKey = Buffer.alloc(32, 7).toString('base64url')
/** Longer than anything is believed without asking. */
const unbelieved = 6000
const soon = { interval: 20, timeout: 10_000 }

describe.skipIf(findRedis() === undefined)('two replicas over one Redis', () => {
  let redis: RedisServer
  let client: RedisConnection
  let portal: MirrorPortal
  let idp: CrookedProvider
  let pair: Pair
  let port: number

  const configuration = ({ keys = [testKey], store = redis.url } = {}): string => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${keys.join(', ')}], store: "${store}" }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${idp.issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", headers: { iv-user: account }, providers: [PLAY] }
  - { name: mail, host: mail.localhost, upstream: "${portal.url}", headers: { iv-user: account }, providers: [PLAY] }
`
  beforeAll(async () => {
    redis = await startRedis()
    client = connectRedis(redis.url, { log: { server: () => undefined }, name: 'test' })
    portal = await startMirrorPortal()
    idp = await startCrookedProvider({ clientId: 'postern', clientSecret: 's3cret' })
    pair = await startPair((given) => {
      port = given
      return configuration()
    })
  })
  afterAll(async () => {
    await pair?.stop()
    client?.close()
    await Promise.all([idp, portal, redis].map((one) => one?.close()))
  })

  const liesOf = (subject: string): Lies => {
    const claims = { sub: subject, email: `${subject}@company.com`, email_verified: true }
    return { claims, userinfo: { claims } }
  }
  async function signIn(subject: string, replica = 0, visitor = visitorOf(pair)): Promise<RoutedVisitor> {
    const away = await visitor.follow(replica, '/')
    await visitor.follow(replica, idp.signIn(away.location ?? '', liesOf(subject)))
    return visitor
  }
  /** Whom the portal saw, else the status. */
  const whom = ({ status, body }: Page): string =>
    status === 200 ? (valuesOf(JSON.parse(body) as Seen, 'iv-user')[0] ?? 'nobody').replace('@company.com', '') : String(status)
  const who = async (visitor: RoutedVisitor, replica: number, headers: Readonly<Record<string, string>> = {}) =>
    whom(await visitor.load(replica, '/x', { xhr: true, headers }))
  const cookieOf = ({ visitor }: RoutedVisitor) => visitor.cookieHeader(pair.home)
  const revoke = async (replica: number, account: string) =>
    fetch(`${pair.replicas[replica]?.adminUrl}/sessions?account=${account}@company.com`, { method: 'DELETE' })

  it('never give one person’s session to another, however many sign in at once', async () => {
    const people = Array.from({ length: 200 }, (_, at) => (at % 2 ? 'anna' : 'bert'))
    const seen = await Promise.all(
      people.map(async (subject, at) => {
        const visitor = await signIn(subject, at % 3 ? 0 : 1)
        return [await who(visitor, 0), await who(visitor, 1)]
      }),
    )
    expect(seen).toEqual(people.map((subject) => [subject, subject]))
  })

  it('open one portal by a cookie, under whatever name it is brought', async () => {
    const anna = await signIn('anna')
    const Cookie = cookieOf(anna).replace('postern-home', 'postern-mail')
    const at = { xhr: true, headers: { Host: `mail.localhost:${port}`, Cookie } }
    for (const replica of [0, 1]) expect((await anna.load(replica, '/x', at)).status).toBe(401)
  })

  it('ask Redis for nothing that we have not given out', async () => {
    const anna = await signIn('anna')
    const [, id = ''] = cookieOf(anna).split('.')
    const stranger = visitorOf(pair)
    const rubbish = [
      'x',
      `s1.${id}.${'A'.repeat(43)}`,
      's1.a.b',
      '9~x',
      '%00',
      's1..',
      'eyJhbGciOiJkaXIifQ..a.b.c',
      'A'.repeat(3000),
    ]
    await client.ask((way) => way.config('RESETSTAT'))
    for (const one of rubbish)
      for (const replica of [0, 1])
        expect(await who(stranger, replica, { Cookie: `postern-home=${one}; postern-home=x${one}` })).toBe('401')
    expect(await client.ask((way) => way.info('commandstats'))).not.toMatch(/hmget/)
  })

  it('know the person beside a cookie that somebody planted, and nobody by that', async () => {
    const anna = await signIn('anna')
    const own = cookieOf(anna)
    for (const Cookie of [`postern-home=planted; ${own}`, `${own}; postern-home=planted`, `postern-home=3~x; ${own}`])
      expect(await who(anna, 1, { Cookie })).toBe('anna')
    expect(await who(anna, 1, { Cookie: `${own}x` })).toBe('401')
  })

  it('hear who was signed out without a word being passed on', async () => {
    const anna = await signIn('anna')
    expect(await who(anna, 1)).toBe('anna')
    await client.ask((way) => way.call('ACL', 'SETUSER', 'default', 'resetchannels'))
    await client.ask((way) => way.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    pair.pass(1)
    expect((await revoke(0, 'anna')).status).toBe(200)
    await vi.waitFor(async () => expect(await who(anna, 1)).toBe('401'), soon)
    await client.ask((way) => way.call('ACL', 'SETUSER', 'default', 'allchannels'))
  })

  it('keep out whoever was signed out, and touch no other, when Redis comes back as it was before', async () => {
    const [anna, bert] = [await signIn('anna'), await signIn('bert')]
    const Cookie = cookieOf(anna)
    const keys = await client.ask((way) => way.keys('*'))
    const dumps = await Promise.all(keys.map((key) => client.ask((way) => way.dumpBuffer(key))))
    await anna.load(0, '/_postern/logout')
    expect(await who(anna, 0, { Cookie })).toBe('401')
    await client.ask((way) => way.flushall())
    for (const [at, key] of keys.entries()) {
      const dump = dumps[at]
      if (dump) await client.ask((way) => way.restore(key, 0, dump, 'REPLACE'))
    }
    for (const type of ['normal', 'pubsub']) await client.ask((way) => way.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'))
    pair.pass(unbelieved)
    await vi.waitFor(async () => expect([await who(bert, 0), await who(bert, 1)]).toEqual(['bert', 'bert']), soon)
    // the other one may not have heard of it before: it is told again
    const brought = async () => [await who(anna, 0, { Cookie }), await who(anna, 1, { Cookie })]
    await vi.waitFor(async () => expect(await brought()).toEqual(['401', '401']), soon)
  })

  it('close to the signed-in, say why and when to come again, and take nobody’s cookie, while Redis says nothing', async () => {
    const anna = await signIn('anna')
    process.kill(redis.pid, 'SIGSTOP')
    pair.pass(unbelieved)
    const [page, machine] = await Promise.all([anna.load(0, '/x'), anna.load(1, '/x', { xhr: true })])
    process.kill(redis.pid, 'SIGCONT')
    expect([page.status, page.headers['retry-after'], page.setCookies]).toEqual([503, '5', []])
    expect(page.body).toContain('Your session cannot be read just now')
    expect([machine.status, machine.headers['retry-after'], machine.setCookies]).toEqual([503, '5', []])
    expect(JSON.parse(machine.body)).toMatchObject({ type: 'urn:postern:problem:store-unavailable' })
    expect(pair.replicas[0].logs.some(({ reason, decision }) => reason === 'store-unavailable' && decision === 'deny')).toBe(true)
    await vi.waitFor(async () => expect([await who(anna, 0), await who(anna, 1)]).toEqual(['anna', 'anna']), soon)
  })

  it('sign nobody out when a key is added before the others or taken away when it is used no more', async () => {
    const anna = await signIn('anna')
    for (const keys of [
      [testKey, otherKey],
      [otherKey, testKey],
    ] as const)
      for (const replica of pair.replicas) expect(await replica.reconfigure(configuration({ keys: [...keys] }))).toBe(true)
    expect([await who(anna, 0), await who(anna, 1)]).toEqual(['anna', 'anna'])
    pair.pass(5 * 60_000)
    await anna.load(0, '/x') // renewed: a cookie of the new key
    for (const replica of pair.replicas) await replica.reconfigure(configuration({ keys: [testKey, otherKey] }))
    expect([await who(anna, 0), await who(anna, 1)]).toEqual(['anna', 'anna'])
    for (const replica of pair.replicas) await replica.reconfigure(configuration())
    // the record was sealed by the key that stays; the cookie by one that is gone: a fresh sign-in, and no loop
    const back = await signIn('anna', 0, anna)
    expect([await who(back, 0), await who(back, 1)]).toEqual(['anna', 'anna'])
  })
})
