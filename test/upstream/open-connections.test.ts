// Time in these is the test's: what is closed when, and who is asked how often.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Session } from '../../src/types.ts'
import { createOpenConnections, type SessionWatch } from '../../src/upstream/open-connections.ts'

const start = Date.UTC(2026, 10, 22, 12)
const second = 1000
const minute = 60 * second
const sessionOf = (id: string, endsAt = start + 480 * minute) => ({ id, endsAt }) as Session

beforeEach(() => void vi.useFakeTimers({ now: start }))
afterEach(() => void vi.useRealTimers())

function world(extra: Partial<SessionWatch> = {}) {
  const revoked = new Set<string>()
  const listeners = new Set<() => void>()
  let looks = 0
  const closed: string[] = []
  const watch: SessionWatch = {
    clock: () => Date.now(),
    isRevoked: ({ id }) => {
      looks++
      return revoked.has(id)
    },
    onRevocation: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    ...extra,
  }
  const connections = createOpenConnections(watch)
  const open = (id: string, endsAt?: number, kind: 'stream' | 'answer' = 'stream', session = sessionOf(id)) =>
    connections.add(kind, { session, ...(endsAt === undefined ? {} : { endsAt }) }, (why) => void closed.push(`${id}: ${why}`))
  const revoke = (...ids: readonly string[]) => {
    for (const id of ids) {
      revoked.add(id)
      for (const listener of listeners) listener()
    }
  }
  return { connections, listeners, closed, open, revoke, revoked, looks: () => looks }
}
const out = (id: string) => `${id}: its person was signed out`
const over = (id: string) => `${id}: its session is over`

describe('what a revocation closes', () => {
  it('are the streams of that session, at once and once, and no others', () => {
    const { open, revoke, closed } = world()
    open('a')
    open('a')
    open('b')
    revoke('a')
    revoke('c')
    vi.advanceTimersByTime(minute)
    expect(closed).toEqual([out('a'), out('a')])
  })

  it('is nothing that has ended by itself before', () => {
    const { open, revoke, closed } = world()
    open('a')()
    revoke('a')
    expect(closed).toEqual([])
  })

  it('is what was opened just after it', () => {
    const { open, revoked, closed } = world()
    revoked.add('a')
    open('a')
    expect(closed).toEqual([out('a')])
  })

  it('is looked for in all of them a few times a second at most, and none is missed', () => {
    const { open, revoke, closed, looks } = world()
    for (let at = 0; at < 100; at++) open(`s${at}`)
    const before = looks()
    const ids = Array.from({ length: 50 }, (_, at) => `s${at}`)
    revoke(...ids)
    vi.advanceTimersByTime(500)
    expect(closed).toEqual(ids.map(out))
    expect(looks() - before).toBeLessThanOrEqual(200)
  })

  it('is an answer that has gone on for ten seconds, and no shorter one', () => {
    const { open, revoke, closed } = world()
    open('a', undefined, 'answer')
    const done = open('a', undefined, 'answer')
    vi.advanceTimersByTime(4 * second)
    revoke('a')
    vi.advanceTimersByTime(5 * second)
    expect(closed).toEqual([])
    done()
    vi.advanceTimersByTime(second)
    expect(closed).toEqual([out('a')])
  })
})

describe('what time closes', () => {
  it('are streams at the end of their session, at the very moment', () => {
    const { open, closed } = world()
    open('a', start + 30 * minute)
    open('b', start + 20 * minute)
    open('c')
    vi.advanceTimersByTime(20 * minute - 1)
    expect(closed).toEqual([])
    vi.advanceTimersByTime(1)
    expect(closed).toEqual([over('b')])
    vi.advanceTimersByTime(10 * minute)
    expect(closed).toEqual([over('b'), over('a')])
  })

  it('is an answer when its session could not be renewed any more, and not before', () => {
    const { open, closed } = world()
    open('a', start + minute, 'answer', sessionOf('a', start + 5 * minute))
    vi.advanceTimersByTime(5 * minute - 1)
    expect(closed).toEqual([])
    vi.advanceTimersByTime(1)
    expect(closed).toEqual([over('a')])
  })

  it('also is what a credential has opened that is no session', () => {
    const { connections, closed } = world()
    connections.add('stream', { endsAt: start + minute }, (why) => void closed.push(why))
    connections.add('stream', {}, (why) => void closed.push(why))
    vi.advanceTimersByTime(minute)
    expect(closed).toHaveLength(1)
  })

  it('is told by the clock, however long a machine has slept', () => {
    let now = start
    const { open, closed } = world({ clock: () => now })
    open('a', start + 30 * minute)
    now += 60 * minute
    vi.advanceTimersByTime(second)
    expect(closed).toEqual([over('a')])
  })

  it('is nothing whose session was renewed meanwhile: asked once for all of a session, again at the new end', async () => {
    const asked: string[] = []
    const ends = new Map([['a', start + 45 * minute]])
    const { open, closed } = world({
      stillOpen: async ({ id }) => {
        asked.push(id)
        return ends.get(id)
      },
    })
    for (const id of ['a', 'a', 'b']) open(id, start + 30 * minute)
    await vi.advanceTimersByTimeAsync(30 * minute)
    expect([asked, closed]).toEqual([['a', 'b'], [over('b')]])
    await vi.advanceTimersByTimeAsync(15 * minute - 1)
    expect(closed).toEqual([over('b')])
    await vi.advanceTimersByTimeAsync(1)
    expect(asked).toEqual(['a', 'b', 'a'])
    expect(closed).toEqual([over('b'), over('a'), over('a')]) // what is said is past by now
  })

  it('is what nobody can say of whether it is open', async () => {
    const { open, closed } = world({ stillOpen: () => Promise.reject(new Error('the store is gone')) })
    open('a', start + minute)
    await vi.advanceTimersByTimeAsync(minute)
    expect(closed).toEqual([over('a')])
  })

  it('is not closed twice where it is revoked while that is asked', async () => {
    const said: ((end: undefined) => void)[] = []
    const { open, revoke, closed } = world({ stillOpen: () => new Promise((resolve) => said.push(resolve)) })
    open('a', start + minute)
    open('b', start + 5 * minute)
    await vi.advanceTimersByTimeAsync(2 * minute)
    expect(said).toHaveLength(1)
    revoke('a')
    said[0]?.(undefined)
    await vi.advanceTimersByTimeAsync(minute)
    expect(closed).toEqual([out('a')])
  })

  it('is an answer whose person is signed out while that is asked, ten seconds after it began, whatever is said then', async () => {
    const said: ((end: number) => void)[] = []
    const { connections, revoke, closed } = world({ stillOpen: () => new Promise((resolve) => said.push(resolve)) })
    connections.add('answer', { session: sessionOf('a', start + second) }, (why) => void closed.push(`a: ${why}`))
    await vi.advanceTimersByTimeAsync(2 * second)
    expect(said).toHaveLength(1)
    revoke('a')
    said[0]?.(start + 60 * minute)
    await vi.advanceTimersByTimeAsync(10 * second)
    expect(closed).toEqual([out('a')])
  })
})

describe('ten thousand open connections', () => {
  it('have one timer and one listener between them, and none when they are gone', () => {
    const { connections, open, listeners } = world()
    const ends = Array.from({ length: 10_000 }, (_, at) => open(`s${at}`, start + (at + 1) * second))
    expect([vi.getTimerCount(), listeners.size]).toEqual([1, 1])
    connections.close()
    expect(listeners.size).toBe(1)
    for (const end of ends) end()
    expect([vi.getTimerCount(), listeners.size]).toEqual([0, 0])
  })
})
