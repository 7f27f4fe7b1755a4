// A clock that somebody sets, or that is set right: an hour forward or back must bring nobody back in, and keep nobody in for longer.
import { describe, expect, it } from 'vitest'
import type { Feed, News } from '../../src/feed.ts'
import { createRevocations } from '../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../src/identity/sessions/seal.ts'
import { createSessionKeeper } from '../../src/identity/sessions/session.ts'
import { createSessionRegister } from '../../src/identity/sessions/session-register.ts'
import type { SessionStore } from '../../src/identity/sessions/session-store.ts'
import { createSharedRevocations } from '../../src/identity/sessions/shared-revocations.ts'
import { createMemorySessions, createMemoryStore } from '../../src/identity/sessions/stores/memory.ts'
import { identityOf, keyA, minute, noon, portalOf, rulesOf, ScriptedProvider, TestClock, TestLog } from '../identity/harness.ts'

const hour = 60 * minute
const rules = rulesOf('home', { idle: 0 })

function world({ keeps }: { readonly keeps: boolean }) {
  const [clock, log] = [new TestClock(), new TestLog()]
  const sealer = createSealer([keyA])
  const revocations = createRevocations({ log })
  const memory = createMemoryStore({ sessions: createMemorySessions(), sealer, clock: clock.read })
  const store: SessionStore | undefined = keeps ? { ...memory, staleness: 5000 } : undefined
  const keeper = createSessionKeeper({ sealer, claims: [], revocations, ...(store ? { store } : {}) })
  const portals = new Map([['home', portalOf('home', [new ScriptedProvider('PLAY')], { session: rules })]])
  const common = { revocations, portals, everywhere: true, log, clock: clock.read }
  const register = createSessionRegister({ keeper, ...common, ...(store ? { store } : {}) })
  const signIn = async (subject: string) => {
    const { session, cookies } = await keeper.open(identityOf(subject), rules, clock.now)
    const brought = { cookies: cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ') }
    const isIn = async () => (await keeper.find(brought, rules, clock.now)).session !== undefined
    return { session, brought, isIn }
  }
  /** As after a reload. */
  const again = () => createSessionKeeper({ sealer, claims: [], revocations, ...(store ? { store } : {}) })
  return { again, clock, keeper, register, revocations, signIn, store }
}

describe.each([true, false])('a clock that jumps (sessions in a store: %s)', (keeps) => {
  it('an hour forward and back again does not bring back who was signed out', async () => {
    const { clock, keeper, revocations, signIn } = world({ keeps })
    const anna = await signIn('anna')
    await keeper.end(anna.session, clock.now)
    clock.pass(anna.session.endsAt - noon - 10 * minute) // the sealed cookie lives, ten minutes more
    clock.pass(hour)
    await revocations.revoke({ session: 'somebody' }, clock.now, clock.now + hour) // forgets what is over
    clock.pass(-hour)
    expect(await anna.isIn()).toBe(false)
  })

  it('back ends what was begun before as well, and not who signs in afterwards', async () => {
    const { clock, register, signIn } = world({ keeps })
    const anna = await signIn('anna')
    clock.pass(-hour)
    await register.revoke({ account: 'anna@company.com' })
    expect(await anna.isIn()).toBe(false)
    clock.pass(1)
    expect(await (await signIn('anna')).isIn()).toBe(true)
  })
})

it('what was read before the clock was set back is read again', async () => {
  const { clock, signIn, store } = world({ keeps: true })
  const anna = await signIn('anna')
  expect(await anna.isIn()).toBe(true)
  await store?.remove(anna.session)
  clock.pass(-hour)
  expect(await anna.isIn()).toBe(false)
})

it('a replica that heard of an end while its clock was an hour ahead knows it when the clock is right', async () => {
  const told: News[] = []
  const feed: Feed = {
    tell: async (news) => void told.push(...news),
    read: async (after) => ({
      news: told.slice(after?.sequence ?? 0),
      position: { epoch: 'e', sequence: told.length, connection: 0 },
      more: false,
      anew: after === undefined,
    }),
    onHint: () => () => undefined,
  }
  const [right, ahead] = [new TestClock(), new TestClock()]
  const start = (clock: TestClock) =>
    createSharedRevocations({
      feed,
      keys: () => [keyA],
      log: new TestLog(),
      clock: clock.read,
      ticks: () => 0,
      staleness: 5000,
      every: 0,
    })
  const [one, two] = [start(right), start(ahead)]
  ahead.pass(hour)
  await one.revoke({ session: 'a' }, right.now, right.now + 30 * minute)
  await two.poll()
  ahead.pass(-hour)
  expect(two.isRevoked({ id: 'a', audience: 'home', createdAt: noon, identity: identityOf('anna') })).toBe(true)
})

it('a lifetime that is shortened and made longer again does not bring back who signed out between', async () => {
  const { again, clock, revocations, signIn } = world({ keeps: false })
  const { session, brought } = await signIn('anna')
  const keeper = again()
  const found = await keeper.find(brought, { ...rules, lifetime: hour }, clock.now)
  expect(found.session?.endsAt).toBe(noon + hour)
  await keeper.end(found.session ?? session, clock.now)
  clock.pass(3 * hour)
  await revocations.revoke({ session: 'somebody' }, clock.now, clock.now + hour) // forgets what is over
  expect((await again().find(brought, rules, clock.now)).session).toBeUndefined()
})
