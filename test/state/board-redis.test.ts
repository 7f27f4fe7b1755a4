import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createRedisBoard } from '../../src/state/board-redis.ts'
import { connectRedis } from '../../src/state/redis-connection.ts'
import { findRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { describeBoard } from './board-conformance.ts'

if (findRedis() === undefined) {
  it('the redis board is not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
} else
  describe('with a Redis', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis()
    })
    afterAll(() => server.close())

    const open = async () => {
      const connections = [1, 2].map(() => connectRedis(server.url, { log: { server: () => undefined }, name: 'board' }))
      onTestFinished(() => {
        for (const connection of connections) connection.close()
      })
      await connections[0]?.ask((redis) => redis.flushall())
      const [board, another] = connections.map(createRedisBoard)
      if (!board || !another) throw new Error('no boards')
      return { board, another, connections }
    }
    describeBoard('redis', open)

    it('shows no key in the clear', async () => {
      const { board, connections } = await open()
      await board.put('anna@company.com', 'sealed', 60_000)
      await board.lease('anna@company.com', 60_000)
      const keys = await connections[0]?.ask((redis) => redis.keys('*'))
      expect(keys).toHaveLength(2)
      for (const key of keys ?? []) expect(key).toMatch(/^postern:board:[\w-]{43}$/)
    })

    it('says that it is unavailable while Redis is gone, and a lease is given back without complaint', async () => {
      const { board } = await open()
      const lease = await board.lease('who', 60_000)
      await server.kill()
      await expect(board.once('key', 1000)).rejects.toMatchObject({ reason: 'store-unavailable' })
      await expect(lease?.renew()).rejects.toMatchObject({ reason: 'store-unavailable' })
      await lease?.release()
      await server.start()
    })
  })
