// Replicas that share nothing but a Redis, which is killed in the worst moment.
import { setTimeout as passing } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createRedisStore } from '../../../src/identity/sessions/stores/redis.ts'
import { createRedisBoard } from '../../../src/state/board-redis.ts'
import { connectRedis } from '../../../src/state/redis-connection.ts'
import { findRedis, persistent, type RedisServer, startRedis } from '../../support/redis.ts'
import { keyA, minute } from '../harness.ts'
import { gate, type Replica, replicas, tokensAt } from './refresh-setup.ts'

if (findRedis() === undefined) {
  it('refreshes over Redis are not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
} else
  describe('three replicas over one Redis', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis(persistent)
    })
    afterAll(() => server.close())

    function world() {
      const made = replicas({ pause: (milliseconds) => passing(milliseconds) })
      const start = (): Replica => {
        const connection = connectRedis(server.url, { log: { server: () => undefined }, name: 'session store' })
        onTestFinished(() => connection.close())
        const { clock } = made
        const parts = { connection, sealer: createSealer([keyA]), clock: clock.read, staleness: 5000 }
        return made.start({ store: () => createRedisStore(parts), board: createRedisBoard(connection) })
      }
      return { ...made, all: [start(), start(), start()] as const }
    }
    const access = async (replica: Replica, cookies: string) => (await replica.who(cookies)).session?.tokens?.access

    it('ask once for all that comes at a time', async () => {
      const { all, anna, play, clock } = world()
      const cookies = await anna(all[0])
      await Promise.all(all.map((replica) => replica.who(cookies)))
      clock.pass(6 * minute)
      const tokens = await Promise.all(all.flatMap((replica) => Array.from({ length: 20 }, () => access(replica, cookies))))
      expect(new Set(tokens)).toEqual(new Set(['access-1']))
      expect(play.spent).toEqual(['refresh-0'])
    })

    it('lose no token to a Redis that is killed between the question and the answer', async () => {
      const { all, anna, play, clock } = world()
      const [here, there] = all
      const cookies = await anna(here)
      const waiting = gate()
      play.gate = waiting.closed
      clock.pass(4 * minute)
      await here.who(cookies)
      await vi.waitFor(() => expect(play.spent).toEqual(['refresh-0']))
      await server.kill()
      waiting.open()
      await vi.waitFor(() => expect(here.log.servers).toContain('refreshed tokens wait for the session store'), 10_000)
      await server.start()
      clock.pass(10_000)
      const seen = async () => {
        clock.pass(6000)
        return (await there.who(cookies)).session?.tokens
      }
      await vi.waitFor(async () => expect(await seen()).toMatchObject({ access: 'access-1', refresh: 'refresh-1' }), {
        timeout: 15_000,
        interval: 100,
      })
      expect(play.spent).toEqual(['refresh-0'])
    })

    it('keep no token where somebody who reads the Redis could see it', async () => {
      const { all, anna } = world()
      await anna(all[0], tokensAt(0, { access: 'very-secret-access', refresh: 'very-secret-refresh' }))
      const connection = connectRedis(server.url, { log: { server: () => undefined }, name: 'session store' })
      onTestFinished(() => connection.close())
      const dump = await connection.ask(async (redis) => {
        const keys = await redis.keys('*')
        return Promise.all(keys.map(async (key) => [key, (await redis.dump(key))?.toString()]))
      })
      expect(dump.length).toBeGreaterThan(0)
      expect(JSON.stringify(dump)).not.toContain('very-secret')
    })
  })
