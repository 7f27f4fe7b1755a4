// Tokens that are refreshed where two replicas serve the same person: whichever is asked, the provider is asked once, and both know.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TestAccount } from '../support/identity-provider.ts'
import { findRedis } from '../support/redis.ts'
import { configurationOf, createGuest, type Guest, minute, patience, startWorld, type World } from './sessions-setup.ts'
import { hold } from './talking-portal.ts'

const claimsOf = (name: string, groups: readonly string[], hd = 'company.com'): TestAccount => ({
  claims: { email: `${name}@company.com`, email_verified: true, hd, groups: [...groups] },
})

describe.skipIf(findRedis() === undefined)('somebody whose tokens are refreshed, over two replicas', () => {
  let world: World
  let anna: Guest
  let accounts: Record<string, TestAccount>
  beforeEach(async () => {
    accounts = { anna: claimsOf('anna', ['staff', 'admins']), bert: claimsOf('bert', ['staff']) }
    world = await startWorld({
      configuration: (places) =>
        configurationOf(places, {
          provider: ', refresh: true, rules: [{ name: company-domain, when: hd = "company.com" }]',
          portal: '    accessTokenHeader: authorization\n',
        }),
      provider: { rotation: true, accounts, ttl: { accessToken: 300, session: 86_400 } },
    })
    world.pass(0)
    anna = createGuest(world, 'anna')
    await anna.signIn(0)
  })
  afterEach(async () => {
    expect(world.provider.grantErrors.filter((error) => !expectedErrors.includes(error))).toEqual([])
    await world.close()
  })
  let expectedErrors: readonly string[] = []
  beforeEach(() => {
    expectedErrors = []
  })

  const pages = async (guest = anna) => {
    const both = await Promise.all([0, 1].map((replica) => guest.load(replica, '/', { xhr: true })))
    return both.map(({ status, body }) => ({ status, seen: JSON.parse(body) as Record<string, string | undefined> }))
  }
  const bearers = async (guest?: Guest) => (await pages(guest)).map(({ status, seen }) => [status, seen['authorization']])

  it('is somebody else to the rules at both as soon as one of them has asked', async () => {
    accounts['anna'] = claimsOf('anna', ['staff'])
    world.pass(6 * minute)
    expect((await anna.load(0, '/')).body).toContain('"iv-groups":"\\"staff\\""')
    expect((await anna.load(1, '/')).body).toContain('"iv-groups":"\\"staff\\""')
    accounts['anna'] = claimsOf('anna', ['staff'], 'elsewhere.org')
    world.pass(6 * minute)
    expect([(await anna.load(1, '/')).status, (await anna.load(0, '/')).status]).toEqual([403, 403])
    expect(world.provider.refreshes()).toBe(2)
  })

  it('has one token at both, however many of their requests come to both at a time, round after round', async () => {
    const before = new Set<unknown>()
    for (let round = 1; round <= 4; round++) {
      world.pass(6 * minute)
      const many = await Promise.all(Array.from({ length: 20 }, () => bearers()))
      expect(new Set(many.flat().map(([status]) => status))).toEqual(new Set([200]))
      const tokens = new Set(many.flat().map(([, token]) => token))
      expect([...tokens]).toEqual([expect.stringMatching(/^Bearer \S+$/)])
      for (const token of tokens) expect(before).not.toContain(token)
      for (const token of tokens) before.add(token)
      expect(world.provider.refreshes()).toBe(round)
    }
  })

  it('is out at both where the provider knows them no more, with all they have open; the portal is told once', async () => {
    const bert = createGuest(world, 'bert')
    await bert.signIn(1)
    const ofAnna = await hold(world, anna)
    const ofBert = await hold(world, bert)
    delete accounts['anna']
    expectedErrors = ['invalid_grant: refresh token invalid (referenced account not found)']
    world.pass(6 * minute)
    expect((await anna.load(0, '/', { xhr: true })).status).toBe(401)
    await ofAnna.areClosed()
    expect(await anna.isIn()).toEqual([false, false])
    expect(await bert.isIn()).toEqual([true, true])
    await ofBert.areAlive()
    await Promise.all(world.pair.replicas.map((replica) => replica.stop())) // what is being told is told first
    expect(world.portal.told).toEqual([expect.objectContaining({ user: 'anna@company.com', why: 'refused' })])
    expect(world.provider.grantErrors).toEqual(expectedErrors)
  })

  it('stays in at both while the provider is away, and has the same token at both when it is back', async () => {
    const [first] = (await bearers())[0] ?? []
    expect(first).toBe(200)
    await world.provider.pause()
    world.pass(6 * minute)
    expect(await bearers()).toEqual([
      [200, undefined],
      [200, undefined],
    ])
    await world.provider.resume()
    world.pass(minute)
    const [[, one], [, two]] = (await bearers()) as [[number, string], [number, string]]
    expect(one).toMatch(/^Bearer \S+$/)
    expect(two).toBe(one)
    expect(world.provider.refreshes()).toBe(1)
  })

  it('keeps the token for a process that dies before it is asked again', async () => {
    world.pass(6 * minute)
    const [, token] = (await bearers())[0] as [number, string]
    await world.pair.replicas[0].stop()
    const page = await anna.load(1, '/', { xhr: true })
    expect(JSON.parse(page.body)['authorization']).toBe(token)
    world.pass(6 * minute)
    const later = await anna.load(1, '/', { xhr: true })
    expect(JSON.parse(later.body)['authorization']).toMatch(/^Bearer \S+$/)
    expect(JSON.parse(later.body)['authorization']).not.toBe(token)
    await vi.waitFor(() => expect(world.provider.refreshes()).toBe(2), patience)
  })
})
