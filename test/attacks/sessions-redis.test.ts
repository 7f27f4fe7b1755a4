// Whoever can write to the Redis that replicas share may take sessions away, and may not make one; nor may one foreign entry, a key that
// is being rotated, or an answer that takes its time keep the others from being found, ended or told of.
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createRevocations } from '../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../src/identity/sessions/seal.ts'
import { createSessionKeeper } from '../../src/identity/sessions/session.ts'
import { createSessionRegister } from '../../src/identity/sessions/session-register.ts'
import type { SessionStore } from '../../src/identity/sessions/session-store.ts'
import { createSharedRevocations } from '../../src/identity/sessions/shared-revocations.ts'
import { createRedisStore } from '../../src/identity/sessions/stores/redis.ts'
import { createRedisFeed } from '../../src/state/feed-redis.ts'
import { connectRedis, type RedisConnection } from '../../src/state/redis-connection.ts'
import {
  identityOf,
  keyA,
  keyB,
  minute,
  noon,
  portalOf,
  rulesOf,
  ScriptedProvider,
  TestClock,
  TestLog,
} from '../identity/harness.ts'
import { recordOf } from '../identity/sessions/store-conformance.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'

const later = noon + 30 * minute
const hashKey = (id: string) => `postern:session:${id}`

describe.skipIf(findRedis() === undefined)('in a Redis that others write to', () => {
  let server: RedisServer
  let client: RedisConnection
  beforeAll(async () => {
    server = await startRedis()
    client = connectRedis(server.url, { log: { server: () => undefined }, name: 'test' })
  })
  afterAll(async () => {
    client.close()
    await server.close()
  })
  beforeEach(async () => void (await client.ask((redis) => redis.flushall())))

  const connect = () => {
    const connection = connectRedis(server.url, { log: { server: () => undefined }, name: 'session store' })
    onTestFinished(() => connection.close())
    return connection
  }
  const open = (keys: readonly string[] = [keyA], clock = new TestClock()): SessionStore =>
    createRedisStore({ connection: connect(), sealer: createSealer(keys), clock: clock.read, staleness: 5000 })
  const create = async (store: SessionStore, id: string, until = later) => store.create(recordOf({ id }), until)
  const idsOf = async (store: SessionStore) => (await store.list({}, 100)).records.map(({ id }) => id).sort()

  describe('a session', () => {
    it('is nobody where its key holds something else, and stands in nobody’s way', async () => {
      const store = open()
      const [token] = [await create(store, 'a'), await create(store, 'b')]
      await client.ask((redis) => redis.set(hashKey('a'), 'x'))
      expect(await store.read(token ?? '', 'home')).toBeUndefined()
      expect(await idsOf(store)).toEqual(['b'])
    })

    it('is nobody under another’s id, or with another’s contents', async () => {
      const store = open()
      const tokens = [await create(store, 'a'), await create(store, 'b')]
      await client.ask((redis) => redis.rename(hashKey('a'), 'kept'))
      await client.ask((redis) => redis.rename(hashKey('b'), hashKey('a')))
      await client.ask((redis) => redis.rename('kept', hashKey('b')))
      for (const token of tokens) expect(await store.read(token ?? '', 'home')).toBeUndefined()
      expect(await idsOf(store)).toEqual([])
    })

    it('that is spoilt keeps no other from being found when its time is over', async () => {
      const store = open()
      for (const id of ['a', 'b', 'c']) await create(store, id)
      await client.ask((redis) => redis.set(hashKey('a'), 'x'))
      await client.ask((redis) => redis.hset(hashKey('b'), 'until', 'never'))
      expect((await store.takeExpired(later, 10)).map(({ id }) => id)).toEqual(['c'])
    })

    it('leaves nothing behind in Redis, also where nobody asks whose time is over', async () => {
      const clock = new TestClock()
      const store = open([keyA], clock)
      await create(store, 'a')
      const record = recordOf({ id: 'alive', endsAt: noon + 600 * minute })
      await store.create(record, noon + 500 * minute)
      await client.ask((redis) => redis.zadd('postern:{sessions}:ends', later, 'alive')) // too early, as a process that died leaves it
      await client.ask((redis) => redis.del(hashKey('a'))) // as Redis does in time
      clock.pass(180 * minute)
      await create(store, 'b', noon + 210 * minute)
      const left = async () => {
        const keys = ['postern:{sessions}:ends', 'postern:{sessions}:all']
        return Promise.all(keys.map((key) => client.ask((redis) => redis.zrange(key, 0, '-1'))))
      }
      await vi.waitFor(async () =>
        expect((await left()).map((ids) => ids.sort())).toEqual([
          ['alive', 'b'],
          ['alive', 'b'],
        ]),
      )
      const score = await client.ask((redis) => redis.zscore('postern:{sessions}:ends', 'alive'))
      expect(Number(score)).toBe(noon + 500 * minute)
      const [person = ''] = await client.ask((redis) => redis.keys('postern:person:*'))
      const members = await client.ask((redis) => redis.zrange(person, 0, '-1'))
      expect(members.map((member) => member.slice(13)).sort()).toEqual(['alive', 'b'])
    })

    it('of a key that only other replicas have yet stays in the lists that they make', async () => {
      const [ahead, behind] = [open([keyB, keyA]), open([keyA])]
      await create(ahead, 'new')
      await create(behind, 'old')
      const clock = new TestClock()
      clock.pass(11_000) // whatever has no session by now is taken out
      expect(await idsOf(open([keyA], clock))).toEqual(['old'])
      expect(await idsOf(ahead)).toEqual(['new', 'old'])
    })
  })

  describe('an end', () => {
    function start(keys: readonly string[]) {
      const feed = createRedisFeed(connect())
      const log = new TestLog()
      const clock = new TestClock()
      const shared = { feed, keys: () => keys, log, clock: clock.read, ticks: clock.read, staleness: 5000, every: 0 }
      const revocations = createSharedRevocations(shared)
      onTestFinished(() => {
        revocations.close()
        feed.close()
      })
      return revocations
    }
    const session = { id: 'a', audience: 'home', createdAt: noon, identity: identityOf('anna') }

    it.each([
      ['that has not got the new key yet', [keyB, keyA], [keyA]],
      ['that has lost the old key already', [keyB, keyA], [keyB]],
      ['that has another order of them', [keyA, keyB], [keyB]],
    ])('reaches a replica %s, where they have one in common', async (_what, tells, hears) => {
      const [one, another] = [start(tells), start(hears)]
      await one.revoke({ session: 'a' }, noon, later)
      await another.poll()
      expect(another.isRevoked(session)).toBe(true)
    })

    it('is told over what somebody else has put under its name', async () => {
      const [one, another] = [start([keyA]), start([keyA])]
      await one.revoke({ session: 'a' }, noon, later)
      const [name = ''] = await client.ask((redis) => redis.hkeys('{postern}:revoked:entries'))
      await client.ask((redis) => redis.hset('{postern}:revoked:entries', name, 'nonsense'))
      await one.revoke({ session: 'a' }, noon, later + minute)
      await another.poll()
      expect(another.isRevoked(session)).toBe(true)
    })

    it('is opened once, however often all of it is read again', async () => {
      const [one, another] = [start([keyA]), start([keyA])]
      await one.revoke({ session: 'a' }, noon, later)
      await another.poll()
      one.close() // it knows the end as its own words, and would tell what it cannot read
      const entries = await client.ask((redis) => redis.hgetall('{postern}:revoked:entries'))
      for (const [name, entry] of Object.entries(entries)) {
        const unread = entry.replace(/ [^ ]*$/, ' rubbish')
        await client.ask((redis) => redis.hset('{postern}:revoked:entries', name, unread))
      }
      await client.ask((redis) => redis.hset('{postern}:revoked:head', 'epoch', 'another'))
      const head = await client.ask((redis) => redis.hget('{postern}:revoked:head', 'sequence'))
      await another.poll()
      expect(await client.ask((redis) => redis.hget('{postern}:revoked:head', 'sequence'))).toBe(head) // known, and not told again
      expect(another.isRevoked(session)).toBe(true)
    })

    it('holds before a slow store has said what there was to end', async () => {
      const [clock, log] = [new TestClock(), new TestLog()]
      const revocations = createRevocations({ log })
      const store = open()
      let answer = (): void => undefined
      const slow = new Promise<void>((resolve) => {
        answer = resolve
      })
      const late: SessionStore = { ...store, list: (...of) => slow.then(() => store.list(...of)) }
      const keeper = createSessionKeeper({ sealer: createSealer([keyA]), claims: [], revocations, store: late })
      const portals = new Map([['home', portalOf('home', [new ScriptedProvider('PLAY')])]])
      const ended: string[] = []
      const onSignOut = { ended: ({ id }: { readonly id: string }) => void ended.push(id) }
      const parts = { keeper, store: late, revocations, portals, everywhere: true, onSignOut, log, clock: clock.read }
      const register = createSessionRegister(parts)
      const { session: anna } = await keeper.open(identityOf('anna'), rulesOf('home'), noon)
      const revoking = register.revoke({ account: 'anna@company.com' })
      expect(revocations.isRevoked(anna)).toBe(true)
      clock.pass(1)
      const { session: again } = await keeper.open(identityOf('anna'), rulesOf('home'), clock.now)
      answer()
      await revoking
      expect(ended).toEqual([anna.id])
      expect(revocations.isRevoked(again)).toBe(false)
      expect(await idsOf(store)).toEqual([again.id])
    })
  })
})
