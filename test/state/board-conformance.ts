// What every board must do, whoever keeps the words.
import { describe, expect, it, vi } from 'vitest'
import type { Board } from '../../src/board.ts'

const unavailable = expect.objectContaining({ reason: 'store-unavailable' })
const hour = 3_600_000
const soon = { interval: 10, timeout: 5000 }

/** `open` gives a board and a second one over the same words, as another replica has it; `pass` lets time go by. */
export function describeBoard(
  name: string,
  open: () => Promise<{ board: Board; another: Board; pass?: (ms: number) => void }>,
): void {
  const briefly = 120
  const begin = async () => {
    const opened = await open()
    return { pass: () => undefined, ...opened }
  }

  describe(`the ${name} board`, () => {
    it('lets exactly one of many be the first', async () => {
      const { board, another } = await begin()
      const tries = Array.from({ length: 40 }, (_, at) => (at % 2 ? board : another).once('sign-in', hour))
      expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1)
      expect(await another.once('sign-in', hour)).toBe(false)
      expect(await board.once('another', hour)).toBe(true)
    })

    it('remembers who was first for as long as it was told to', async () => {
      const { board, another, pass } = await begin()
      expect(await board.once('briefly', briefly)).toBe(true)
      expect(await board.once('long', hour)).toBe(true)
      expect(await another.once('briefly', briefly)).toBe(false)
      pass(briefly)
      await vi.waitFor(async () => expect(await another.once('briefly', hour)).toBe(true), soon)
      expect(await another.once('long', hour)).toBe(false)
    })

    it('gives back a text, the latest, to whoever asks', async () => {
      const { board, another } = await begin()
      expect(await board.get('text')).toBeUndefined()
      await board.put('text', 'one', hour)
      await another.put('text', 'two!~', hour)
      expect([await board.get('text'), await another.get('text')]).toEqual(['two!~', 'two!~'])
      await board.put('empty', '', hour)
      expect(await another.get('empty')).toBe('')
    })

    it('gives a text away once, to one of those who ask', async () => {
      const { board, another } = await begin()
      await board.put('text', 'x'.repeat(256 * 1024), hour)
      const asked = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? board : another).take('text')))
      expect(asked.filter((text) => text?.length === 256 * 1024)).toHaveLength(1)
      expect(asked.filter((text) => text === undefined)).toHaveLength(19)
      expect(await board.get('text')).toBeUndefined()
    })

    it('forgets a text when its time is over', async () => {
      const { board, pass } = await begin()
      await board.put('text', 'one', briefly)
      pass(briefly)
      await vi.waitFor(async () => expect(await board.get('text')).toBeUndefined(), soon)
      expect(await board.take('text')).toBeUndefined()
    })

    it('leases to one at a time, and to the next when it is given back', async () => {
      const { board, another } = await begin()
      const asked = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? board : another).lease('who', hour)))
      const leases = asked.filter((lease) => lease !== undefined)
      expect(leases).toHaveLength(1)
      expect(await leases[0]?.renew()).toBe(true)
      await leases[0]?.release()
      expect(await another.lease('who', hour)).toBeDefined()
    })

    it('takes a lease from whoever does not renew it, and what they do then touches nobody else', async () => {
      const { board, another, pass } = await begin()
      const dead = await board.lease('who', briefly)
      pass(briefly)
      const next = await vi.waitFor(async () => {
        const lease = await another.lease('who', hour)
        expect(lease).toBeDefined()
        return lease
      }, soon)
      expect(await dead?.renew()).toBe(false)
      await dead?.release()
      expect(await next?.renew()).toBe(true)
      expect(await board.lease('who', hour)).toBeUndefined()
    })

    it('keeps the three kinds of words apart', async () => {
      const { board } = await begin()
      expect(await board.once('key', hour)).toBe(true)
      expect(await board.get('key')).toBeUndefined()
      await board.put('key', 'text', hour)
      const lease = await board.lease('key', hour)
      expect(lease).toBeDefined()
      expect(await board.take('key')).toBe('text')
      expect(await lease?.renew()).toBe(true)
      expect(await board.once('key', hour)).toBe(false)
    })

    it('takes keys as they are, and refuses what is too long or no ASCII', async () => {
      const { board } = await begin()
      const keys = ['k', 'K', 'k ', '__proto__', 'ключ\u0000', 'x'.repeat(512)]
      for (const key of keys) await board.put(key, `of-${keys.indexOf(key)}`, hour)
      for (const key of keys) expect(await board.get(key)).toBe(`of-${keys.indexOf(key)}`)
      for (const key of ['', 'x'.repeat(513)]) {
        await expect(board.once(key, hour)).rejects.toEqual(unavailable)
        await expect(board.put(key, 'text', hour)).rejects.toEqual(unavailable)
        await expect(board.lease(key, hour)).rejects.toEqual(unavailable)
      }
      for (const text of ['ö', 'a\nb', 'x'.repeat(256 * 1024 + 1)])
        await expect(board.put('key', text, hour)).rejects.toEqual(unavailable)
    })
  })
}
