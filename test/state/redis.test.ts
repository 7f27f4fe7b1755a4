import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openState } from '../../src/state/open.ts'
import { findRedis, persistent, type RedisServer, startRedis } from '../support/redis.ts'
import { describeStateStore } from './store-conformance.ts'

const unavailable = expect.objectContaining({ reason: 'store-unavailable' })

if (findRedis() === undefined) {
  describe('the redis state', () => {
    it('is not tested: there is no redis-server here', () => expect(process.env['CI']).toBeUndefined())
  })
} else describeRedis()

function describeRedis(): void {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis(persistent)
  })
  afterAll(() => server.close())

  const lines: string[] = []
  const log = { server: (level: string, msg: string) => void lines.push(`${level} ${msg}`) }
  const open = (url = server.url) => {
    const store = openState(url, { clock: Date.now, log })
    onTestFinished(() => store.close())
    return store
  }

  describeStateStore('redis', async () => {
    const client = new Redis(server.url)
    await client.flushall()
    client.disconnect()
    return { open: () => openState(server.url, { clock: Date.now, log }) }
  })

  describe('the redis state', () => {
    it('answers the first question, though it was asked before the connection stood', async () => {
      expect(await open().get('nothing')).toBeUndefined()
    })

    it('says at once that it is unavailable while Redis is gone, and is back by itself with all that was confirmed', async () => {
      const store = open()
      expect(await store.change('kept', undefined, 'before the crash')).toBe(true)
      lines.length = 0
      await server.kill()
      await expect(store.get('kept')).rejects.toEqual(unavailable)
      await expect(store.change('kept', 'before the crash', 1)).rejects.toEqual(unavailable)
      await expect(store.list('', 1)).rejects.toEqual(unavailable)
      const late = open()
      await expect(late.get('kept')).rejects.toEqual(unavailable)
      await server.start()
      for (const one of [store, late])
        await vi.waitFor(async () => expect(await one.get('kept')).toBe('before the crash'), { interval: 50, timeout: 10_000 })
      await vi.waitFor(() => expect(lines.toSorted()).toEqual(twice), { interval: 20 })
    })
    const twice = ['error the state store cannot be reached', 'info the state store is back'].flatMap((line) => [line, line])

    it('leaves the keys of others on the same Redis alone, and has all of its own in one slot', async () => {
      const client = new Redis(server.url)
      onTestFinished(() => client.disconnect())
      await client.flushall()
      await client.set('somebody', 'else')
      const store = open()
      await store.change('a', undefined, 1)
      await store.change('b', undefined, 1)
      expect((await store.list('', 10)).length).toBe(2)
      const keys = (await client.keys('*')).filter((key) => key !== 'somebody')
      expect(keys.every((key) => key.startsWith('{postern}:'))).toBe(true)
      expect(await client.get('somebody')).toBe('else')
    })

    it('lets what has ended out of its index', async () => {
      const client = new Redis(server.url)
      onTestFinished(() => client.disconnect())
      await client.flushall()
      const store = open()
      await store.change('short', undefined, 1, Date.now() + 50)
      await vi.waitFor(async () => expect(await store.get('short')).toBeUndefined(), { interval: 10 })
      expect(await store.list('', 10)).toEqual([])
      expect(await client.zcard('{postern}:state-index')).toBe(0)
    })

    it('never says a password', async () => {
      lines.length = 0
      const store = open(`redis://somebody:very-secret@127.0.0.1:${server.port}`)
      const answer = await store.get('key').catch((error: unknown) => error)
      expect(answer).toEqual(unavailable)
      expect(String((answer as Error).stack) + lines.join()).not.toContain('very-secret')
    })
  })
}
