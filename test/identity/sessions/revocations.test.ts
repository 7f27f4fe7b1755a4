import { describe, expect, it } from 'vitest'
import { createRevocations, type Revocable } from '../../../src/identity/sessions/revocations.ts'
import { identityOf, minute, noon, TestLog } from '../harness.ts'

const session = (id: string, parts: Partial<Revocable> = {}): Revocable => ({
  id,
  audience: 'home',
  createdAt: noon,
  providerSession: `p-${id}`,
  identity: identityOf('anna'),
  ...parts,
})
const later = noon + 10 * minute

describe('ended sessions', () => {
  it('are remembered by their own id and by the sign-in at the provider', () => {
    const revocations = createRevocations({ log: new TestLog() })
    expect(revocations.isRevoked(session('a'))).toBe(false)
    void revocations.revoke({ session: 'a' }, noon, later)
    void revocations.revoke({ providerSession: 'p-b' }, noon, later)
    expect(['a', 'b', 'c'].map((id) => revocations.isRevoked(session(id)))).toEqual([true, true, false])
  })

  it.each([
    ['the person', { person: { issuer: 'https://idp.company.com', subject: 'anna' } }],
    ['the account', { account: 'anna@company.com' }],
    ['the provider', { provider: 'PLAY' }],
    ['the portal', { audience: 'home' }],
    ['account and portal', { account: 'anna@company.com', audience: 'home' }],
    ['person and provider', { person: { issuer: 'https://idp.company.com', subject: 'anna' }, provider: 'PLAY' }],
  ])('are all those of %s, and of nobody else', (_what, selector) => {
    const revocations = createRevocations({ log: new TestLog() })
    const [anna, other] = [
      session('a'),
      session('b', { audience: 'mail', identity: identityOf('ben', { provider: 'OTHER', issuer: 'https://other.example' }) }),
    ]
    expect([anna, other].map((one) => revocations.isRevoked(one))).toEqual([false, false])
    void revocations.revoke(selector, noon, later)
    expect([anna, other].map((one) => revocations.isRevoked(one))).toEqual([true, false])
  })

  it('are those of which everything holds that was said', () => {
    const revocations = createRevocations({ log: new TestLog() })
    void revocations.revoke({ account: 'anna@company.com', audience: 'mail', provider: 'PLAY' }, noon, later)
    expect(revocations.isRevoked(session('a'))).toBe(false)
    expect(revocations.isRevoked(session('a', { audience: 'mail' }))).toBe(true)
    const elsewhere = identityOf('anna', { provider: 'OTHER' })
    expect(revocations.isRevoked(session('a', { audience: 'mail', identity: elsewhere }))).toBe(false)
    // the same name at another issuer is somebody else
    void revocations.revoke({ person: { issuer: 'https://other.example', subject: 'anna' } }, noon, later)
    expect(revocations.isRevoked(session('a'))).toBe(false)
  })

  it('cannot be everybody’s by mistake', async () => {
    const revocations = createRevocations({ log: new TestLog() })
    await expect(revocations.revoke({}, noon, later)).rejects.toMatchObject({ reason: 'internal' })
    expect([revocations.size, revocations.isRevoked(session('a'))]).toEqual([0, false])
  })

  it('are asked about again as soon as anything was revoked, though the same object was clear before', () => {
    const revocations = createRevocations({ log: new TestLog() })
    const one = session('a')
    for (const selector of [{ session: 'x' }, { account: 'ben@company.com' }]) {
      void revocations.revoke(selector, noon, later)
      expect(revocations.isRevoked(one)).toBe(false)
    }
    void revocations.revoke({ audience: 'home' }, noon, later)
    expect(revocations.isRevoked(one)).toBe(true)
  })

  it('do not end what the same provider session, or the same person, signs in to afterwards', () => {
    const revocations = createRevocations({ log: new TestLog() })
    void revocations.revoke({ providerSession: 'p' }, noon, later)
    void revocations.revoke({ audience: 'mail' }, noon, later)
    for (const parts of [{ providerSession: 'p' }, { audience: 'mail' }]) {
      expect(revocations.isRevoked(session('a', parts))).toBe(true)
      expect(revocations.isRevoked(session('b', { ...parts, createdAt: noon + 1 }))).toBe(false)
    }
  })

  it('allow for clocks that differ, and never by the id of a session', () => {
    const revocations = createRevocations({ log: new TestLog(), clockSkew: 1000 })
    void revocations.revoke({ account: 'anna@company.com' }, noon, later)
    void revocations.revoke({ session: 'named' }, noon, later)
    const at = (createdAt: number) => revocations.isRevoked(session('a', { createdAt }))
    expect([at(noon + 1000), at(noon + 1001)]).toEqual([true, false])
    expect(revocations.isRevoked(session('named', { createdAt: later, identity: identityOf('ben') }))).toBe(true)
  })

  it('stay ended when an earlier end is told later', () => {
    const revocations = createRevocations({ log: new TestLog() })
    void revocations.revoke({ providerSession: 'p' }, noon + minute, later)
    void revocations.revoke({ providerSession: 'p' }, noon, noon + minute)
    void revocations.revoke({ providerSession: 'p' }, noon, later + minute)
    expect(revocations.isRevoked(session('a', { createdAt: noon + minute, providerSession: 'p' }))).toBe(true)
    expect(revocations.size).toBe(1)
  })

  it('are forgotten an hour after they would have ended by themselves: a clock may be set right again', () => {
    const revocations = createRevocations({ log: new TestLog() })
    void revocations.revoke({ session: 'a' }, noon, noon + minute)
    void revocations.revoke({ account: 'x' }, noon, noon + minute)
    void revocations.revoke({ session: 'c' }, noon + 60 * minute, later)
    expect(revocations.size).toBe(3)
    void revocations.revoke({ session: 'b' }, noon + 62 * minute, noon + 120 * minute)
    expect([revocations.size, revocations.isRevoked(session('a'))]).toEqual([2, false])
    expect(revocations.isRevoked(session('b'))).toBe(true)
  })

  it('are bounded: the oldest goes, single sessions first, and the log says so, not once per session', () => {
    const log = new TestLog()
    const revocations = createRevocations({ log, most: 3 })
    void revocations.revoke({ account: 'ben@company.com' }, noon, later)
    for (let i = 0; i < 10; i++) void revocations.revoke({ session: `s${i}` }, noon + i, later)
    expect(revocations.size).toBe(3)
    const ben = session('x', { identity: identityOf('ben') })
    expect([session('s9'), session('s8'), session('s7'), ben].map((one) => revocations.isRevoked(one))).toEqual([
      true,
      true,
      false,
      true,
    ])
    expect(log.servers).toHaveLength(1)
  })

  it('are told to whoever listens, once per change, and to nobody after that', () => {
    const revocations = createRevocations({ log: new TestLog() })
    let changes = 0
    const stop = revocations.onChange(() => void changes++)
    const news = ['a', 'b', 'c'].map((id) => ({ session: id, at: noon, until: later }))
    revocations.learn(news, noon)
    revocations.learn(news, noon) // known
    expect(changes).toBe(1)
    stop()
    void revocations.revoke({ session: 'd' }, noon, later)
    expect(changes).toBe(1)
  })
})
