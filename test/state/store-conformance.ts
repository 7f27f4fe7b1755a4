// What every state store must do, whoever keeps the state.
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { StateStore } from '../../src/state.ts'
import type { Json } from '../../src/types.ts'

const unavailable = expect.objectContaining({ reason: 'store-unavailable' })
const refused = { severity: 1, deep: { list: [1, 'two', null, { b: true, a: 1.5 }] }, text: 'Jürgen "Ö"\n\u0000\ud83d\ude00' }

/** `open` gives a further store over the same state; `fresh` begins an empty one. */
export function describeStateStore(name: string, fresh: () => Promise<{ open: () => StateStore }>): void {
  const begin = async () => {
    const { open } = await fresh()
    const opened = () => {
      const store = open()
      onTestFinished(() => store.close())
      return store
    }
    return { store: opened(), another: opened }
  }

  describe(`the ${name} state`, () => {
    it('gives back what it was given, whole', async () => {
      const { store } = await begin()
      for (const value of [refused, 'text', '', 0, -1.5, true, false, null, [], {}] satisfies Json[]) {
        const before = await store.get('key')
        expect(await store.change('key', before, value)).toBe(true)
        expect(await store.get('key')).toEqual(value)
      }
    })

    it('knows nothing of what nobody wrote', async () => {
      const { store } = await begin()
      expect(await store.get('key')).toBeUndefined()
      expect(await store.list('', 10)).toEqual([])
      expect(await store.change('key', undefined, undefined)).toBe(true)
      expect(await store.change('key', 'something', undefined)).toBe(false)
      expect(await store.change('key', null, 1)).toBe(false)
      expect(await store.get('key')).toBeUndefined()
    })

    it('changes only what still is as it was', async () => {
      const { store } = await begin()
      expect(await store.change('key', undefined, { n: 1 })).toBe(true)
      expect(await store.change('key', undefined, { n: 2 })).toBe(false)
      expect(await store.change('key', { n: 2 }, { n: 3 })).toBe(false)
      expect(await store.change('key', undefined, undefined)).toBe(false)
      expect(await store.change('key', { n: 2 }, undefined)).toBe(false)
      expect(await store.get('key')).toEqual({ n: 1 })
      expect(await store.change('key', { n: 1 }, { n: 4 })).toBe(true)
      expect(await store.get('key')).toEqual({ n: 4 })
    })

    it('tells null from nothing', async () => {
      const { store } = await begin()
      await store.change('key', undefined, null)
      expect(await store.change('key', undefined, 1)).toBe(false)
      expect(await store.get('key')).toBeNull()
      expect(await store.change('key', null, 1)).toBe(true)
    })

    it('compares as JSON: the order of members does not matter, a type does', async () => {
      const { store } = await begin()
      await store.change('key', undefined, { a: { x: 1, y: [2] }, b: '1' })
      expect(await store.change('key', { a: { x: 1, y: [2] }, b: 1 }, 'wrong')).toBe(false)
      expect(await store.change('key', { b: '1', a: { y: [2], x: 1 } }, 'right')).toBe(true)
    })

    it('removes, and what was removed can be written again', async () => {
      const { store } = await begin()
      await store.change('key', undefined, 1)
      expect(await store.change('key', 1, undefined)).toBe(true)
      expect(await store.get('key')).toBeUndefined()
      expect(await store.list('', 10)).toEqual([])
      expect(await store.change('key', undefined, 2)).toBe(true)
      expect(await store.list('', 10)).toEqual([['key', 2]])
    })

    it('forgets an entry when its time is over, and it can be written as if it had never been', async () => {
      const { store } = await begin()
      await store.change('key', undefined, 1, Date.now() + 150)
      await store.change('stays', undefined, 2, Date.now() + 3_600_000)
      await vi.waitFor(async () => expect(await store.get('key')).toBeUndefined(), { interval: 20, timeout: 5000 })
      expect(await store.change('key', 1, 3)).toBe(false)
      expect(await store.list('', 10)).toEqual([['stays', 2]])
      expect(await store.change('key', undefined, 4)).toBe(true)
      expect(await store.list('', 10)).toEqual([
        ['key', 4],
        ['stays', 2],
      ])
    })

    it('takes an entry whose time is over already for one that is removed', async () => {
      const { store } = await begin()
      await store.change('key', undefined, 1)
      expect(await store.change('key', 1, 2, Date.now() - 1000)).toBe(true)
      expect(await store.get('key')).toBeUndefined()
      expect(await store.change('key', undefined, 3, Date.now() - 1000)).toBe(true)
      expect(await store.get('key')).toBeUndefined()
    })

    it('keeps for good what is written again without an end', async () => {
      const { store } = await begin()
      const end = Date.now() + 200
      await store.change('key', undefined, 1, end)
      expect(await store.change('key', 1, 2)).toBe(true)
      await store.change('clock', undefined, 1, end)
      await vi.waitFor(async () => expect(await store.get('clock')).toBeUndefined(), { interval: 20, timeout: 5000 })
      expect(await store.get('key')).toBe(2)
    })

    it('lists what begins with a text, in the order of the keys, and no more than asked for', async () => {
      const { store } = await begin()
      const keys = ['b/2', 'a/10', 'a/2', 'a/', 'a', 'a/é', 'a/*', 'ab', 'a/😀', 'a/\uffee', 'a0', 'A/1', 'a/%', 'a/_', 'a/[x]']
      for (const key of keys) await store.change(key, undefined, { key })
      const listed = await store.list('a/', 100)
      expect(listed.map(([key]) => key)).toEqual(['a/', 'a/%', 'a/*', 'a/10', 'a/2', 'a/[x]', 'a/_', 'a/é', 'a/\uffee', 'a/😀'])
      expect(listed[3]).toEqual(['a/10', { key: 'a/10' }])
      expect((await store.list('a/', 3)).map(([key]) => key)).toEqual(['a/', 'a/%', 'a/*'])
      expect(await store.list('a/', 0)).toEqual([])
      expect((await store.list('a/*', 9)).map(([key]) => key)).toEqual(['a/*'])
      expect(await store.list('c', 9)).toEqual([])
      expect((await store.list('', 100)).length).toBe(keys.length)
    })

    it('lists more than one page', async () => {
      const { store } = await begin()
      const keys = Array.from({ length: 1203 }, (_, at) => `n/${String(at).padStart(5, '0')}`)
      for (const [at, key] of keys.entries()) await store.change(key, undefined, at)
      expect((await store.list('n/', 5000)).map(([key]) => key)).toEqual(keys)
      expect((await store.list('n/', 1100)).length).toBe(1100)
    })

    it('lets exactly one of many be the first, across stores', async () => {
      const { store, another } = await begin()
      const stores = [store, another(), another()]
      const tries = Array.from({ length: 30 }, (_, at) => stores[at % 3]?.change('key', undefined, at))
      const won = (await Promise.all(tries)).flatMap((isFirst, at) => (isFirst ? [at] : []))
      expect(won.length).toBe(1)
      expect(await store.get('key')).toBe(won[0])
    })

    it('loses none of many concurrent increments, across stores', async () => {
      const { store, another } = await begin()
      await store.change('count', undefined, 0)
      const increment = async (by: StateStore): Promise<void> => {
        for (;;) {
          const present = Number(await by.get('count'))
          if (await by.change('count', present, present + 1)) return
          await setImmediate()
        }
      }
      const stores = [store, another()]
      await Promise.all(Array.from({ length: 20 }, (_, at) => increment(stores[at % 2] ?? store)))
      expect(await store.get('count')).toBe(20)
    })

    it('keeps keys as they are: case, blanks, what looks like a pattern or a statement', async () => {
      const { store } = await begin()
      const keys = ['k', 'K', 'k ', "k'; DROP TABLE state; --", 'k*', '__proto__', 'ключ', 'x'.repeat(512)]
      for (const key of keys) expect(await store.change(key, undefined, key)).toBe(true)
      for (const key of keys) expect(await store.get(key)).toBe(key)
    })

    it('keeps a member called __proto__ a member', async () => {
      const { store } = await begin()
      const odd = JSON.parse('{"__proto__":{"a":1},"b":2}') as Json
      await store.change('key', undefined, odd)
      expect(JSON.stringify(await store.get('key'))).toBe('{"__proto__":{"a":1},"b":2}')
      expect(await store.change('key', { b: 2 }, 'wrong')).toBe(false)
    })

    it('takes 64 KiB and refuses more, and keys that are too long or no text', async () => {
      const { store } = await begin()
      expect(await store.change('key', undefined, 'x'.repeat(64 * 1024 - 2))).toBe(true)
      await expect(store.change('more', undefined, 'x'.repeat(64 * 1024 - 1))).rejects.toEqual(unavailable)
      await expect(store.change('more', undefined, 'ö'.repeat(32 * 1024))).rejects.toEqual(unavailable)
      for (const key of ['', 'x'.repeat(513), 'a\u0000b', '\ud800']) {
        await expect(store.get(key)).rejects.toEqual(unavailable)
        await expect(store.change(key, undefined, 1)).rejects.toEqual(unavailable)
      }
      expect((await store.list('', 10)).map(([key]) => key)).toEqual(['key'])
    })

    it('says so after it was closed, and closes twice', async () => {
      const { store } = await begin()
      await store.change('key', undefined, 1)
      await store.close()
      await expect(store.get('key')).rejects.toEqual(unavailable)
      await expect(store.change('key', 1, 2)).rejects.toEqual(unavailable)
      await expect(store.list('', 1)).rejects.toEqual(unavailable)
      await store.close()
    })
  })
}
