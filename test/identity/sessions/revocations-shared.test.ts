// What one replica ends, the others hear of: over a real Redis, by its hints, and without them by asking.
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import type { Feed, FeedPosition, News } from '../../../src/feed.ts'
import type { Revocable } from '../../../src/identity/sessions/revocations.ts'
import { createSharedRevocations, type SharedOptions } from '../../../src/identity/sessions/shared-revocations.ts'
import { createRedisFeed } from '../../../src/state/feed-redis.ts'
import { connectRedis } from '../../../src/state/redis-connection.ts'
import { findRedis, type RedisServer, startCluster, startRedis } from '../../support/redis.ts'
import { identityOf, keyA, keyB, minute, noon, TestClock, TestLog } from '../harness.ts'

const session = (id: string, subject = 'anna', createdAt = noon): Revocable => ({
  id,
  audience: 'home',
  createdAt,
  identity: identityOf(subject),
})
const later = noon + 60 * minute
const waiting = { interval: 10, timeout: 10_000 }

if (findRedis() === undefined) {
  it('shared revocations are not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
} else
  describe('sessions that another replica ended', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis()
    })
    afterAll(() => server.close())

    const connect = (url = server.url) => {
      const connection = connectRedis(url, { log: { server: () => undefined }, name: 'store' })
      onTestFinished(() => connection.close())
      return connection
    }
    /** One that polls when it is told to; `isDeaf`: no hint arrives. */
    function start({ isDeaf = false, url = server.url, most = 1000, ...parts }: Partial<Settings> = {}) {
      const [clock, log] = [parts.clock ?? new TestClock(), new TestLog()]
      const heard = createRedisFeed(connect(url), most)
      const feed: Feed = isDeaf ? { ...heard, onHint: () => () => undefined } : heard
      const keys = { now: parts.keys ?? [keyA] }
      const options: SharedOptions = {
        feed,
        keys: () => keys.now,
        log,
        clock: clock.read,
        ticks: clock.read,
        staleness: 5000,
        every: 0,
      }
      const revocations = createSharedRevocations(options)
      onTestFinished(() => {
        revocations.close()
        heard.close()
      })
      return { revocations, clock, log, keys, close: () => revocations.close() }
    }
    interface Settings {
      readonly isDeaf: boolean
      readonly url: string
      readonly most: number
      readonly clock: TestClock
      readonly keys: readonly string[]
    }
    const empty = () => connect().ask((redis) => redis.flushall())

    it('are ended here as soon as it is heard of', async () => {
      const [one, another] = [start(), start()]
      await Promise.all([one, another].map(({ revocations }) => revocations.poll()))
      await one.revocations.revoke({ session: 'a' }, noon, later)
      await one.revocations.revoke({ account: 'ben@company.com' }, noon, later)
      await vi.waitFor(() => expect(another.revocations.isRevoked(session('a'))).toBe(true), waiting)
      await vi.waitFor(() => expect(another.revocations.isRevoked(session('b', 'ben'))).toBe(true), waiting)
      expect(another.revocations.isRevoked(session('b'))).toBe(false)
    })

    it('are ended by the next poll where no hint arrives', async () => {
      const [one, another] = [start(), start({ isDeaf: true })]
      await another.revocations.poll()
      await one.revocations.revoke({ session: 'deaf' }, noon, later)
      expect(another.revocations.isRevoked(session('deaf'))).toBe(false)
      expect(await another.revocations.poll()).toBe(true)
      expect(another.revocations.isRevoked(session('deaf'))).toBe(true)
    })

    it('are heard of again after the subscription was cut', async () => {
      const [one, another] = [start(), start()]
      await another.revocations.poll()
      await connect().ask((redis) => redis.client('KILL', 'TYPE', 'PUBSUB'))
      await one.revocations.revoke({ session: 'cut' }, noon, later)
      await vi.waitFor(() => expect(another.revocations.isRevoked(session('cut'))).toBe(true), waiting)
    })

    it('tell whoever has them open', async () => {
      const [one, another] = [start(), start({ isDeaf: true })]
      await another.revocations.poll()
      let changes = 0
      another.revocations.onChange(() => void changes++)
      await one.revocations.revoke({ session: 'open' }, noon, later)
      await another.revocations.poll()
      await another.revocations.poll()
      expect(changes).toBe(1)
    })

    it('are known to a replica that starts afterwards, more than a page of them, and to nobody under other keys', async () => {
      await empty()
      const one = start()
      await one.revocations.poll()
      const ids = Array.from({ length: 750 }, (_, at) => `many-${at}`)
      await Promise.all(ids.map((id) => one.revocations.revoke({ session: id }, noon, later)))
      one.close()
      const [late, stranger] = [start({ isDeaf: true }), start({ isDeaf: true, keys: [keyB] })]
      await Promise.all([late, stranger].map(({ revocations }) => revocations.poll()))
      expect(ids.filter((id) => !late.revocations.isRevoked(session(id)))).toEqual([])
      expect(stranger.revocations.size).toBe(0)
      expect(stranger.log.servers.filter((line) => line.includes('session.keys'))).toHaveLength(1)
    })

    it('are read again when the keys have changed, and told again under the first of them', async () => {
      await empty()
      const [one, another] = [start(), start({ isDeaf: true, keys: [keyB] })]
      await one.revocations.revoke({ session: 'rotated' }, noon, later)
      await another.revocations.poll()
      expect(another.revocations.isRevoked(session('rotated'))).toBe(false)
      another.keys.now = [keyB, keyA]
      await another.revocations.poll()
      expect(another.revocations.isRevoked(session('rotated'))).toBe(true)
      const last = start({ isDeaf: true, keys: [keyB] })
      another.keys.now = [keyB]
      await another.revocations.poll()
      await last.revocations.poll()
      expect(last.revocations.isRevoked(session('rotated'))).toBe(true)
    })

    it('are not forgotten by a Redis that has lost everything: who knows them tells them again', async () => {
      const [one, another] = [start({ isDeaf: true }), start({ isDeaf: true })]
      await one.revocations.revoke({ session: 'lost' }, noon, later)
      await Promise.all([one, another].map(({ revocations }) => revocations.poll()))
      await empty()
      const between = start({ isDeaf: true })
      await between.revocations.poll()
      expect(between.revocations.isRevoked(session('lost'))).toBe(false)
      await another.revocations.poll()
      await between.revocations.poll()
      expect(between.revocations.isRevoked(session('lost'))).toBe(true)
    })

    it('are told again where Redis has come back with less than it had, and has gone on since', async () => {
      await empty()
      const [one, another] = [start({ isDeaf: true }), start({ isDeaf: true })]
      for (const id of ['first', 'second', 'third']) await one.revocations.revoke({ session: id }, noon, later)
      await Promise.all([one, another].map(({ revocations }) => revocations.poll()))
      const redis = connect()
      const name = (await redis.ask((client) => client.zrange('{postern}:revoked:order', '-1', '-1')))[0] ?? ''
      await redis.ask((client) => client.zrem('{postern}:revoked:order', name))
      await redis.ask((client) => client.hdel('{postern}:revoked:entries', name))
      await redis.ask((client) => client.hset('{postern}:revoked:head', 'sequence', '2'))
      const between = start({ isDeaf: true })
      await between.revocations.poll()
      expect(between.revocations.isRevoked(session('third'))).toBe(false)
      await another.revocations.poll()
      await between.revocations.poll()
      expect(between.revocations.isRevoked(session('third'))).toBe(true)
    })

    it('are ended here while Redis is gone, said not to be sure, and told when it is back', async () => {
      const [one, another] = [start({ isDeaf: true }), start({ isDeaf: true })]
      await Promise.all([one, another].map(({ revocations }) => revocations.poll()))
      await server.kill()
      const revoking = one.revocations.revoke({ session: 'dark' }, noon, later)
      expect(one.revocations.isRevoked(session('dark'))).toBe(true)
      await expect(revoking).rejects.toMatchObject({ reason: 'store-unavailable' })
      await server.start()
      await vi.waitFor(async () => expect(await one.revocations.poll()).toBe(true), waiting)
      await vi.waitFor(async () => expect(await another.revocations.poll()).toBe(true), waiting)
      expect(another.revocations.isRevoked(session('dark'))).toBe(true)
      expect(one.log.servers).toEqual([
        'ended sessions cannot be shared with the other replicas',
        'ended sessions are shared with the other replicas again',
      ])
    })

    it('make nobody sure of anything while they cannot be heard of, and all again afterwards', async () => {
      const one = start({ isDeaf: true })
      const { revocations, clock } = one
      expect(revocations.isCurrent()).toBe(false)
      await revocations.poll()
      expect(revocations.isCurrent()).toBe(true)
      await server.kill()
      clock.pass(5000)
      expect(await revocations.poll()).toBe(false)
      expect(revocations.isCurrent()).toBe(true)
      clock.pass(1)
      expect(revocations.isCurrent()).toBe(false)
      await server.start()
      await vi.waitFor(async () => expect(await revocations.poll()).toBe(true), waiting)
      expect(revocations.isCurrent()).toBe(true)
    })

    it('show no name and no id to whoever reads Redis, and are one entry however often they are told', async () => {
      await empty()
      const [one, another] = [start(), start()]
      for (const { revocations } of [one, another, one])
        await revocations.revoke({ account: 'anna@company.com', provider: 'PLAY' }, noon, later)
      const redis = connect()
      const entries = await redis.ask((client) => client.hgetall('{postern}:revoked:entries'))
      expect(Object.keys(entries)).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
      expect(JSON.stringify(entries)).not.toMatch(/anna|PLAY/)
      const keys = await redis.ask((client) => client.keys('*'))
      expect(keys.every((key) => key.startsWith('{postern}:revoked:'))).toBe(true)
    })

    it('keep the later of two times that two replicas tell', async () => {
      await empty()
      const [one, another] = [start({ isDeaf: true }), start({ isDeaf: true })]
      await one.revocations.revoke({ audience: 'home' }, noon + 10 * minute, noon + 20 * minute)
      await another.revocations.revoke({ audience: 'home' }, noon, later)
      await one.revocations.revoke({ audience: 'mail' }, noon, later)
      await another.revocations.revoke({ audience: 'mail' }, noon + 10 * minute, noon + 20 * minute)
      const late = start({ isDeaf: true })
      await late.revocations.poll()
      expect(late.revocations.isRevoked(session('a', 'anna', noon + 10 * minute))).toBe(true)
      const clock = new TestClock()
      clock.pass(30 * minute)
      const later2 = start({ isDeaf: true, clock })
      await later2.revocations.poll()
      expect(later2.revocations.size).toBe(2)
    })

    it('leave Redis when they are over, and are never more than are wanted', async () => {
      await empty()
      const one = start({ isDeaf: true, most: 3 })
      const count = () => connect().ask((redis) => redis.hlen('{postern}:revoked:entries'))
      for (const id of ['a', 'b', 'c', 'd', 'e']) await one.revocations.revoke({ session: id }, noon, later)
      expect(await count()).toBe(3)
      const clock = new TestClock()
      clock.pass(3 * 60 * minute)
      const late = start({ isDeaf: true, clock })
      await late.revocations.poll()
      expect(late.revocations.size).toBe(0)
      await late.revocations.revoke({ session: 'x' }, clock.now, clock.now + minute)
      expect(await count()).toBe(1)
      const left = await connect().ask((redis) => redis.pttl('{postern}:revoked:entries'))
      expect(left).toBeGreaterThan(0)
      expect(left).toBeLessThanOrEqual(61 * minute + 1)
    })

    it('end a session whose replica has a clock that is ahead', async () => {
      const [one, another] = [start({ isDeaf: true }), start({ isDeaf: true })]
      await one.revocations.revoke({ account: 'carl@company.com' }, noon, later)
      await another.revocations.poll()
      const at = (createdAt: number) => another.revocations.isRevoked(session('s', 'carl', createdAt))
      expect([at(noon + 900), at(noon + minute)]).toEqual([true, false])
    })

    it('are shared over a Cluster, too', async () => {
      const cluster = await startCluster()
      onTestFinished(cluster.close)
      const [one, another] = [start({ url: cluster.url }), start({ url: cluster.url })]
      await vi.waitFor(async () => expect(await another.revocations.poll()).toBe(true), waiting)
      await vi.waitFor(async () => expect(await one.revocations.poll()).toBe(true), waiting)
      await one.revocations.revoke({ session: 'clustered' }, noon, later)
      await vi.waitFor(() => expect(another.revocations.isRevoked(session('clustered'))).toBe(true), waiting)
    }, 60_000)
  })

/** Says and keeps what it is told to. */
function scripted() {
  const [told, read]: [News[][], (FeedPosition | undefined)[]] = [[], []]
  const script = { failing: false }
  const feed: Feed = {
    tell: async (news) => {
      if (script.failing) throw new PosternError('store-unavailable', 'no answer in time')
      told.push([...news])
    },
    read: async (after) => {
      read.push(after)
      return { news: [], position: { epoch: 'e', sequence: 1, connection: 0 }, more: false, anew: after === undefined }
    },
    onHint: () => () => undefined,
  }
  const keys = { now: [keyA] }
  const clock = new TestClock()
  const parts = { feed, keys: () => keys.now, log: new TestLog(), clock: clock.read, ticks: clock.read, staleness: 1, every: 0 }
  const revocations = createSharedRevocations(parts)
  onTestFinished(() => revocations.close())
  return { revocations, script, told, read, keys, clock }
}

describe('what could not be told', () => {
  it('is told by the next poll, once, though the connection never broke', async () => {
    const { revocations, script, told } = scripted()
    await revocations.poll()
    script.failing = true
    await expect(revocations.revoke({ session: 'a' }, noon, later)).rejects.toMatchObject({ reason: 'store-unavailable' })
    expect(await revocations.poll()).toBe(false)
    script.failing = false
    for (let at = 0; at < 3; at++) expect(await revocations.poll()).toBe(true)
    expect(told.map((news) => news.length)).toEqual([1])
  })

  it('is left an hour after it is over', async () => {
    const { revocations, script, told, clock } = scripted()
    await revocations.poll()
    script.failing = true
    await expect(revocations.revoke({ session: 'a' }, noon, noon + minute)).rejects.toBeDefined()
    clock.pass(61 * minute)
    script.failing = false
    expect(await revocations.poll()).toBe(true)
    expect(told).toEqual([])
  })

  it('under other keys is asked for from the beginning', async () => {
    const { revocations, read, keys } = scripted()
    await revocations.poll()
    await revocations.poll()
    expect(read.at(-1)).toBeDefined()
    keys.now = [keyB, keyA]
    await revocations.poll()
    expect(read.at(-1)).toBeUndefined()
    await revocations.poll()
    expect(read.at(-1)).toBeDefined()
  })
})

describe('a poll', () => {
  it('that is asked for while another runs begins after that one', async () => {
    const asked: (() => void)[] = []
    const page = { news: [] as News[], position: { epoch: 'e', sequence: 0, connection: 0 }, more: false, anew: false }
    const feed: Feed = {
      tell: async () => undefined,
      read: () => new Promise((resolve) => asked.push(() => resolve(page))),
      onHint: () => () => undefined,
    }
    const options = { feed, keys: () => [keyA], log: new TestLog(), clock: () => noon, ticks: () => noon, staleness: 1, every: 0 }
    const revocations = createSharedRevocations(options)
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    const [first, second] = [revocations.poll(), revocations.poll()]
    expect(first).toBe(second)
    asked[0]?.()
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    asked[1]?.()
    expect(await second).toBe(true)
    revocations.close()
  })
})
