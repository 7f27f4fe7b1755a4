import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { wentIdle } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createCookieStore } from '../../../src/identity/sessions/stores/cookie.ts'
import type { Session } from '../../../src/types.ts'
import { identityOf, keyA, minute, noon } from '../harness.ts'

import { headerFor, headerOf, keeperOf, request, rules } from './keeper.ts'

describe('time', () => {
  it('ends a session that was idle, and says so', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 30 * minute - 1)).session).toBeDefined()
    const over = await keeper.find(header, rules, noon + 30 * minute)
    expect(over.session).toBeUndefined()
    expect(over.expired?.identity).toEqual(identityOf('anna'))
    expect(over.cookies).toEqual([])
    expect(wentIdle(over.expired as Session)).toBe(true)
  })

  it.each([4000, 20_000, 70_000, 120_000, 600_000])(
    'ends no session of %i ms idle time that is used all the while',
    async (idle) => {
      const keeper = keeperOf()
      let header = await headerFor(identityOf('anna'), keeper, noon, { ...rules, idle })
      for (let now = noon; now < noon + 20 * idle; now += idle / 3) {
        const found = await keeper.find(request(header), { ...rules, idle }, now, true)
        expect(found.session).toBeDefined()
        if (found.cookies.length > 0) header = headerOf(found.cookies)
      }
    },
  )

  it('ends a session for good, however busy it was', async () => {
    const keeper = keeperOf()
    let header = await headerFor(identityOf('anna'), keeper)
    let now = noon
    let ends = 0
    while (now < noon + 600 * minute) {
      now += 10 * minute
      const found = await keeper.find(request(header), rules, now, true)
      if (!found.session) break
      ends = found.session.endsAt
      if (found.cookies.length > 0) header = headerOf(found.cookies)
    }
    expect(now).toBe(noon + 480 * minute)
    const { expired } = await keeper.find(request(header), rules, now)
    expect(wentIdle(expired as Session)).toBe(false)
    expect(ends).toBe(noon + 480 * minute)
  })

  it('ends no later than the provider says', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon, { endsAt: noon + 5 * minute })
    expect([session.endsAt, session.idleUntil]).toEqual([noon + 5 * minute, noon + 5 * minute])
    expect((await keeper.find(request(headerOf(cookies)), rules, noon + 5 * minute)).session).toBeUndefined()
  })

  it('that was shortened by the configuration shortens sessions that are open', async () => {
    const header = request(await headerFor(identityOf('anna')))
    const shorter = { ...rules, idle: 5 * minute }
    expect((await keeperOf().find(header, shorter, noon + 6 * minute)).session).toBeUndefined()
    expect((await keeperOf().find(header, { ...rules, lifetime: minute }, noon + 2 * minute)).session).toBeUndefined()
    expect((await keeperOf().find(header, rules, noon + 6 * minute)).session).toBeDefined()
  })

  it('with idle 0 counts the lifetime only', async () => {
    const never = { ...rules, idle: 0 }
    const header = request(await headerFor(identityOf('anna'), keeperOf(), noon, never))
    expect((await keeperOf().find(header, never, noon + 479 * minute, true)).session).toBeDefined()
    expect((await keeperOf().find(header, never, noon + 480 * minute, true)).session).toBeUndefined()
  })
})

describe('renewal', () => {
  it('happens once per tenth of the idle time, for a whole burst', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 3 * minute - 1, true)).cookies).toEqual([])
    const burst = await Promise.all(Array.from({ length: 20 }, () => keeper.find(header, rules, noon + 3 * minute, true)))
    expect(new Set(burst.map(({ cookies }) => cookies[0])).size).toBe(1)
    expect(burst[0]?.cookies).toHaveLength(1)
    const late = await keeper.find(header, rules, noon + 4 * minute, true)
    expect(late.cookies).toEqual(burst[0]?.cookies)
    const renewed = request(headerOf(late.cookies))
    expect((await keeper.find(renewed, rules, noon + 4 * minute, true)).cookies).toEqual([])
    expect((await keeper.find(renewed, rules, noon + 32 * minute)).session).toBeDefined()
    expect((await keeper.find(renewed, rules, noon + 33 * minute)).session).toBeUndefined()
  })

  it('keeps id, identity object, beginning and end', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon)
    const { session: renewed, cookies: fresh } = await keeper.find(request(headerOf(cookies)), rules, noon + 10 * minute, true)
    expect(renewed).toEqual({ ...session, idleUntil: noon + 40 * minute })
    expect(renewed?.identity).toBe(session.identity)
    const next = await keeper.find(request(headerOf(fresh)), rules, noon + 10 * minute)
    expect(next.session?.identity).toBe(session.identity)
  })

  it('never comes more often than every minute, and not where it would change nothing', async () => {
    const keeper = keeperOf()
    const quick = { ...rules, idle: 2 * minute }
    const header = request(await headerFor(identityOf('anna'), keeper, noon, quick))
    expect((await keeper.find(header, quick, noon + minute - 1, true)).cookies).toEqual([])
    expect((await keeper.find(header, quick, noon + minute, true)).cookies).toHaveLength(1)
    const short = { ...rules, lifetime: 20 * minute }
    const ending = request(await headerFor(identityOf('anna'), keeper, noon, short))
    expect((await keeper.find(ending, short, noon + 10 * minute, true)).cookies).toEqual([])
  })

  it('is not done for a request that does not extend the session', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 10 * minute)).cookies).toEqual([])
  })

  it('that the store cannot take signs nobody out, and is tried again soon', async () => {
    const inner = createCookieStore(createSealer([keyA]))
    let tries = 0
    let down = false
    const touch: SessionStore['touch'] = (record, until) => {
      tries++
      return down ? Promise.reject(new PosternError('store-unavailable', 'down')) : inner.touch(record, until)
    }
    const keeper = keeperOf({ store: { ...inner, touch } })
    const header = request(await headerFor(identityOf('anna'), keeper))
    await keeper.find(header, rules, noon + 5 * minute)
    down = true
    for (const later of [0, 1, 999]) {
      const found = await keeper.find(header, rules, noon + 5 * minute + later, true)
      expect([found.session?.identity.subject, found.cookies]).toEqual(['anna', []])
    }
    expect(tries).toBe(1)
    down = false
    expect((await keeper.find(header, rules, noon + 5 * minute + 1000, true)).cookies).toHaveLength(1)
  })
})
