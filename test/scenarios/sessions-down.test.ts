// Redis is gone, dead or merely silent: who is signed in waits and is told so, nobody gets in, nobody loses anything.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findRedis, persistent } from '../support/redis.ts'
import type { Page } from '../support/visitor.ts'
import { createGuest, type Guest, minute, patience, startWorld, type World } from './sessions-setup.ts'
import { type Held, hold } from './talking-portal.ts'

const both = [0, 1] as const

describe.skipIf(findRedis() === undefined).each([
  { how: 'killed', is: 'SIGKILL' },
  { how: 'stopped, so that it holds every connection and answers none', is: 'SIGSTOP' },
])('while Redis is $how', ({ is }) => {
  let world: World
  let anna: Guest
  let bert: Guest
  let ofAnna: Held
  let ofBert: Held
  let cookies: string
  /** Where a sign-in that began before comes back to. */
  let halfway: { readonly guest: Guest; readonly back: string }

  beforeAll(async () => {
    world = await startWorld({ redis: persistent })
    ;[anna, bert] = [createGuest(world, 'anna'), createGuest(world, 'bert')]
    await Promise.all([anna.signIn(0), bert.signIn(1)])
    expect([await anna.isIn(), await bert.isIn()].flat()).toEqual([true, true, true, true])
    ;[ofAnna, ofBert] = await Promise.all([hold(world, anna), hold(world, bert)])
    cookies = anna.visitor.cookieHeader(world.originOf('home'))
    const guest = createGuest(world, 'anna')
    halfway = { guest, back: await guest.leave(0) }
    if (is === 'SIGKILL') await world.redis.kill()
    else process.kill(world.redis.pid, 'SIGSTOP')
    world.pass(2000) // what was read is believed for a second
  })
  afterAll(async () => {
    ofAnna?.close()
    ofBert?.close()
    await world?.close()
  })

  const atBoth = (guest: Guest, path: string, xhr = false): Promise<readonly Page[]> =>
    Promise.all(both.map((replica) => guest.load(replica, path, { xhr })))
  const health = (path: string) => Promise.all(world.pair.replicas.map(async ({ healthUrl }) => fetch(healthUrl + path)))
  const storeUp = async () =>
    Promise.all((await health('/metrics')).map(async (answer) => /^postern_store_up (\d)$/m.exec(await answer.text())?.[1]))
  const readiness = async () => (await health('/readyz')).map(({ status }) => status)

  it('public pages go on, for whoever is signed in as for strangers', async () => {
    for (const guest of [anna, createGuest(world, 'nobody')])
      expect((await atBoth(guest, '/public/a')).map(({ status, setCookies }) => [status, setCookies])).toEqual([
        [200, []],
        [200, []],
      ])
  })

  it('whoever is signed in reads what to do, and keeps every cookie', async () => {
    for (const page of await atBoth(anna, '/a?b=c')) {
      expect([page.status, page.headers['retry-after'], page.setCookies]).toEqual([503, '5', []])
      expect(page.headers['content-type']).toMatch(/^text\/html/)
      expect(page.body).toContain('Try again')
      expect(page.body).toMatch(/Request ID: <code>[\w-]{8,}<\/code>/)
    }
    expect(anna.visitor.cookieHeader(world.originOf('home'))).toBe(cookies)
  })

  it('a script is told in a form that it can read', async () => {
    for (const answer of await atBoth(anna, '/api', true)) {
      expect([answer.status, answer.headers['retry-after'], answer.setCookies]).toEqual([503, '5', []])
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(JSON.parse(answer.body)).toMatchObject({ status: 503, requestId: expect.stringMatching(/\w{8}/) })
    }
  })

  it('nobody gets in, and the provider is not asked', async () => {
    const { guest, back } = halfway
    const asked = world.provider.asked.filter((path) => path.startsWith('/token')).length
    const page = await guest.load(1, back)
    expect([page.status, page.setCookies, page.headers['retry-after']]).toEqual([503, [], '5'])
    expect(world.provider.asked.filter((path) => path.startsWith('/token'))).toHaveLength(asked)
    expect(guest.visitor.cookieHeader(world.originOf('home'))).not.toMatch(/postern-home=/)
  })

  it('the replicas are not ready, and say so to Prometheus', async () => {
    await vi.waitFor(async () => expect(await storeUp()).toEqual(['0', '0']), patience)
    expect(await readiness()).toEqual([503, 503])
  })

  it('what is open stays open', async () => {
    await ofAnna.areAlive()
    await ofBert.areAlive()
  })

  describe('and it comes back', () => {
    beforeAll(async () => {
      if (is === 'SIGKILL') await world.redis.start()
      else process.kill(world.redis.pid, 'SIGCONT')
      await vi.waitFor(async () => expect(await readiness()).toEqual([200, 200]), patience)
    })

    it('everybody is in again with the same session, and what was open is open', async () => {
      await vi.waitFor(
        async () => expect([await anna.isIn(), await bert.isIn()].flat()).toEqual([true, true, true, true]),
        patience,
      )
      expect(anna.visitor.cookieHeader(world.originOf('home'))).toBe(cookies)
      expect(await storeUp()).toEqual(['1', '1'])
      await ofAnna.areAlive()
      await ofBert.areAlive()
      expect(world.portal.told).toEqual([])
    })

    it('who was turned away gets in', async () => {
      const { guest, back } = halfway
      const page = await guest.load(1, back)
      // a silent Redis was told that this sign-in is used, and did so when it woke: it is begun again, and the provider knows them
      const again = is === 'SIGKILL' ? page.location : /class="button main" href="([^"]*)"/.exec(page.body)?.[1]
      expect(page.status).toBe(is === 'SIGKILL' ? 303 : 400)
      const away = await guest.follow(1, again?.replaceAll('&amp;', '&') ?? '')
      if (is === 'SIGSTOP') await guest.follow(0, await guest.person.go(away.location ?? '', {}))
      expect(await guest.isIn()).toEqual([true, true])
    })
  })
})

describe.skipIf(findRedis() === undefined)('what is open while Redis is gone', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ redis: persistent })
  })
  afterAll(() => world?.close())

  it('ends with a sign-out: here at once, at the other replica as soon as Redis is back; and with the session’s own end', async () => {
    const [anna, bert] = [createGuest(world, 'anna'), createGuest(world, 'bert')]
    await Promise.all([anna.signIn(0), bert.signIn(0)])
    const [here, there, ofBert] = await Promise.all([
      hold(world, anna, 'home', [0]),
      hold(world, anna, 'home', [1]),
      hold(world, bert),
    ])
    const session = anna.visitor.cookieHeader(world.originOf('home'))
    await world.redis.kill()
    const left = await anna.load(0, '/_postern/logout?scope=local')
    expect([left.status, left.headers['retry-after']]).toEqual([503, '5'])
    expect(anna.visitor.cookieHeader(world.originOf('home'))).not.toContain('postern-home=')
    await here.areClosed()
    await Promise.all([there.areAlive(), ofBert.areAlive()])
    await world.redis.start()
    await there.areClosed()
    await ofBert.areAlive()
    for (const replica of both)
      await vi.waitFor(
        async () => expect((await anna.load(replica, '/', { xhr: true, headers: { Cookie: session } })).status).toBe(401),
        patience,
      )
    await vi.waitFor(
      () => expect(world.portal.told).toEqual([expect.objectContaining({ user: 'anna@company.com', why: 'sign-out' })]),
      patience,
    )
    await world.redis.kill()
    world.pass(31 * minute)
    await ofBert.areClosed() // whether another request has renewed it, nobody can say
  })

  it('ends also with a sign-out of which nobody can say whose it is', async () => {
    await world.redis.start()
    const [anna, bert] = [createGuest(world, 'anna'), createGuest(world, 'bert')]
    await vi.waitFor(async () => expect((await anna.signIn(0)).status).toBe(200), patience)
    await bert.signIn(1)
    const [here, there, ofBert] = await Promise.all([
      hold(world, anna, 'home', [1]),
      hold(world, anna, 'home', [0]),
      hold(world, bert),
    ])
    const session = anna.visitor.cookieHeader(world.originOf('home'))
    await world.redis.kill()
    world.pass(2000) // what was read is believed for a second
    expect((await anna.load(1, '/_postern/logout')).status).toBe(503)
    await here.areClosed()
    await Promise.all([there.areAlive(), ofBert.areAlive()])
    await world.redis.start()
    await there.areClosed()
    await ofBert.areAlive()
    for (const replica of both)
      await vi.waitFor(
        async () => expect((await anna.load(replica, '/', { xhr: true, headers: { Cookie: session } })).status).toBe(401),
        patience,
      )
    expect(await bert.isIn()).toEqual([true, true])
    ofBert.close()
  })
})
