import { describe, expect, it } from 'vitest'
import { createRefusals, type Refusal } from '../../src/explanation/refusals.ts'
import type { Identity } from '../../src/types.ts'

const anna: Identity = {
  provider: 'PLAY',
  issuer: 'https://idp',
  subject: '1',
  account: 'anna',
  groups: [],
  claims: {},
  authenticatedAt: 0,
}
const refusal = (id: string, more: Partial<Refusal> = {}): Refusal => ({
  id,
  at: 0,
  generation: 1,
  method: 'GET',
  host: 'home',
  path: '/x',
  clientIp: null,
  portal: 'home',
  reason: 'rule-refused',
  identity: anna,
  ...more,
})

describe('the refusals that are remembered', () => {
  it('are at most 200, the oldest going first', () => {
    const refusals = createRefusals()
    for (let i = 0; i < 500; i++) refusals.note(refusal(`p${i}`))
    for (let i = 0; i < 500; i++) {
      const { identity: _nobody, ...stranger } = refusal(`s${i}`)
      refusals.note(stranger)
    }
    expect(refusals.size().count).toBe(200)
    expect(refusals.find('p499')).toBeDefined()
    expect(refusals.find('p0')).toBeUndefined()
    expect(refusals.find('s499')).toBeDefined()
    expect(refusals.recent()).toHaveLength(200)
  })
  it('are at most 1 MiB, and one that is larger is none', () => {
    const refusals = createRefusals()
    for (let i = 0; i < 100; i++) refusals.note(refusal(`p${i}`, { identity: { ...anna, claims: { much: 'x'.repeat(50_000) } } }))
    expect(refusals.size().bytes).toBeLessThanOrEqual(1024 * 1024)
    expect(refusals.size().count).toBeGreaterThan(2)
    refusals.note(refusal('huge', { identity: { ...anna, claims: { much: 'x'.repeat(2_000_000) } } }))
    expect(refusals.find('huge')).toBeUndefined()
    expect(refusals.find('p99')).toBeDefined()
  })
  it('of strangers push no person out', () => {
    const refusals = createRefusals()
    refusals.note(refusal('person'))
    for (let i = 0; i < 10_000; i++) {
      const { identity: _nobody, ...stranger } = refusal(`s${i}`)
      refusals.note(stranger)
    }
    expect(refusals.find('person')).toBeDefined()
  })
  it('hold nothing but what is known of them: no query, nothing that hangs on the identity', () => {
    const refusals = createRefusals()
    const session = { ...anna, keep: { idToken: 'SECRET' }, sessionId: 'SECRET' }
    refusals.note(refusal('a', { path: '/x?token=SECRET', identity: session }))
    expect(JSON.stringify(refusals.find('a'))).not.toContain('SECRET')
  })
  it('hold what the rules were asked about: what a post-login action learnt, and the profile', () => {
    const refusals = createRefusals()
    const shaped = {
      ...anna,
      added: { operator: null, level: 3 },
      profile: { name: 'internal', attributes: { department: 'x' } },
    }
    refusals.note(refusal('a', { identity: shaped }))
    expect(refusals.find('a')?.identity).toEqual(shaped)
  })
  it('with the same id replace each other', () => {
    const refusals = createRefusals()
    const before = refusals.size().bytes
    refusals.note(refusal('a', { path: '/one' }))
    refusals.note(refusal('a', { path: '/two' }))
    expect(refusals.size().count).toBe(1)
    expect(refusals.find('a')?.path).toBe('/two')
    expect(refusals.size().bytes - before).toBe(JSON.stringify(refusals.find('a')).length * 2)
  })
})
