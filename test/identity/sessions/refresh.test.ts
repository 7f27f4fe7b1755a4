import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import type { Identity } from '../../../src/types.ts'
import { accountOf, identityOf, minute } from '../harness.ts'
import { ended, gate, notTaken, replicas, settled, tokensAt, unknown } from './refresh-setup.ts'

const down = new PosternError('store-unavailable', 'gone')
const tokensOf = async (who: { session?: { tokens?: unknown } } | Promise<{ session?: { tokens?: unknown } }>) =>
  (await who).session?.tokens as { access: string; refresh?: string; spentAt?: number; refreshAt?: number } | undefined
const identityIn = async (who: { session?: { identity: Identity } } | Promise<{ session?: { identity: Identity } }>) =>
  (await who).session?.identity

describe('a session with tokens', () => {
  it('is left alone until they are due, without anything to wait for', async () => {
    const { start, anna, clock, board, log } = replicas()
    const here = start({ board: { ...board, lease: () => Promise.reject(down) } })
    const cookies = await anna(here)
    clock.pass(4 * minute - 1)
    await here.who(cookies) // read again, for it was read long ago
    expect(here.who(cookies)).not.toBeInstanceOf(Promise)
    await settled()
    expect(log.servers).toEqual([])
    clock.pass(1)
    await here.who(cookies)
    await settled()
    expect(log.servers).toEqual(['tokens could not be refreshed'])
  })

  it('is refreshed behind the back of the request before the access token ends', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    clock.pass(4 * minute)
    expect((await tokensOf(here.who(cookies)))?.access).toBe('access-0')
    await settled()
    expect(await tokensOf(here.who(cookies))).toEqual(tokensAt(clock.now, { access: 'access-1', refresh: 'refresh-1' }))
    expect(play.spent).toEqual(['refresh-0'])
    expect(here.results).toEqual(['PLAY refreshed'])
  })

  it('holds its request up once the access token has ended, and gives it the new one', async () => {
    const { start, anna, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    clock.pass(6 * minute)
    expect((await tokensOf(here.who(cookies)))?.access).toBe('access-1')
  })

  it('lets a request go on with what it has where the provider takes too long', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(6 * minute)
    expect((await tokensOf(here.who(cookies)))?.access).toBe('access-0')
    waiting.open()
    await settled()
    expect((await tokensOf(here.who(cookies)))?.access).toBe('access-1')
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('stays with the one who asked for as long as the provider takes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const { start, anna, play, clock, board } = replicas()
    const here = start()
    const cookies = await anna(here)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(4 * minute)
    const { session } = await here.who(cookies)
    await vi.waitFor(() => expect(play.spent).toHaveLength(1))
    for (let passed = 0; passed < 30_000; passed += 4000) {
      clock.pass(4000)
      await vi.advanceTimersByTimeAsync(4000)
      expect(await board.lease(`refresh/${session?.id}`, 1)).toBeUndefined()
    }
    waiting.open()
    await vi.waitFor(async () => expect(await board.lease(`refresh/${session?.id}`, 1)).toBeDefined())
  })

  it('is asked about once for fifty requests at a time', async () => {
    const { start, anna, play, clock } = replicas({ pause: () => new Promise(() => {}) })
    const here = start()
    const cookies = await anna(here)
    clock.pass(6 * minute)
    const all = await Promise.all(Array.from({ length: 50 }, () => tokensOf(here.who(cookies))))
    expect(new Set(all.map((tokens) => tokens?.access))).toEqual(new Set(['access-1']))
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('is asked about once by two replicas, and both have the new tokens', async () => {
    const { start, anna, play, clock } = replicas()
    const [here, there] = [start(), start()]
    const cookies = await anna(here)
    await there.who(cookies)
    clock.pass(6 * minute)
    const both = await Promise.all([tokensOf(here.who(cookies)), tokensOf(there.who(cookies))])
    expect(both.map((tokens) => tokens?.access)).toEqual(['access-1', 'access-1'])
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('is not asked about again by a replica that has not heard yet', async () => {
    const { start, anna, play, clock } = replicas()
    const [here, there] = [start(), start()]
    const cookies = await anna(here)
    clock.pass(4 * minute - 500)
    await there.who(cookies)
    clock.pass(500)
    await here.who(cookies)
    await settled()
    expect((await tokensOf(there.who(cookies)))?.access).toBe('access-0') // as it was read half a second ago
    await settled()
    expect((await tokensOf(there.who(cookies)))?.access).toBe('access-1')
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('never sends a token twice, however often it is refreshed and wherever', async () => {
    const { start, anna, play, clock } = replicas()
    const all = [start(), start(), start()]
    const cookies = await anna(all[0]!)
    for (let round = 0; round < 12; round++) {
      clock.pass(4 * minute + (round % 3) * minute)
      await Promise.all(all.flatMap((replica) => [replica.who(cookies), replica.who(cookies)]))
      await settled()
    }
    expect(play.spent).toHaveLength(12)
    expect(new Set(play.spent).size).toBe(12)
  })
})

describe('what came back', () => {
  it('is another identity object, so that every verdict is made anew', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    const before = await identityIn(here.who(cookies))
    play.identity = ({ identity }) => ({ ...identity, groups: ['guests'], claims: { ...identity.claims, hd: 'other.org' } })
    clock.pass(6 * minute)
    const now = await identityIn(here.who(cookies))
    expect(now).toMatchObject({ groups: ['guests'], claims: { hd: 'other.org' } })
    expect(now).not.toBe(before)
  })

  it('keeps what the session is: its id, its age, its end, its factors', async () => {
    const { start, portal, clock } = replicas()
    const here = start()
    const opened = await here.keeper.open(identityOf('anna'), portal.session, clock.now, {
      tokens: tokensAt(clock.now),
      factors: { SECOND: clock.now },
      endsAt: clock.now + 60 * minute,
    })
    const cookies = opened.cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ')
    clock.pass(6 * minute)
    const { session } = await here.who(cookies)
    const { id, createdAt, endsAt, factors } = opened.session
    expect(session).toMatchObject({ id, createdAt, endsAt, factors })
    expect(session?.tokens?.access).toBe('access-1')
  })

  it('is shaped again, with the new access token', async () => {
    const seen: (string | undefined)[] = []
    const { start, anna, clock, log } = replicas({
      enrolment: {
        shape: async (identity, _, accessToken) => {
          seen.push(accessToken)
          return { ...identity, account: 'c-anna' }
        },
      },
    })
    const here = start()
    const cookies = await anna(here)
    clock.pass(6 * minute)
    expect(accountOf(await here.who(cookies))).toBe('c-anna')
    expect(seen).toEqual(['access-1'])
    expect(log.audits).toMatchObject([
      { msg: 'account changed at a refresh', fields: { account: 'c-anna', before: 'anna@company.com' } },
    ])
  })

  it('stands in every portal at which the account was made ready', async () => {
    const made: string[] = []
    const { start, portal, clock } = replicas({
      enrolment: { provision: async (_, { portal: name }) => void made.push(name) },
    })
    for (const provider of portal.providers) Object.assign(provider, { fingerprint: 'f' })
    const here = start()
    const { cookies } = await here.keeper.open(identityOf('anna'), portal.session, clock.now, {
      tokens: tokensAt(clock.now),
      madeBy: 'f/home/mail',
    })
    clock.pass(6 * minute)
    await here.who(cookies.map((cookie) => cookie.split(';', 1)[0]).join('; '))
    expect(made).toEqual(['home', 'mail'])
  })

  it.each(['no-profile', 'post-login-refused', 'link-conflict'] as const)(
    'ends the session where it means %s',
    async (reason) => {
      const shape = async () => {
        throw new PosternError(reason, 'not any more')
      }
      const { start, anna, clock } = replicas({ enrolment: { shape } })
      const here = start()
      const cookies = await anna(here)
      clock.pass(6 * minute)
      expect((await here.who(cookies)).outcome.kind).toBe('absent')
      expect(here.results).toEqual(['PLAY ended'])
    },
  )

  it.each(['post-login-failed', 'store-unavailable', 'provisioning-failed'] as const)(
    'leaves the person as they were, with new tokens, where it cannot be looked up: %s',
    async (reason) => {
      const provision = async () => {
        throw new PosternError(reason, 'down')
      }
      const { start, anna, clock, play } = replicas({
        enrolment: { shape: async (identity) => ({ ...identity, account: 'new' }), provision },
      })
      play.identity = ({ identity }) => ({ ...identity, groups: ['of somebody who was not looked up'] })
      const here = start()
      const cookies = await anna(here)
      clock.pass(6 * minute)
      const who = await here.who(cookies)
      expect(who.session?.identity).toMatchObject({ account: 'anna@company.com', groups: ['staff'] })
      expect(who.session?.tokens?.refresh).toBe('refresh-1')
      clock.pass(6 * minute)
      await here.who(cookies)
      expect(play.spent).toEqual(['refresh-0', 'refresh-1'])
    },
  )

  it('is not looked up where the provider itself could not be asked about the person', async () => {
    const { start, anna, clock, play } = replicas({ enrolment: { shape: async (identity) => ({ ...identity, account: 'x' }) } })
    play.identity = ({ identity }) => identity
    const here = start()
    const cookies = await anna(here)
    clock.pass(6 * minute)
    expect(accountOf(await here.who(cookies))).toBe('anna@company.com')
  })
})

describe('a refusal of the provider', () => {
  it('is what claims are that no session can hold', async () => {
    const { start, anna, play, clock, log } = replicas()
    const here = start()
    const cookies = await anna(here)
    play.identity = ({ identity }) => ({ ...identity, claims: { ...identity.claims, memberOf: 'g'.repeat(5_000_000) } })
    clock.pass(6 * minute)
    expect((await here.who(cookies)).outcome.kind).toBe('absent')
    expect(here.results).toEqual(['PLAY ended'])
    expect(log.audits).toHaveLength(1)
  })

  it('ends the session, here and elsewhere, and says so', async () => {
    const { start, anna, play, clock, log } = replicas()
    const [here, there] = [start(), start()]
    const cookies = await anna(here)
    await there.who(cookies)
    play.failure = ended
    clock.pass(6 * minute)
    const who = await here.who(cookies)
    expect(who).toMatchObject({ outcome: { kind: 'absent' }, expired: { identity: { subject: 'anna' } } })
    expect(who.cookies.some((cookie) => cookie.includes('Max-Age=0'))).toBe(true)
    expect((await there.who(cookies)).outcome.kind).toBe('absent')
    expect(log.audits.at(-1)).toMatchObject({
      msg: 'session ended at its refresh',
      fields: { provider: 'PLAY', account: 'anna@company.com', detail: 'token endpoint: invalid_grant' },
    })
    expect(JSON.stringify(log)).not.toMatch(/refresh-\d|access-\d/)
  })
})

describe('a provider that is down', () => {
  it('is asked again after 30 seconds, then more and more seldom, with the same token, and nobody is signed out', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    play.failure = notTaken
    const tries: number[] = []
    clock.pass(6 * minute)
    for (let second = 0; second <= 600; second += 10) {
      const before = play.spent.length
      expect((await here.who(cookies)).outcome.kind).toBe('identified')
      await settled()
      if (play.spent.length > before) tries.push(second)
      clock.pass(10_000)
    }
    expect(tries).toEqual([0, 30, 90, 210, 450])
    play.failure = undefined
    clock.pass(5 * minute)
    expect((await tokensOf(here.who(cookies)))?.refresh).toBe('refresh-6')
    expect(new Set(play.spent)).toEqual(new Set(['refresh-0']))
    play.failure = notTaken
    clock.pass(6 * minute)
    await here.who(cookies)
    clock.pass(30_000)
    await here.who(cookies)
    await settled()
    expect(play.spent.slice(6)).toEqual(['refresh-6', 'refresh-6']) // the next trouble begins with short waits again
  })

  it('without saying what became of the token, is never sent it again, and the session stays to its end', async () => {
    const { start, anna, play, clock, log } = replicas()
    const here = start()
    const cookies = await anna(here)
    play.failure = unknown
    clock.pass(4 * minute)
    await here.who(cookies)
    await settled()
    play.failure = undefined
    clock.pass(20 * minute)
    const who = await here.who(cookies)
    await settled()
    expect(who.outcome.kind).toBe('identified')
    expect(who.session?.tokens).toEqual({ access: 'access-0', accessEndsAt: expect.any(Number) })
    expect(play.spent).toEqual(['refresh-0'])
    expect(log.audits.map(({ msg }) => msg)).toEqual(['session goes on without being refreshed'])
  })

  it('and an error of our own counts as that', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    play.failure = new TypeError('secret words')
    clock.pass(6 * minute)
    expect((await here.who(cookies)).outcome.kind).toBe('identified')
    expect(here.results).toEqual(['PLAY lost'])
    expect(JSON.stringify(here.log)).not.toContain('secret words')
  })
})

describe('a process that is killed between the mark and the answer', () => {
  async function killed() {
    const world = replicas()
    const [here, there] = [world.start(), world.start()]
    const cookies = await world.anna(here)
    await there.who(cookies)
    world.play.gate = new Promise(() => {}) // no answer will ever come
    world.clock.pass(4 * minute)
    await here.who(cookies)
    await settled()
    world.play.gate = undefined
    expect(world.play.spent).toEqual(['refresh-0'])
    return { ...world, there, cookies }
  }

  it('leaves a token that nobody sends again, and the session goes on', async () => {
    const { there, cookies, clock, play, log } = await killed()
    for (let second = 0; second < 600; second += 5) {
      clock.pass(5000)
      expect((await there.who(cookies)).outcome.kind).toBe('identified')
      await settled()
    }
    expect(play.spent).toEqual(['refresh-0'])
    expect((await tokensOf(there.who(cookies)))?.refresh).toBeUndefined()
    expect(log.audits).toHaveLength(1)
  })

  it('is given a minute: it may be alive without its lease', async () => {
    const { there, cookies, clock } = await killed()
    clock.pass(50_000)
    await there.who(cookies)
    await settled()
    expect((await tokensOf(there.who(cookies)))?.refresh).toBe('refresh-0')
  })
})

describe('a store that is down', () => {
  const flaky = (state: { down: boolean }) => (own: SessionStore) => ({
    ...own,
    replace: async (...args: Parameters<SessionStore['replace']>) => {
      if (state.down) throw down
      return own.replace(...args)
    },
    read: async (...args: Parameters<SessionStore['read']>) => {
      if (state.down) throw down
      return own.read(...args)
    },
  })

  it('loses no new token: the process goes on trying to write it', async () => {
    const { start, anna, play, clock } = replicas()
    const state = { down: false }
    const here = start({ store: flaky(state) })
    const cookies = await anna(here)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(4 * minute)
    await here.who(cookies)
    await settled()
    state.down = true
    waiting.open()
    await settled()
    state.down = false
    await settled()
    clock.pass(2000)
    expect((await tokensOf(here.who(cookies)))?.refresh).toBe('refresh-1')
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('writes it even where another process has given the mark up meanwhile', async () => {
    const { start, anna, play, clock, board } = replicas()
    const lost = { ...board, lease: async () => ({ renew: async () => false, release: async () => {} }) }
    const [here, there] = [start({ board: lost }), start()]
    const cookies = await anna(here)
    await there.who(cookies)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(4 * minute)
    await here.who(cookies)
    await settled()
    clock.pass(61_000)
    await there.who(cookies)
    await settled()
    expect((await tokensOf(there.who(cookies)))?.refresh).toBeUndefined()
    waiting.open()
    await settled()
    clock.pass(2000)
    expect((await tokensOf(there.who(cookies)))?.refresh).toBe('refresh-1')
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('before anything was sent costs nothing but time: the mark is known to be its own', async () => {
    const { start, anna, play, clock } = replicas()
    let silent = true
    // it was written, and the answer was lost
    const here = start({
      store: (own) => ({
        ...own,
        replace: async (record, until) => {
          const token = await own.replace(record, until)
          if (!silent) return token
          silent = false
          throw down
        },
      }),
    })
    const cookies = await anna(here)
    clock.pass(6 * minute)
    expect((await tokensOf(here.who(cookies)))?.access).toBe('access-0')
    expect(play.spent).toEqual([])
    clock.pass(6000)
    expect((await tokensOf(here.who(cookies)))?.refresh).toBe('refresh-1')
    expect(play.spent).toEqual(['refresh-0'])
  })

  it('with the board away nobody is refreshed and nobody is signed out', async () => {
    const { start, anna, play, clock, board } = replicas()
    const here = start({ board: { ...board, lease: () => Promise.reject(down) } })
    const cookies = await anna(here)
    clock.pass(6 * minute)
    expect((await here.who(cookies)).outcome.kind).toBe('identified')
    expect(play.spent).toEqual([])
  })
})

describe('the end', () => {
  it('of a session while it is refreshed stays the end', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(4 * minute)
    const { session } = await here.who(cookies)
    await settled()
    if (session) await here.keeper.end(session, clock.now)
    waiting.open()
    await settled()
    expect((await here.who(cookies)).outcome.kind).toBe('absent')
  })

  it('of a process waits for what is under way and begins nothing', async () => {
    const { start, anna, play, clock } = replicas()
    const here = start()
    const cookies = await anna(here)
    const waiting = gate()
    play.gate = waiting.closed
    clock.pass(4 * minute)
    await here.who(cookies)
    await settled()
    let isClosed = false
    const closing = here.close().then(() => {
      isClosed = true
    })
    await settled()
    expect(isClosed).toBe(false)
    waiting.open()
    await closing
    clock.pass(6 * minute)
    expect((await tokensOf(here.who(cookies)))?.refresh).toBe('refresh-1')
    expect(play.spent).toEqual(['refresh-0'])
  })
})
