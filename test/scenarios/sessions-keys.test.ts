// session.keys are rotated while people work: by reloads of one replica after the other, in two steps, and nobody notices. Who comes with
// a cookie of a key that is gone signs in once more.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testKey as oldKey } from '../support/postern.ts'
import { findRedis } from '../support/redis.ts'
import { configurationOf, createGuest, type Guest, type Settings, startWorld, type World } from './sessions-setup.ts'
import { type Held, hold } from './talking-portal.ts'

const newKey = oldKey.split('').reverse().join('').replace(/^./, 'A').replace(/.$/, 'A')

describe.skipIf(findRedis() === undefined).each([
  { mode: 'in Redis', settings: (): Settings => ({}) },
  {
    mode: 'in cookies, with a Redis for what is shared',
    settings: (redis: string): Settings => ({ store: 'cookie', server: `  state: "${redis}"` }),
  },
])('keys that are rotated, sessions $mode', ({ settings }) => {
  let world: World
  let anna: Guest
  let ofAnna: Held
  /** Signed in before it all, and not seen since. */
  let away: Guest
  /** Whose cookie somebody has kept. */
  let revoked: Guest
  let revokedCookie: string
  beforeAll(async () => {
    world = await startWorld({ configuration: (places) => configurationOf(places, settings(places.redis)) })
    world.pass(0)
    ;[anna, away, revoked] = [createGuest(world, 'anna'), createGuest(world, 'bert'), createGuest(world, 'anna')]
    await Promise.all([anna.signIn(0), away.signIn(1), revoked.signIn(0)])
    revokedCookie = revoked.visitor.cookieHeader(world.originOf('home'))
    await revoked.load(0, '/_postern/logout?scope=local')
    // clocks of replicas differ: within a second of it, so would be the sign-in of the same person
    world.pass(2000)
    anna = createGuest(world, 'anna')
    await anna.signIn(0)
    ofAnna = await hold(world, anna)
  })
  afterAll(async () => {
    ofAnna?.close()
    await world?.close()
  })

  const reload = async (replica: 0 | 1, keys: readonly string[]) => {
    const text = configurationOf(world.places, { ...settings(world.places.redis), keys })
    expect(await world.pair.replicas[replica].reconfigure(text)).toBe(true)
  }
  const stayOut = async () => {
    for (const replica of [0, 1]) {
      const page = await revoked.load(replica, '/', { xhr: true, headers: { Cookie: revokedCookie } })
      expect(page.status).toBe(401)
    }
  }
  /** Away at one replica, back at the other: both must understand what the other one sealed. */
  const signInAcross = async () => {
    for (const [to, from] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const guest = createGuest(world, 'bert')
      await guest.follow(from, await guest.leave(to))
      expect(await guest.isIn()).toEqual([true, true])
    }
  }

  it.each([
    ['the new one is known at one replica', 0, [oldKey, newKey]],
    ['the new one is known at both', 1, [oldKey, newKey]],
    ['one replica seals with the new one', 0, [newKey, oldKey]],
    ['both seal with the new one', 1, [newKey, oldKey]],
  ] as const)('sign nobody out: %s', async (_, replica, keys) => {
    const sent = world.provider.asked.length
    await reload(replica, keys)
    expect([await anna.isIn(), await away.isIn()].flat()).toEqual([true, true, true, true])
    await ofAnna.areAlive()
    expect(world.provider.asked).toHaveLength(sent)
    await stayOut()
    await signInAcross()
  })

  it('once the old one is gone, ask whoever comes with it to sign in: once, and it is done', async () => {
    for (const replica of [0, 1] as const) await reload(replica, [newKey])
    expect(await away.isIn()).toEqual([false, false])
    const asked = world.provider.asked.filter((path) => path.startsWith('/auth?')).length
    const page = await away.signIn(1)
    expect([page.status, new URL(page.url).pathname]).toEqual([200, '/'])
    expect(await away.isIn()).toEqual([true, true])
    expect(world.provider.asked.filter((path) => path.startsWith('/auth?')).length - asked).toBe(1)
    await stayOut()
  })
})
