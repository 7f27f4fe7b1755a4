import { describe, expect, it } from 'vitest'
import { createRevocations } from '../../src/identity/revocations.ts'
import { minute, noon, TestLog } from './harness.ts'

const session = (id: string, createdAt = noon, providerSession = `p-${id}`) => ({ id, createdAt, providerSession })

describe('ended sessions', () => {
  it('are remembered by their own id and by the sign-in at the provider', () => {
    const revocations = createRevocations({ log: new TestLog() })
    expect(revocations.isRevoked(session('a'))).toBe(false)
    revocations.revoke('a', noon, noon + minute)
    revocations.revoke('p-b', noon, noon + minute)
    expect([session('a'), session('b'), session('c')].map(revocations.isRevoked)).toEqual([true, true, false])
  })

  it('do not end what the same provider session signs in to afterwards', () => {
    const revocations = createRevocations({ log: new TestLog() })
    revocations.revoke('p', noon, noon + minute)
    expect(revocations.isRevoked(session('a', noon, 'p'))).toBe(true)
    expect(revocations.isRevoked(session('b', noon + 1, 'p'))).toBe(false)
  })

  it('stay ended when an earlier end is told later', () => {
    const revocations = createRevocations({ log: new TestLog() })
    revocations.revoke('p', noon + minute, noon + 10 * minute)
    revocations.revoke('p', noon, noon + minute)
    expect(revocations.isRevoked(session('a', noon + minute, 'p'))).toBe(true)
  })

  it('are forgotten when they would have ended by themselves', () => {
    const revocations = createRevocations({ log: new TestLog() })
    revocations.revoke('a', noon, noon + minute)
    revocations.revoke('b', noon + 2 * minute, noon + 9 * minute)
    expect(revocations.size).toBe(1)
    expect(revocations.isRevoked(session('b'))).toBe(true)
  })

  it('are bounded: the oldest goes, and the log says so, not once per session', () => {
    const log = new TestLog()
    const revocations = createRevocations({ log, most: 3 })
    for (let i = 0; i < 10; i++) revocations.revoke(`s${i}`, noon + i, noon + minute)
    expect(revocations.size).toBe(3)
    expect(revocations.isRevoked(session('s9'))).toBe(true)
    expect(revocations.isRevoked(session('s0'))).toBe(false)
    expect(log.servers).toHaveLength(1)
  })
})
