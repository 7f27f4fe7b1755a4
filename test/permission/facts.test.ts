import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { factsOf, factsOfCase, timeTrouble } from '../../src/facts.ts'
import type { Identity, RequestView } from '../../src/types.ts'

const identity: Identity = {
  provider: 'PLAY',
  issuer: 'https://idp.company.com',
  subject: 's-1',
  account: 'ann@company.com',
  groups: ['staff'],
  claims: { sub: 's-1', hd: 'company.com', email: 'ann@company.com' },
  authenticatedAt: 1000,
}
const request: RequestView = {
  id: 'r-1',
  method: 'GET',
  host: 'home.company.com',
  path: '/a',
  query: '?x=1',
  cookies: 'secret=1',
  lines: () => [],
  peer: { address: '10.0.0.9', isTrustedProxy: true, certificateNames: [] },
  clientAddress: '::ffff:10.0.0.1',
  navigation: true,
}

describe('the facts', () => {
  it('are the claims at top level with the reserved names on top', () => {
    expect(factsOf({ ...identity, assurance: 'mfa' }, request, 'home', 5000)).toEqual({
      sub: 's-1',
      hd: 'company.com',
      email: 'ann@company.com',
      claims: identity.claims,
      account: 'ann@company.com',
      groups: ['staff'],
      provider: 'PLAY',
      portal: 'home',
      client_ip: '10.0.0.1',
      is_client_ip_private: true,
      is_system: false,
      request: { method: 'GET', path: '/a', query: 'x=1', host: 'home.company.com' },
      authenticated_at: 1000,
      now: 5000,
      acr: 'mfa',
    })
  })

  it('are never shadowed by a claim, also not where we know nothing', async () => {
    const reserved = [
      'claims',
      'account',
      'groups',
      'provider',
      'portal',
      'client_ip',
      'is_client_ip_private',
      'is_system',
      'auth',
      'request',
      'authenticated_at',
      'now',
      'acr',
      'profile',
    ]
    const claims = Object.fromEntries(reserved.map((name) => [name, 'forged']))
    const facts = factsOf({ ...identity, claims }, { ...request, clientAddress: null }, 'home', 1)
    for (const name of reserved) {
      expect(facts[name], name).not.toBe('forged')
      expect(await compileExpression(`claims.${name}`, 'value').evaluate(facts)).toBe('forged')
    }
    expect(await compileExpression('$exists(auth) or $exists(profile) or $exists(acr)', 'rule').evaluate(facts)).toBe(false)
  })

  it('say null and not private where the address cannot be known', () => {
    for (const clientAddress of [null, 'unknown', '10', '010.0.0.1']) {
      const facts = factsOf(identity, { ...request, clientAddress }, 'home', 1)
      expect([facts['client_ip'], facts['is_client_ip_private']]).toEqual([null, false])
    }
  })

  it('hold nothing of the request but what the contract names', () => {
    expect(JSON.stringify(factsOf(identity, request, 'home', 1))).not.toContain('secret')
  })
})

describe('the facts of a case', () => {
  it('are neutral where nothing is given', () => {
    expect(factsOfCase({})).toEqual({
      claims: {},
      account: null,
      groups: [],
      provider: '',
      portal: '',
      client_ip: null,
      is_client_ip_private: false,
      is_system: false,
      request: { method: 'GET', path: '/', query: '', host: '' },
      authenticated_at: 0,
      now: 0,
    })
  })

  it('take claims from both places, and times as text', () => {
    const facts = factsOfCase({
      hd: 'a',
      claims: { email: 'b' },
      now: '1970-01-01T00:00:01Z',
      client_ip: '192.168.0.1',
      request: { path: '/x' },
    })
    expect(facts).toMatchObject({
      hd: 'a',
      email: 'b',
      claims: { hd: 'a', email: 'b' },
      now: 1000,
      is_client_ip_private: true,
      request: { path: '/x', method: 'GET' },
    })
    expect(factsOfCase({ client_ip: '192.168.0.1', is_client_ip_private: false })['is_client_ip_private']).toBe(false)
  })
})

describe('the time of a case', () => {
  it.each(['2026-11-02T09:00:00Z', '2026-11-02T09:00+01:00', '2026-11-02', '2028-02-29', 'noon', 0, null, undefined])(
    'may be %j',
    (now) => expect(timeTrouble(now === undefined ? {} : { now })).toBeUndefined(),
  )
  it.each(['2026-13-02T09:00:00Z', '2026-02-29', '2026-11-02T09:00:00', '2026-11-02T25:00Z', 'Nov 2 2026', '12345', true, []])(
    'may not be %j, which is none or another one on every machine',
    (now) => {
      expect(timeTrouble({ now })?.key).toBe('now')
      expect(timeTrouble({ now: 1, authenticated_at: now })?.key).toBe('authenticated_at')
    },
  )
})
