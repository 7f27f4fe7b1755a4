import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createRedisStore } from '../../../src/identity/sessions/stores/redis.ts'
import { connectRedis, type RedisConnection } from '../../../src/state/redis-connection.ts'
import { findRedis, persistent, type RedisServer, startRedis } from '../../support/redis.ts'
import { identityOf, keyA, keyB, minute, noon, TestClock } from '../harness.ts'
import { describeKeepingStore, made, recordOf } from './store-conformance.ts'

const later = noon + 30 * minute
const unavailable = expect.objectContaining({ reason: 'store-unavailable' })
const soon = { interval: 50, timeout: 10_000 }

if (findRedis() === undefined) {
  it('the redis store is not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
} else
  describe('with a Redis', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis(persistent)
    })
    afterAll(() => server.close())

    const connect = (): RedisConnection => {
      const connection = connectRedis(server.url, { log: { server: () => undefined }, name: 'session store' })
      onTestFinished(() => connection.close())
      return connection
    }
    const fresh = async () => {
      const clock = new TestClock()
      const client = connect()
      await client.ask((redis) => redis.flushall())
      const open = (keys: readonly string[] = [keyA]) =>
        createRedisStore({ connection: connect(), sealer: createSealer(keys), clock: clock.read, staleness: 5000 })
      return { clock, open, client }
    }
    const hashKey = (id: string) => `postern:session:${id}`
    describeKeepingStore('redis', fresh)

    describe('the redis store', () => {
      it('keeps nothing of a person in the clear: no key, no value', async () => {
        const { open, client } = await fresh()
        const canary = 'canary-4711'
        const identity = identityOf(canary, {
          name: `${canary} Anna`,
          email: `${canary}@company.com`,
          groups: [canary],
          claims: { sub: canary, note: canary },
        })
        const tokens = { access: `${canary}-access`, refresh: `${canary}-refresh` }
        await open().create(recordOf({ identity, tokens, keep: { idToken: canary } }), later, 3)
        await open().create(recordOf({ id: 'w', identity, waits: true }), later)
        await open().touch(recordOf({ identity, touchedAt: noon + 1 }), later)
        const lines = await dump(client)
        expect(lines.length).toBeGreaterThan(10)
        expect(lines.join('\n')).toContain('session-1')
        expect(lines.join('\n')).not.toMatch(/canary|idp\.company|anna|postern:session:.*home/i)
      })

      it('gives nobody a cookie for a dump: ids and sealed records are no tokens', async () => {
        const { open, client } = await fresh()
        const token = await made(open())
        const lines = (await dump(client)).flatMap((line) => line.split(' '))
        for (const text of lines)
          for (const tried of [text, `s1.${text}`, `s1.session-1.${text}`])
            expect(await open().read(tried, 'home')).toBeUndefined()
        expect(lines.join(' ')).not.toContain(token.split('.')[2])
      })

      it('takes a record that was altered, rolled back or moved to another key for nothing', async () => {
        const { open, client } = await fresh()
        const store = open()
        const [one, two] = [await made(store), await made(store, recordOf({ id: 'b', identity: identityOf('bert') }))]
        const before = await client.ask((redis) => redis.hgetall(hashKey('session-1')))
        const put = (fields: Record<string, string>) => client.ask((redis) => redis.hset(hashKey('session-1'), fields))
        await put({ ...(await client.ask((redis) => redis.hgetall(hashKey('b')))) })
        expect(await store.read(one, 'home')).toBeUndefined()
        expect((await store.read(two, 'home'))?.id).toBe('b')
        await put(before)
        expect((await store.read(one, 'home'))?.id).toBe('session-1')
        const sealed = before['sealed'] ?? ''
        for (const wrong of [
          { sealed: `${sealed.slice(0, -2)}AA` },
          { sealed: await createSealer([keyA]).seal({ version: 1, record: {} }, 'session-record') },
          { sealed: await createSealer([keyA]).seal({ version: 1, record: JSON.parse(JSON.stringify(recordOf())) }, 'session') },
          {
            sealed: await createSealer([keyA]).seal(
              { version: 2, record: JSON.parse(JSON.stringify(recordOf())) },
              'session-record',
            ),
          },
          {
            sealed: await createSealer([keyB]).seal(
              { version: 1, record: JSON.parse(JSON.stringify(recordOf())) },
              'session-record',
            ),
          },
          { sealed, revision: '1' },
          { touched: 'soon' },
        ]) {
          await put({ ...before, ...wrong })
          expect(await store.read(one, 'home')).toBeUndefined()
        }
        await put(before)
        await store.replace(recordOf({ revision: 1 }), later)
        await put({ sealed })
        expect(await store.read(one, 'home')).toBeUndefined()
      })

      it('never sends rubbish to Redis', async () => {
        const { open } = await fresh()
        const token = await made(open())
        let asked = 0
        const connection = { ...connect(), ask: () => Promise.reject(new Error(`asked ${++asked}`)) }
        const deaf = createRedisStore({ connection, sealer: createSealer([keyA]), clock: () => noon, staleness: 5000 })
        for (const text of ['', 'x', 's1.session-1.', `s1.other.${token.split('.')[2]}`]) await deaf.read(text, 'home')
        await deaf.read(token, 'mail')
        expect(asked).toBe(0)
        await expect(deaf.read(token, 'home')).rejects.toThrow('asked 1')
      })

      it('leaves nothing behind: of sessions removed, over, or forgotten by everybody', async () => {
        const { open, client, clock } = await fresh()
        const store = open()
        await made(store, recordOf({ id: 'a' }))
        await made(store, recordOf({ id: 'b' }))
        await made(store, recordOf({ id: 'w', waits: true }))
        await store.remove(recordOf({ id: 'a' }))
        await store.remove(recordOf({ id: 'w', waits: true }))
        await store.touch(recordOf({ id: 'a', touchedAt: noon + 1 }), later + 60 * minute)
        clock.pass(30 * minute)
        await store.takeExpired(clock.now, 10)
        expect(await client.ask((redis) => redis.keys('*'))).toEqual([hashKey('b')])
        await made(store, recordOf({ id: 'c', createdAt: clock.now, endsAt: later + 60 * minute }), later + minute)
        const keys = await client.ask((redis) => redis.keys('*'))
        const lasting = keys.filter((key) => !key.startsWith('postern:{sessions}:'))
        expect(lasting).toHaveLength(4)
        for (const key of lasting) {
          const left = await client.ask((redis) => redis.pttl(key))
          expect(left).toBeGreaterThan(50 * minute)
          expect(left).toBeLessThan(200 * minute)
        }
        await client.ask((redis) => redis.del(hashKey('c')))
        clock.pass(minute)
        expect(await store.takeExpired(clock.now, 10)).toEqual([])
        expect(await client.ask((redis) => redis.keys('postern:{sessions}:*'))).toEqual([])
      })

      it('has one entry for a session of a person, also when it waited', async () => {
        const { open, client } = await fresh()
        await made(open(), recordOf({ waits: true }))
        await open().replace(recordOf({ revision: 1 }), later)
        const [place = ''] = await client.ask((redis) => redis.keys('postern:person:*'))
        expect(await client.ask((redis) => redis.zcard(place))).toBe(1)
      })

      it('counts no place that a dying process took and never used, nor a session it half removed', async () => {
        const { open, client, clock } = await fresh()
        const store = open()
        const dying = createRedisStore({ ...dyingAfter(connect(), 1), clock: clock.read })
        await expect(dying.create(recordOf({ id: 'half' }), later, 1)).rejects.toThrow('died')
        expect(await store.create(recordOf({ id: 'a' }), later, 1)).toBeUndefined()
        clock.pass(10_000)
        expect(await store.create(recordOf({ id: 'a' }), later, 1)).toBeDefined()
        await client.ask((redis) => redis.del(hashKey('a')))
        expect(await store.create(recordOf({ id: 'b' }), later, 1)).toBeDefined()
        expect(await store.create(recordOf({ id: 'c' }), later, 1)).toBeUndefined()
      })

      it('drops from its indexes what has no session, but not what is only just being written', async () => {
        const { open, client, clock } = await fresh()
        const store = open()
        await made(store, recordOf({ id: 'a' }))
        await made(store, recordOf({ id: 'b' }))
        await client.ask((redis) => redis.del(hashKey('a')))
        const filter = { account: recordOf().identity.account }
        const [place = ''] = await client.ask((redis) => redis.keys('postern:account:*'))
        expect((await store.list(filter, 10)).records.map(({ id }) => id)).toEqual(['b'])
        expect(await client.ask((redis) => redis.zcard(place))).toBe(2)
        clock.pass(minute)
        await store.list(filter, 10)
        expect(await client.ask((redis) => redis.zrange(place, 0, '-1'))).toEqual(['b'])
      })

      it('takes its own work for done when a command is sent twice', async () => {
        const { open, clock } = await fresh()
        const twice = (connection: RedisConnection): RedisConnection => ({
          ...connection,
          run: (...of) => connection.run(...of).then(() => connection.run(...of)),
        })
        const parts = { sealer: createSealer([keyA]), clock: clock.read, staleness: 5000 }
        const store = createRedisStore({ ...parts, connection: twice(connect()) })
        expect(await store.create(recordOf(), later, 1)).toBeDefined()
        expect(await store.replace(recordOf({ revision: 1 }), later)).toBeDefined()
        expect(await store.touch(recordOf({ touchedAt: noon + 1, revision: 1 }), later + 1)).toBeDefined()
        expect(await store.takeExpired(later + 1, 10)).toHaveLength(1)
        expect(await open().takeExpired(later + 1, 10)).toEqual([])
      })

      it('says that it is unavailable while Redis is gone, whatever is asked, and has all that was confirmed when it is back', async () => {
        const { open } = await fresh()
        const store = open()
        const token = await made(store)
        await store.replace(recordOf({ revision: 1, tokens: { access: 'new' } }), later)
        await server.kill()
        const asks: readonly ((store: SessionStore) => Promise<unknown>)[] = [
          (one) => one.create(recordOf({ id: 'b' }), later),
          (one) => one.read(token, 'home'),
          (one) => one.touch(recordOf(), later),
          (one) => one.replace(recordOf({ revision: 2 }), later),
          (one) => one.remove(recordOf()),
          (one) => one.list({}, 10),
          (one) => one.takeExpired(later, 10),
        ]
        for (const ask of asks) await expect(ask(store)).rejects.toEqual(unavailable)
        await server.start()
        const back = recordOf({ revision: 1, tokens: { access: 'new' } })
        await vi.waitFor(async () => expect(await store.read(token, 'home')).toEqual(back), soon)
        expect((await store.list({ account: 'anna@company.com' }, 10)).records).toEqual([back])
      })
    })
  })

/** Every key and every value, as text. */
async function dump(connection: RedisConnection): Promise<readonly string[]> {
  const keys = await connection.ask((redis) => redis.keys('*'))
  const values = keys.map(async (key) => {
    const type = await connection.ask((redis) => redis.type(key))
    const content = await connection.ask((redis) =>
      type === 'hash' ? redis.call('HGETALL', key) : type === 'zset' ? redis.call('ZRANGE', key, 0, -1) : redis.call('GET', key),
    )
    return [key, ...[content].flat().map(String)]
  })
  return (await Promise.all(values)).flat()
}

/** A process that dies after so many scripts. */
function dyingAfter(connection: RedisConnection, scripts: number) {
  let left = scripts
  const run: RedisConnection['run'] = (...of) => (left-- > 0 ? connection.run(...of) : Promise.reject(new Error('died')))
  const ask: RedisConnection['ask'] = (command) => (left > 0 ? connection.ask(command) : Promise.reject(new Error('died')))
  return { connection: { ...connection, run, ask }, sealer: createSealer([keyA]), staleness: 5000 }
}
