// The session store and the board where the Redis is not one plain server: TLS, an account with few rights, Sentinels, a Cluster.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSealer } from '../../src/identity/sessions/seal.ts'
import { createRedisStore } from '../../src/identity/sessions/stores/redis.ts'
import { createRedisBoard } from '../../src/state/board-redis.ts'
import { connectRedis, type RedisConnection, type RedisTls } from '../../src/state/redis-connection.ts'
import { keyA, minute, noon } from '../identity/harness.ts'
import { recordOf } from '../identity/sessions/store-conformance.ts'
import { createCertificate } from '../support/certificate.ts'
import { findRedis, startCluster, startRedis, startSentinels } from '../support/redis.ts'

const unavailable = expect.objectContaining({ reason: 'store-unavailable' })
const later = noon + 30 * minute
const soon = { interval: 100, timeout: 20_000 }

function begin(url: string, tls?: RedisTls) {
  const lines: string[] = []
  const log = {
    server: (level: string, msg: string, fields: object = {}) => void lines.push(`${level} ${msg} ${JSON.stringify(fields)}`),
  }
  const connection = connectRedis(url, { log, name: 'session store', ...(tls ? { tls } : {}) })
  onTestFinished(() => connection.close())
  const store = createRedisStore({ connection, sealer: createSealer([keyA]), clock: () => noon, staleness: 5000 })
  return { connection, store, board: createRedisBoard(connection), lines }
}

/** What everything else is made of, once through. */
async function exercise(connection: RedisConnection): Promise<void> {
  const sealer = createSealer([keyA])
  const store = createRedisStore({ connection, sealer, clock: () => noon, staleness: 5000 })
  const asked = await Promise.all(Array.from({ length: 12 }, (_, at) => store.create(recordOf({ id: `s${at}` }), later, 4)))
  const tokens = asked.filter((token) => token !== undefined)
  expect(tokens).toHaveLength(4)
  const [token = ''] = tokens
  const record = await store.read(token, 'home')
  if (!record) throw new Error('no session')
  expect(await store.replace({ ...record, revision: 1, tokens: { access: 'a' } }, later)).toBe(token)
  expect(await store.touch({ ...record, touchedAt: noon + minute }, later + minute)).toBe(token)
  expect(await store.read(token, 'home')).toEqual({ ...record, revision: 1, touchedAt: noon + minute, tokens: { access: 'a' } })
  expect((await store.list({ account: 'anna@company.com' }, 10)).records).toHaveLength(4)
  expect((await store.list({}, 10)).records).toHaveLength(4)
  const [second] = (await store.list({}, 10)).records.filter(({ id }) => id !== record.id)
  if (second) await store.remove(second)
  expect(await store.takeExpired(later, 10)).toHaveLength(2)
  expect(await store.takeExpired(later + minute, 10)).toHaveLength(1)
  const board = createRedisBoard(connection)
  expect([await board.once('k', 1000), await board.once('k', 1000)]).toEqual([true, false])
  await board.put('t', 'text', 60_000)
  expect([await board.get('t'), await board.take('t'), await board.get('t')]).toEqual(['text', 'text', undefined])
  const lease = await board.lease('l', 60_000)
  expect([await board.lease('l', 60_000), await lease?.renew()]).toEqual([undefined, true])
  await lease?.release()
}

/** Everything that is said on the channel arrives, and it is said when the subscription stands. */
async function hearsWhatIsSaid(connection: RedisConnection): Promise<void> {
  const heard: (string | undefined)[] = []
  onTestFinished(connection.subscribe('postern:test', (message) => void heard.push(message)))
  await vi.waitFor(() => expect(heard).toEqual([undefined]), soon)
  await connection.ask((redis) => redis.publish('postern:test', 'hello'))
  await vi.waitFor(() => expect(heard).toEqual([undefined, 'hello']), soon)
}

if (findRedis() === undefined) {
  it('other kinds of Redis are not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
} else {
  it('an account that may do no more than what is documented is enough, and a wrong password is said nowhere', async () => {
    const server = await startRedis()
    onTestFinished(() => server.close())
    const rights = '+@read +@write +@scripting +@pubsub +@connection +info +cluster'.split(' ')
    const account = ['postern', 'on', '>very:secret@1', 'resetchannels', '&postern:*', '~postern:*', '~{postern}:*', ...rights]
    await begin(server.url).connection.ask(async (redis) => {
      await redis.call('ACL', 'SETUSER', ...account)
      await redis.call('ACL', 'SETUSER', 'default', 'off')
    })
    const secret = encodeURIComponent('very:secret@1')
    const { connection, lines } = begin(`redis://postern:${secret}@127.0.0.1:${server.port}/0`)
    await exercise(connection)
    await hearsWhatIsSaid(connection)
    await expect(connection.ask((redis) => redis.get('somebody-else'))).rejects.toEqual(unavailable)
    expect(lines).toEqual([])
    const wrong = begin(`redis://postern:other-secret@127.0.0.1:${server.port}`)
    const answer = await wrong.store.list({}, 1).catch((error: Error) => error)
    expect(answer).toEqual(unavailable)
    await vi.waitFor(() => expect(wrong.lines.length).toBeGreaterThan(0), soon)
    expect(String((answer as Error).stack) + wrong.lines.join()).not.toContain('secret')
  })

  it('an account that may hear no channel is told of once, however often it asks', async () => {
    const server = await startRedis()
    onTestFinished(() => server.close())
    const { connection: admin } = begin(server.url)
    await admin.ask((redis) => redis.call('ACL', 'SETUSER', 'deaf', 'on', '>word', '~*', '+@all', 'resetchannels'))
    const { connection, lines } = begin(server.url.replace('redis://', 'redis://deaf:word@'))
    const heard: (string | undefined)[] = []
    connection.subscribe('postern:test', (message) => void heard.push(message))
    const refused = async () => String(await admin.ask((redis) => redis.info('commandstats'))).match(/cmdstat_subscribe:.*/)?.[0]
    await vi.waitFor(async () => expect(await refused()).toMatch(/rejected_calls=[2-9]/), soon)
    expect(lines).toEqual([expect.stringContaining('warn the session store refuses the subscription to postern:test')])
    await admin.ask((redis) => redis.call('ACL', 'SETUSER', 'deaf', 'allchannels'))
    await vi.waitFor(() => expect(heard).toEqual([undefined]), soon)
  })

  it('TLS trusts the authority that is named, and nobody else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { cert, key } = createCertificate(['redis.company.com', '127.0.0.1'])
    const files = [join(folder, 'cert.pem'), join(folder, 'key.pem')] as const
    writeFileSync(files[0], cert)
    writeFileSync(files[1], key)
    const tls = ['--tls-cert-file', files[0], '--tls-key-file', files[1], '--tls-ca-cert-file', files[0]]
    const server = await startRedis(['--tls-port', ...tls, '--tls-auth-clients', 'no'])
    onTestFinished(() => server.close())
    const { connection } = begin(server.url, { ca: cert })
    await exercise(connection)
    await hearsWhatIsSaid(connection)
    await begin(server.url, { ca: cert, serverName: 'redis.company.com' }).store.list({}, 1)
    for (const wrong of [undefined, { ca: createCertificate(['127.0.0.1']).cert }, { ca: cert, serverName: 'other.company.com' }])
      await expect(begin(server.url, wrong).store.list({}, 1)).rejects.toEqual(unavailable)
  })

  it('a Cluster keeps sessions and words wherever their keys belong', async () => {
    const cluster = await startCluster()
    onTestFinished(cluster.close)
    const { connection, lines } = begin(cluster.url)
    await vi.waitFor(() => connection.ask((redis) => redis.set('postern:ready', '1')), soon)
    lines.length = 0
    await exercise(connection)
    await hearsWhatIsSaid(connection)
    expect(lines).toEqual([])
  }, 60_000)

  it('Sentinels name the new master when the old one dies: sessions go on, and one line says so each way', async () => {
    const sentinels = await startSentinels()
    onTestFinished(sentinels.close)
    const { connection, store, lines } = begin(sentinels.url)
    await exercise(connection)
    await hearsWhatIsSaid(connection)
    const token = (await store.create(recordOf({ id: 'stays' }), later)) ?? ''
    const heard: (string | undefined)[] = []
    connection.subscribe('postern:later', (message) => void heard.push(message))
    await vi.waitFor(() => expect(heard).toEqual([undefined]), soon)
    await connection.ask((redis) => redis.wait(1, 1000))
    expect(lines).toEqual([])
    await sentinels.servers[0]?.kill()
    await expect(store.read(token, 'home')).rejects.toEqual(unavailable)
    await vi.waitFor(async () => expect((await store.read(token, 'home'))?.id).toBe('stays'), { interval: 200, timeout: 30_000 })
    expect(await store.touch(recordOf({ id: 'stays', touchedAt: noon + 1 }), later)).toBe(token)
    await vi.waitFor(() => expect(heard).toEqual([undefined, undefined]), { interval: 200, timeout: 30_000 })
    expect(lines.map((line) => line.replace(/ \{.*/, ''))).toEqual([
      'error the session store cannot be reached',
      'info the session store is back',
    ])
  }, 90_000)

  describe('a connection', () => {
    it('to a server that never answers is given up after two seconds', async () => {
      const server = await startRedis()
      onTestFinished(() => server.close())
      const { connection } = begin(server.url)
      await connection.ask((redis) => redis.ping())
      process.kill(server.pid, 'SIGSTOP')
      await expect(connection.ask((redis) => redis.ping())).rejects.toEqual(unavailable)
      process.kill(server.pid, 'SIGCONT')
      await vi.waitFor(() => connection.ask((redis) => redis.ping()), soon)
    })

    it('gives up after two seconds whatever is tried beneath', async () => {
      const server = await startRedis()
      onTestFinished(() => server.close())
      await expect(begin(server.url).connection.ask(() => new Promise(() => undefined))).rejects.toEqual(unavailable)
    })

    it('to a master that became a replica is left for a new one', async () => {
      const server = await startRedis()
      onTestFinished(() => server.close())
      const { connection, lines } = begin(server.url)
      await connection.ask((redis) => redis.call('REPLICAOF', '127.0.0.1', '1'))
      await expect(connection.ask((redis) => redis.set('postern:x', '1'))).rejects.toEqual(unavailable)
      await vi.waitFor(() => expect(lines.map((line) => line.split(' ', 1)[0])).toEqual(['error', 'info']), soon)
    })

    it('does not begin with what is no address', () => {
      for (const url of [
        '',
        'cookie',
        'redis://',
        'redis://a,b',
        'redis+sentinel://a',
        'redis://u%zz@a',
        'http://a',
        'redis://a/x',
      ])
        expect(() => connectRedis(url, { log: { server: () => undefined }, name: 'session store' })).toThrow('no address')
    })
  })
}
