import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createRevocations, type Revocations } from '../../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createSessionKeeper } from '../../../src/identity/sessions/session.ts'
import { createSessionRegister, type RegisterOptions } from '../../../src/identity/sessions/session-register.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { identityOf, keyA, minute, portalOf, rulesOf, ScriptedProvider, TestClock, TestLog } from '../harness.ts'

function world({ keeps = true, ...extra }: Partial<RegisterOptions> & { readonly keeps?: boolean } = {}) {
  const [clock, log] = [new TestClock(), new TestLog()]
  const play = new ScriptedProvider('PLAY')
  const shared = { session: rulesOf('group:office') }
  const portals = new Map(
    [portalOf('home', [play]), portalOf('mail', [play], shared), portalOf('files', [play], shared)].map((one) => [one.name, one]),
  )
  const sealer = createSealer([keyA])
  const revocations = extra.revocations ?? createRevocations({ log })
  const store: SessionStore | undefined = keeps
    ? createMemoryStore({ sessions: createMemorySessions(), sealer, clock: clock.read })
    : undefined
  const keeper = createSessionKeeper({ sealer, claims: [], revocations, ...(store ? { store } : {}) })
  const told: string[] = []
  const onSignOut = {
    ended: ({ identity }: { identity: { subject: string } }, reason: string) => void told.push(`${identity.subject} ${reason}`),
  }
  const register = createSessionRegister({
    keeper,
    revocations,
    portals,
    everywhere: true,
    onSignOut,
    log,
    clock: clock.read,
    ...(store ? { store } : {}),
    ...extra,
  })
  const open = async (subject: string, portal = 'home') => {
    const rules = portals.get(portal)?.session ?? rulesOf(portal)
    const { session, cookies } = await keeper.open(identityOf(subject), rules, clock.now)
    const cookie = (cookies[0] ?? '').split(';')[0] ?? ''
    const isIn = async () => (await keeper.find({ cookies: cookie }, rules, clock.now)).session !== undefined
    return { session, isIn }
  }
  return { clock, log, register, keeper, store, revocations, open, told }
}

describe.each([true, false])('the register of sessions (kept in a store: %s)', (keeps) => {
  it('lists who is signed in where, since when and until when', async () => {
    const { register, open, clock } = world({ keeps })
    await open('anna')
    clock.pass(minute)
    const { session } = await open('ben', 'mail')
    const { sessions, complete } = await register.list({})
    expect(complete).toBe(keeps)
    expect(sessions.map(({ account, portals }) => [account, portals])).toEqual([
      ['ben@company.com', ['mail', 'files']],
      ['anna@company.com', ['home']],
    ])
    expect(sessions[0]).toEqual({
      id: session.id,
      account: 'ben@company.com',
      provider: 'PLAY',
      issuer: 'https://idp.company.com',
      subject: 'ben',
      portals: ['mail', 'files'],
      signedIn: '2026-11-22T12:01:00.000Z',
      lastUsed: '2026-11-22T12:01:00.000Z',
      ends: '2026-11-22T12:31:00.000Z',
    })
    expect(JSON.stringify(sessions)).not.toMatch(/claims|token|keep/)
  })

  it.each([
    ['the account', { account: 'anna@company.com' }],
    ['the person', { person: { issuer: 'https://idp.company.com', subject: 'anna' } }],
    ['the portal', { portal: 'home' }],
  ])('revokes by %s, and whoever signs in afterwards is in', async (_what, question) => {
    const { register, open, clock, told } = world({ keeps })
    const [anna, ben] = [await open('anna'), await open('ben', 'mail')]
    expect((await register.list(question)).sessions.map(({ id }) => id)).toEqual([anna.session.id])
    expect(await register.revoke(question)).toEqual({ everywhere: true })
    expect([await anna.isIn(), await ben.isIn()]).toEqual([false, true])
    expect((await register.list(question)).sessions).toEqual([])
    expect(told).toEqual(['anna revoked'])
    clock.pass(1)
    const again = await open('anna')
    expect(await again.isIn()).toBe(true)
  })

  it('revokes by provider all of its people, and by id one session', async () => {
    const { register, open } = world({ keeps })
    const [first, second, third] = [await open('anna'), await open('anna'), await open('ben', 'files')]
    await register.revoke({ id: first.session.id })
    expect([await first.isIn(), await second.isIn(), await third.isIn()]).toEqual([false, true, true])
    await register.revoke({ provider: 'PLAY' })
    expect([await second.isIn(), await third.isIn()]).toEqual([false, false])
  })

  it('leaves one audit line for each revocation, whose it was', async () => {
    const { register, open, log } = world({ keeps })
    for (const who of ['anna', 'ben']) await open(who)
    await register.revoke({ portal: 'home', provider: 'PLAY' })
    expect(log.audits).toEqual([
      {
        msg: 'sessions revoked',
        fields: { portal: 'home', provider: 'PLAY', everywhere: true, account: undefined, session: undefined },
      },
    ])
  })

  it('knows portals and providers by their names', () => {
    const { register } = world({ keeps })
    expect(register.isComplete).toBe(keeps)
    const asked = [
      ['portal', 'mail'],
      ['portal', 'PLAY'],
      ['provider', 'PLAY'],
      ['provider', 'mail'],
    ] as const
    expect(asked.map(([kind, name]) => register.knows(kind, name))).toEqual([true, false, true, false])
  })
})

describe('revoking', () => {
  it('takes the records out of the store: they would count as open', async () => {
    const { register, open, store } = world()
    for (const who of ['anna', 'anna', 'ben']) await open(who)
    await register.revoke({ account: 'anna@company.com' })
    expect((await store?.list({}, 10))?.records.map(({ identity }) => identity.subject)).toEqual(['ben'])
  })

  it('holds though the store is down', async () => {
    const { register, open, store, log } = world()
    const anna = await open('anna')
    const down = async () => Promise.reject(new PosternError('store-unavailable', 'gone'))
    Object.assign(store ?? {}, { list: down, remove: down })
    await register.revoke({ account: 'anna@company.com' })
    expect(await anna.isIn()).toBe(false)
    expect(log.servers).toEqual([expect.stringContaining('cannot be taken out of the store')])
  })

  it('lasts as long as the longest session there may be, also of those that were not found', async () => {
    const { register, revocations, clock } = world({ keeps: false })
    const unseen = { id: 'x', audience: 'home', createdAt: clock.now, identity: identityOf('anna') }
    await register.revoke({ account: 'anna@company.com' })
    clock.pass(480 * minute - 1)
    await revocations.revoke({ session: 'other' }, clock.now, clock.now + minute) // forgets what is over
    expect(revocations.isRevoked(unseen)).toBe(true)
  })

  it('is not sure where the others cannot be told, and holds here', async () => {
    const known = createRevocations({ log: new TestLog() })
    const revocations: Revocations = {
      revoke: async (...what) => {
        void known.revoke(...what)
        throw new PosternError('store-unavailable', 'not told')
      },
      isRevoked: (session) => known.isRevoked(session),
      startOf: (session) => known.startOf(session),
      isCurrent: () => true,
      onChange: (listener) => known.onChange(listener),
      size: 0,
    }
    const { register, open } = world({ revocations })
    const anna = await open('anna')
    await expect(register.revoke({ account: 'anna@company.com' })).rejects.toMatchObject({ reason: 'store-unavailable' })
    expect(await anna.isIn()).toBe(false)
  })
})
