// The keeper over a store that keeps the sessions, as several replicas have it.
import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createRevocations, type Revocations } from '../../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import type { Found, KeeperOptions, SessionKeeper } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { observeStore } from '../../../src/identity/sessions/stores/observed.ts'
import type { Session } from '../../../src/types.ts'
import { identityOf, keyA, keyB, minute, noon, rulesOf, TestClock, TestLog } from '../harness.ts'
import { headerOf, isDeletion, keeperOf, request, rules } from './keeper.ts'

const second = 1000
const down = () => Promise.reject(new PosternError('store-unavailable', 'down'))

/** Replicas over the same sessions; each believes what it read for five seconds. `calls` counts what each of them asks. */
function replicas(options: Partial<KeeperOptions> = {}) {
  const sessions = createMemorySessions()
  const clock = new TestClock()
  const start = (keys: readonly string[] = [keyA], extra: Partial<SessionStore> = {}) => {
    const sealer = createSealer(keys)
    const calls: string[] = []
    const inner = { ...createMemoryStore({ sessions, sealer, clock: clock.read }), staleness: 5 * second, ...extra }
    const store = observeStore(inner, {
      stopwatch: () => 0,
      onStoreCall: (operation) => void calls.push(operation),
      onStoreError: (operation) => void calls.push(`${operation} failed`),
    })
    return { keeper: keeperOf({ sealer, store, ...options }), store, calls }
  }
  return { sessions, clock, start }
}
const opened = async (keeper: SessionKeeper, extra = {}) => {
  const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon, extra)
  return { session, header: request(headerOf(cookies)) }
}

describe('a session that the store keeps', () => {
  it('is opened by a short token, at every replica, and by nothing that the store could tell', async () => {
    const { start } = replicas()
    const [one, two] = [start(), start()]
    const { session, header } = await opened(one.keeper)
    expect(header.cookies).toMatch(/^postern-home=s1\.[\w-]{24}\.[\w-]{43}$/)
    expect((await two.keeper.find(header, rules, noon)).session).toEqual(session)
    const guess = request(`postern-home=s1.${session.id}.${'A'.repeat(43)}`)
    const found = await two.keeper.find(guess, rules, noon)
    expect([found.session, found.cookies.every(isDeletion), found.cookies.length]).toEqual([undefined, true, 1])
  })

  it('is found synchronously as the same objects while what was read is believed, and asked once for a whole burst after that', async () => {
    const { start } = replicas()
    const { keeper, calls } = start()
    const { session, header } = await opened(keeper)
    for (const later of [0, 1, 4999]) expect((keeper.find(header, rules, noon + later, true) as Found).session).toBe(session)
    expect(calls).toEqual(['create'])
    const burst = await Promise.all([1, 2, 3].map(() => keeper.find(header, rules, noon + 5 * second)))
    expect(calls).toEqual(['create', 'read'])
    for (const found of burst) expect(found.session).toBe(session)
    expect((keeper.find(header, rules, noon + 9 * second) as Found).session).toBe(session)
  })

  it('opens its own portal only, also where both ask at once', async () => {
    const { start } = replicas()
    const { header } = await opened(start().keeper)
    const { keeper } = start()
    const mail = rulesOf('mail', { cookieName: rules.cookieName })
    const [wrong, right] = await Promise.all([keeper.find(header, mail, noon), keeper.find(header, rules, noon)])
    expect([wrong.session, right.session?.audience]).toEqual([undefined, 'home'])
  })

  it('is renewed once per tenth of its idle time, by one of the replicas, without a cookie', async () => {
    const { start, clock } = replicas()
    const [one, two] = [start(), start()]
    const { session, header } = await opened(one.keeper)
    for (const { keeper } of [one, two]) await keeper.find(header, rules, noon)
    clock.pass(3 * minute)
    const found = await Promise.all(Array.from({ length: 20 }, () => one.keeper.find(header, rules, clock.now, true)))
    expect(found.every(({ cookies }) => cookies.length === 0)).toBe(true)
    expect(found[0]?.session).toEqual({ ...session, idleUntil: clock.now + 30 * minute })
    expect(found[0]?.session?.identity).toBe(session.identity)
    await two.keeper.find(header, rules, clock.now + second, true)
    const touches = [...one.calls, ...two.calls].filter((call) => call === 'touch')
    expect(touches).toHaveLength(1)
  })

  it('gets a token of the new first key when it is renewed', async () => {
    const { start, clock } = replicas()
    const { header } = await opened(start([keyA]).keeper)
    const { keeper } = start([keyB, keyA])
    expect((await keeper.find(header, rules, noon, true)).cookies).toEqual([])
    clock.pass(4 * minute)
    const { cookies } = await keeper.find(header, rules, clock.now, true)
    expect(cookies).toHaveLength(1)
    expect((await keeper.find(header, rules, clock.now, true)).session).toBeDefined()
    expect((await start([keyB]).keeper.find(request(headerOf(cookies)), rules, clock.now)).session).toBeDefined()
    expect((await start([keyB]).keeper.find(header, rules, clock.now)).cookies.every(isDeletion)).toBe(true)
  })

  it('is never called over for what a replica read before another renewed it', async () => {
    const { start, clock } = replicas()
    const [one, two] = [start(), start([keyA], { staleness: 3_600_000 })]
    const { header } = await opened(one.keeper)
    await two.keeper.find(header, rules, noon)
    clock.pass(29 * minute)
    await one.keeper.find(header, rules, clock.now, true)
    clock.pass(2 * minute)
    expect((await two.keeper.find(header, rules, clock.now)).session?.idleUntil).toBe(noon + 59 * minute)
  })

  it('is somebody known when it is over, also after its end was announced, and no longer rules bring it back', async () => {
    const { start, clock } = replicas()
    const { keeper, store } = start()
    const { header } = await opened(keeper)
    clock.pass(30 * minute)
    expect((await keeper.find(header, rules, clock.now)).expired?.identity.subject).toBe('anna')
    expect(await store.takeExpired(clock.now, 10)).toHaveLength(1)
    const found = await keeper.find(header, { ...rules, idle: 60 * minute }, clock.now, true)
    expect([found.session, found.expired?.identity.subject, found.cookies]).toEqual([undefined, 'anna', []])
    clock.pass(61 * minute)
    expect((await keeper.find(header, rules, clock.now)).cookies.every(isDeletion)).toBe(true)
  })

  it('that ended while it was renewed is over for whoever asked', async () => {
    const { start, clock } = replicas()
    const { keeper, store } = start([keyA], { staleness: 3_600_000 })
    const gone = await opened(keeper)
    const taken = await opened(keeper)
    clock.pass(10 * minute)
    await store.remove(gone.session)
    const found = await keeper.find(gone.header, rules, clock.now, true)
    expect([found.session, found.cookies.every(isDeletion), found.cookies.length]).toEqual([undefined, true, 1])
    await store.takeExpired(noon + 30 * minute, 10)
    const over = await keeper.find(taken.header, rules, clock.now, true)
    expect([over.session, over.expired?.id]).toEqual([undefined, taken.session.id])
  })

  it('that waits opens nothing, is not renewed, and opens when its person has answered', async () => {
    const { start, clock } = replicas()
    const [one, two] = [start(), start()]
    const { session, header } = await opened(one.keeper, { waits: true })
    for (const { keeper } of [one, two, one]) {
      const found = await keeper.find(header, rules, noon + 10 * minute, true)
      expect([found.session, found.expired, found.waiting?.id, found.cookies]).toEqual([undefined, undefined, session.id, []])
    }
    expect([...one.calls, ...two.calls]).not.toContain('touch')
    const found = await two.keeper.find(header, rules, noon)
    const answered = await two.keeper.replace(found.waiting as Session, { waits: false }, rules, noon)
    expect(answered?.waits).toBeUndefined()
    expect((await two.keeper.find(header, rules, noon)).session?.id).toBe(session.id)
    clock.pass(30 * minute)
    expect((await one.keeper.find(header, rules, clock.now)).expired?.id).toBe(session.id)
  })

  it('that waits does not hide one that opens', async () => {
    const { start } = replicas()
    const { keeper } = start()
    const waiting = await opened(keeper, { waits: true })
    const open = await opened(keeper)
    const both = request(`${waiting.header.cookies}; ${open.header.cookies}`)
    expect((await keeper.find(both, rules, noon)).session?.id).toBe(open.session.id)
  })

  it('is refused where there are too many, and may replace itself', async () => {
    const { start } = replicas()
    const { keeper } = start()
    const { session } = await opened(keeper, { limit: 1 })
    await expect(opened(keeper, { limit: 1 })).rejects.toMatchObject({ reason: 'too-many-sessions' })
    await opened(keeper, { limit: 1, replaces: session })
  })

  it('is refused where it is larger than anything should be, with the claim that is to blame', async () => {
    const { start } = replicas()
    const identity = identityOf('anna', { claims: { memberOf: 'g'.repeat(200_000) } })
    await expect(start().keeper.open(identity, rules, noon)).rejects.toMatchObject({
      reason: 'session-too-large',
      detail: expect.stringContaining('memberOf'),
    })
  })
})

describe('a change behind the browser', () => {
  it('is seen at once by who made it, by others when they ask anew, and keeps everything else', async () => {
    const { start } = replicas()
    const [one, two] = [start(), start()]
    const { session, header } = await opened(one.keeper, {
      tokens: { access: 'old' },
      keep: { sid: 's' },
      factors: { FIDO: noon },
    })
    await two.keeper.find(header, rules, noon)
    const changed = await one.keeper.replace(session, { tokens: { access: 'new' } }, rules, noon)
    expect(changed).toEqual({ ...session, revision: 1, tokens: { access: 'new' } })
    expect((await one.keeper.find(header, rules, noon)).session?.tokens?.access).toBe('new')
    expect((await two.keeper.find(header, rules, noon)).session?.tokens?.access).toBe('old')
    expect((await two.keeper.reread(session, rules, noon))?.tokens?.access).toBe('new')
    expect((two.keeper.find(header, rules, noon) as Found).session?.tokens?.access).toBe('new')
    expect((await one.keeper.replace(changed as Session, { tokens: null }, rules, noon))?.tokens).toBeUndefined()
  })

  it('is made by one of those who try at once, also where a process never saw the session', async () => {
    const { start } = replicas()
    const { session } = await opened(start().keeper)
    const tries = [1, 2, 3].map((at) => start().keeper.replace(session, { tokens: { access: `${at}` } }, rules, noon))
    expect((await Promise.all(tries)).filter((changed) => changed !== undefined)).toHaveLength(1)
    expect((await start().keeper.reread(session, rules, noon))?.revision).toBe(1)
    expect(await start().keeper.replace(session, { tokens: null }, rules, noon)).toBeUndefined()
  })

  it('that came too late shows what somebody else made of it', async () => {
    const { start } = replicas()
    const [one, two] = [start(), start()]
    const { session, header } = await opened(one.keeper)
    await two.keeper.find(header, rules, noon)
    await one.keeper.replace(session, { tokens: { access: 'new' } }, rules, noon)
    expect(await two.keeper.replace(session, { tokens: { access: 'late' } }, rules, noon)).toBeUndefined()
    expect((await two.keeper.find(header, rules, noon)).session?.tokens?.access).toBe('new')
  })

  it('is not undone by an answer that was on its way', async () => {
    const { start } = replicas()
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let isHeld = false
    const { keeper, store } = start()
    const slow = start([keyA], {
      read: async (...of) => {
        const waits = isHeld
        const record = await store.read(...of)
        if (waits) await held
        return record
      },
    })
    const { session, header } = await opened(keeper)
    isHeld = true
    const reading = slow.keeper.find(header, rules, noon)
    isHeld = false
    await slow.keeper.replace(session, { tokens: { access: 'new' } }, rules, noon)
    release()
    expect((await reading).session?.tokens?.access).toBe('new')
    expect((await slow.keeper.find(header, rules, noon)).session?.tokens?.access).toBe('new')
  })

  it('of a session that is over or ended does not happen', async () => {
    const { start } = replicas()
    const { keeper } = start()
    const { session } = await opened(keeper)
    await keeper.end(session, noon)
    expect(await keeper.replace(session, { tokens: null }, rules, noon)).toBeUndefined()
    expect(await keeper.reread(session, rules, noon)).toBeUndefined()
    expect(await start().keeper.reread(session, rules, noon)).toBeUndefined()
  })

  it('is nothing that a cookie could do', async () => {
    const keeper = keeperOf()
    const { session } = await opened(keeper)
    await expect(keeper.replace(session, { tokens: null }, rules, noon)).rejects.toThrow('internal')
  })
})

describe('rereading a session that a cookie holds', () => {
  it('gives what was seen of it last, and nothing when it is over or ended', async () => {
    const keeper = keeperOf()
    const { session, header } = await opened(keeper)
    await keeper.find(header, rules, noon + 5 * minute, true)
    expect((await keeper.reread(session, rules, noon + 31 * minute))?.idleUntil).toBe(noon + 35 * minute)
    expect(await keeperOf().reread(session, rules, noon + minute)).toEqual(session)
    expect(await keeperOf().reread(session, rules, noon + 31 * minute)).toBeUndefined()
    await keeper.end(session, noon + minute)
    expect(await keeper.reread(session, rules, noon + minute)).toBeUndefined()
    expect((await keeper.find(request(`postern-home=${session.id}.`), rules, noon + minute)).session).toBeUndefined()
  })
})

describe('while the store is down', () => {
  it('what was read a moment ago is believed; after that nobody is signed in, and nobody signed out', async () => {
    const { start, clock } = replicas()
    const { keeper, store } = start()
    const { header } = await opened(keeper)
    const cut = keeperOf({ store: { ...store, read: down, touch: down }, sealer: createSealer([keyA]) })
    await expect(cut.find(header, rules, noon)).rejects.toMatchObject({ reason: 'store-unavailable' })
    expect((await keeper.find(header, rules, clock.now)).session).toBeDefined()
  })

  it('a renewal that cannot be written is left out, tried again a second later, and not by everybody', async () => {
    const { start, clock } = replicas()
    let isDown = false
    const inner = start()
    const { keeper, calls } = start([keyA], {
      touch: (...of) => (isDown ? down() : inner.store.touch(...of)),
      staleness: minute * 60,
    })
    const { header } = await opened(keeper)
    clock.pass(10 * minute)
    isDown = true
    const burst = await Promise.all([1, 2, 3].map(() => keeper.find(header, rules, clock.now, true)))
    expect(burst.every(({ session, cookies }) => session && cookies.length === 0)).toBe(true)
    await keeper.find(header, rules, clock.now + 999, true)
    expect(calls.filter((call) => call === 'touch failed')).toHaveLength(1)
    isDown = false
    clock.pass(second)
    expect((await keeper.find(header, rules, clock.now, true)).session?.idleUntil).toBe(clock.now + 30 * minute)
  })

  it('a renewal makes nobody believe longer what was read', async () => {
    const { start, clock } = replicas()
    const { keeper, calls } = start()
    const { header } = await opened(keeper)
    clock.pass(3 * minute)
    await keeper.find(header, rules, clock.now)
    clock.pass(4 * second)
    await keeper.find(header, rules, clock.now, true)
    clock.pass(second)
    await keeper.find(header, rules, clock.now)
    expect(calls).toEqual(['create', 'read', 'touch', 'read'])
  })

  it('rubbish is still nobody: it never reaches the store', async () => {
    const { start } = replicas()
    const { store } = start()
    const keeper = keeperOf({
      store: {
        ...store,
        read: (...of) => (store.tokenOf?.({ id: 'x', audience: 'home' }) === of[0] ? down() : store.read(...of)),
      },
    })
    const found = await keeper.find(request('postern-home=s1.abc.def'), rules, noon)
    expect(found.cookies.every(isDeletion)).toBe(true)
  })
})

describe('where ends at other replicas have not been heard of for too long', () => {
  const deaf = (isCurrent: () => boolean): Revocations => Object.assign(createRevocations({ log: new TestLog() }), { isCurrent })

  it('nobody is called signed in, warm or cold, and it is as before when they are heard again', async () => {
    let isCurrent = true
    const { start } = replicas({ revocations: deaf(() => isCurrent) })
    const kept = start().keeper
    const cookie = keeperOf({ revocations: deaf(() => isCurrent) })
    for (const keeper of [kept, cookie]) {
      isCurrent = true
      const { session, header } = await opened(keeper)
      await keeper.find(header, rules, noon)
      isCurrent = false
      const unavailable = { reason: 'store-unavailable', retryAfter: 5 }
      await expect(keeper.find(header, rules, noon)).rejects.toMatchObject(unavailable)
      await expect(keeper.find(header, rules, noon + 2 * minute)).rejects.toMatchObject(unavailable)
      await expect(keeper.reread(session, rules, noon)).rejects.toMatchObject(unavailable)
      expect(await keeper.find(request(''), rules, noon)).toEqual({ cookies: [] })
      expect((await keeper.find(request('postern-home=x'), rules, noon)).cookies.every(isDeletion)).toBe(true)
      isCurrent = true
      expect((await keeper.find(header, rules, noon)).session).toEqual(session)
    }
  })
})

describe('a list', () => {
  it('is what the store has, without what was ended', async () => {
    const { start } = replicas()
    const { keeper, store } = start()
    const { session } = await opened(keeper)
    const { session: ended } = await opened(keeper)
    const broken = keeperOf({ store: { ...store, remove: down } })
    await broken.end(ended, noon)
    const { records, complete } = await broken.list({ account: 'anna@company.com' }, 10, noon)
    expect([records.map(({ id }) => id), complete]).toEqual([[session.id], true])
  })

  it('is what was seen lately, where a cookie has it: each once, none that is ended', async () => {
    const keeper = keeperOf()
    const { session, header } = await opened(keeper)
    await keeper.find(header, rules, noon + 5 * minute, true)
    const { session: ended } = await opened(keeper)
    await keeper.end(ended, noon)
    const { records, complete } = await keeper.list({ account: 'anna@company.com' }, 10, noon + 6 * minute)
    expect([records.map(({ id, touchedAt }) => [id, touchedAt]), complete]).toEqual([[[session.id, noon + 5 * minute]], false])
    expect((await keeper.list({ account: 'bert' }, 10, noon)).records).toEqual([])
    expect((await keeper.list({}, 10, noon + 600 * minute)).records).toEqual([])
  })
})

it('a cookie of another kind of store is nobody once, and a fresh sign-in works', async () => {
  const { start } = replicas()
  const [kept, cookie] = [start().keeper, keeperOf()]
  for (const [from, to] of [
    [kept, cookie],
    [cookie, kept],
  ] as const) {
    const { header } = await opened(from)
    const found = await to.find(header, rules, noon, true)
    expect([found.session, found.expired, found.cookies.length, found.cookies.every(isDeletion)]).toEqual([
      undefined,
      undefined,
      1,
      true,
    ])
    const again = await opened(to)
    expect((await to.find(again.header, rules, noon)).session).toBeDefined()
  }
})
