// Sessions that end without anybody asking for it: by time, by a newer one; and what one replica ends where no hint reaches the other.
import { execFileSync } from 'node:child_process'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findRedis } from '../support/redis.ts'
import { configurationOf, createGuest, type Guest, minute, patience, startWorld, type World } from './sessions-setup.ts'
import { hold } from './talking-portal.ts'

const told = ({ portal }: World) => portal.told.map(({ user, why, portal: at }) => `${user} ${why} ${at}`).sort()

describe.skipIf(findRedis() === undefined)('a session over two replicas', () => {
  let world: World
  let anna: Guest
  let bert: Guest
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.close())

  it('times out once for both: its connections end, its portal is told, and who was there meanwhile stays', async () => {
    ;[anna, bert] = [createGuest(world, 'anna'), createGuest(world, 'bert')]
    await Promise.all([anna.signIn(0), bert.signIn(1)])
    const [ofAnna, ofBert] = await Promise.all([hold(world, anna), hold(world, bert)])
    world.pass(20 * minute)
    expect(await bert.isIn()).toEqual([true, true])
    await ofAnna.areAlive()
    await anna.signIn(1, 'short')
    world.pass(11 * minute)
    await ofAnna.areClosed()
    await ofBert.areAlive()
    world.pass(10 * minute)
    expect([await anna.isIn(), await anna.isIn('short'), await bert.isIn()]).toEqual([
      [false, false],
      [false, false],
      [true, true],
    ])
    await ofBert.areAlive()
    await vi.waitFor(
      () => expect(told(world)).toEqual(['anna@company.com expired short', 'anna@company.com idle home']),
      patience,
    )
    ofBert.close()
  })

  it('gives way to a newer one of the same person, and nobody else’s does', async () => {
    await world.reconfigure(configurationOf(world.places, { session: ', maxPerUser: 1, onLimit: displace' }))
    const [old, fresh] = [createGuest(world, 'anna'), createGuest(world, 'anna')]
    expect((await old.signIn(0)).status).toBe(200)
    const [ofOld, ofBert] = await Promise.all([hold(world, old), hold(world, bert)])
    const before = told(world)
    world.pass(2000)
    const question = await fresh.signIn(1)
    const action = /<form method="post" action="([^"]*displace[^"]*)"/.exec(question.body)?.[1]?.replaceAll('&amp;', '&') ?? ''
    await ofOld.areAlive() // only asked for so far
    await fresh.load(0, action, { method: 'POST', headers: { Origin: world.originOf('home'), 'Sec-Fetch-Site': 'same-origin' } })
    await ofOld.areClosed()
    await ofBert.areAlive()
    world.pass(2000)
    expect([await old.isIn(), await fresh.isIn(), await bert.isIn()]).toEqual([
      [false, false],
      [true, true],
      [true, true],
    ])
    await vi.waitFor(() => expect(told(world)).toEqual([...before, 'anna@company.com displaced home'].sort()), patience)
    ofBert.close()
  })

  it('is followed by another at once, where the provider knows the person still: nobody is sent in circles', async () => {
    await world.reconfigure(configurationOf(world.places))
    const guest = createGuest(world, 'anna')
    await guest.signIn(0)
    expect((await guest.load(0, '/app/logout')).status).toBe(200)
    expect(await guest.isIn()).toEqual([false, false])
    // not a millisecond later, and known here as a sign-out of this very sign-in at the provider
    expect((await guest.signIn(0)).status).toBe(200)
    expect(await guest.isIn()).toEqual([true, true])
    world.pass(1)
    await guest.load(1, '/app/logout')
    expect(await guest.isIn()).toEqual([false, false])
  })

  it('has been told of once, whoever told', async () => {
    await world.pair.stop() // what is being told is told first
    const keys = world.portal.told.map(({ key }) => key)
    expect([keys.length, new Set(keys).size]).toEqual([5, 5])
  })
})

describe.skipIf(findRedis() === undefined)('a sign-out of which no hint arrives', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({
      // may do everything but hear a channel
      redisUrl: (url) => {
        execFileSync('redis-cli', ['-u', url, 'ACL', 'SETUSER', 'deaf', 'on', '>word', '~*', '+@all', 'resetchannels'])
        return url.replace('redis://', 'redis://deaf:word@')
      },
    })
  })
  afterAll(() => world?.close())

  it('holds at the other replica as soon as that has asked once more', async () => {
    const [anna, bert] = [createGuest(world, 'anna'), createGuest(world, 'bert')]
    await Promise.all([anna.signIn(0), bert.signIn(0)])
    expect([await anna.isIn(), await bert.isIn()]).toEqual([
      [true, true],
      [true, true],
    ])
    const [ofAnna, ofBert] = await Promise.all([hold(world, anna, 'home', [1]), hold(world, bert, 'home', [1])])
    const watching = new Redis(world.redis.url)
    const monitor = await watching.monitor()
    try {
      // a second reading begins when the first is done
      const reads = new Map<string, number>()
      monitor.on('monitor', (_time: string, [command, script]: string[], source: string) => {
        if (command === 'eval' && script?.includes('ZRANGEBYSCORE') && !script.includes('PUBLISH'))
          reads.set(source, (reads.get(source) ?? 0) + 1)
      })
      const session = anna.visitor.cookieHeader(world.originOf('home'))
      await anna.load(0, '/_postern/logout?scope=local')
      reads.clear()
      await vi.waitFor(() => expect([...reads.values()].filter((times) => times >= 2)).toHaveLength(2), patience)
      expect(ofAnna.open()).toEqual([false, false])
      expect((await anna.load(1, '/', { xhr: true, headers: { Cookie: session } })).status).toBe(401)
      await ofBert.areAlive()
    } finally {
      monitor.disconnect()
      watching.disconnect()
    }
    const heard = execFileSync('redis-cli', ['-u', world.redis.url, 'PUBSUB', 'CHANNELS']).toString().trim()
    expect(heard).toBe('')
  })
})
