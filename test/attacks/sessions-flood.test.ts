// One person with more open connections than anybody has, and many people whose time is over at once: all of them are looked at by one
// timer, in one thread, so what each costs must not grow with how many there are.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Session } from '../../src/types.ts'
import { createOpenConnections } from '../../src/upstream/open-connections.ts'

const start = Date.UTC(2026, 10, 22, 12)
const minute = 60_000

beforeEach(() => void vi.useFakeTimers({ now: start }))
afterEach(() => void vi.useRealTimers())

it.each([
  ['one person', 120_000, (_at: number) => 'a'],
  ['as many people', 60_000, (at: number) => `session-${at}`],
])('connections of %s go on with one question for each session, and end with it', async (_whose, count, idOf) => {
  const asked = new Map<string, number>()
  const until = { now: start + 3 * minute }
  const connections = createOpenConnections({
    clock: () => Date.now(),
    stillOpen: async ({ id }) => {
      asked.set(id, (asked.get(id) ?? 0) + 1)
      return until.now
    },
  })
  let closed = 0
  for (let at = 0; at < count; at++) {
    const session = { id: idOf(at), endsAt: start + 480 * minute } as Session
    connections.add('stream', { session, endsAt: start + minute }, () => void closed++)
  }
  await vi.advanceTimersByTimeAsync(2 * minute)
  expect(new Set(asked.values())).toEqual(new Set([1]))
  expect(closed).toBe(0)
  until.now = start
  await vi.advanceTimersByTimeAsync(2 * minute)
  expect(closed).toBe(count)
})
