// What the house may expect of every provider. A new one calls this and nothing else has to be told what a provider is.
import { describe, expect, it } from 'vitest'
import { describe as describeReason } from '../../../src/errors.ts'
import type { AuthOutcome, Facts, LoginStart, Provider, RequestView } from '../../../src/types.ts'
import { requestOf } from './fixtures.ts'

export interface Subject {
  /** A whole sign-in at a provider that does not tell when it asked the person. */
  asksNobody?(start: Partial<LoginStart>): Promise<{ readonly outcome: AuthOutcome }>
  readonly provider: Provider
  /** Texts that must never come out of it. */
  readonly secrets: readonly string[]
  /** A request or a sign-in that identifies somebody; absent where it never does. */
  identify?(): Promise<AuthOutcome>
}

const oddHeaders: readonly (readonly string[])[] = [
  [],
  ['iv-user', ''],
  ['iv-user', '%'],
  ['iv-user', '\u00ff\u00fe'],
  ['iv-user', 'a'.repeat(30_000)],
  ['iv-user', '__proto__', 'iv-groups', '"__proto__","constructor"'],
  ['iv-groups', '"'.repeat(10_001)],
  ['authorization', ''],
  ['authorization', 'Basic'],
  ['authorization', 'Basic ===='],
  ['authorization', 'Bearer x', 'authorization', 'Basic eDp5'],
  ['cookie', ';;;=;a=b;'],
]
const oddQueries = [
  '',
  '?',
  '?code',
  '?code=&state=',
  '?state=a&state=b',
  '?%',
  '?code=%ff',
  `?code=${'a'.repeat(20_000)}`,
  '?error=',
]

export function itConforms(name: string, start: () => Promise<Subject> | Subject): void {
  describe(`${name} as a provider`, () => {
    it('has a name, an upper-case protocol, a label, and a way to learn who somebody is', async () => {
      const { provider } = await start()
      expect(provider.name).not.toBe('')
      expect(provider.label).not.toBe('')
      expect(provider.protocol).toMatch(/^[A-Z][A-Z0-9-]*$/)
      // LOCAL is only a choice: who somebody is stays between them and the portal
      if (provider.protocol === 'LOCAL') expect(provider.recognize ?? provider.login ?? provider.asking).toBeUndefined()
      else expect(provider.recognize ?? provider.login).toBeDefined()
    })

    it('identifies somebody whole: issuer, subject, account, a list of groups, a time, and nothing that JSON loses', async () => {
      const { provider, identify } = await start()
      if (!identify) return
      const outcome = await identify()
      if (outcome.kind !== 'identified') throw new Error(JSON.stringify(outcome))
      const { identity } = outcome
      expect(identity.provider).toBe(provider.name)
      for (const text of [identity.issuer, identity.subject, identity.account]) expect(text).toMatch(/\S/)
      expect(identity.groups.every((group) => typeof group === 'string')).toBe(true)
      expect(Number.isSafeInteger(identity.authenticatedAt)).toBe(true)
      expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome)
    })

    it.each(oddHeaders.map((headers) => ({ headers })))(
      'answers odd headers with an outcome, not with an exception',
      async ({ headers }) => {
        const { provider, secrets } = await start()
        for (const from of ['10.0.0.1', '192.0.2.1', 'not an address']) {
          const outcome = await provider.recognize?.(requestOf({ headers, from }))
          if (outcome) expectHonest(outcome, secrets)
          expect(provider.consumesAuthorization?.(requestOf({ headers, from })) ?? false).toBeTypeOf('boolean')
        }
      },
    )

    it.each(oddQueries)('refuses the odd answer %j, without an exception', async (query) => {
      const { provider, secrets } = await start()
      if (!provider.login) return
      const at = { callback: 'http://portal.example/cb', state: 'state' }
      const back: RequestView = requestOf({ query })
      for (const flow of [null, 'x', 1, [], {}, { nonce: '', verifier: '' }, { nonce: 'n', verifier: 'v' }]) {
        const outcome = await provider.login.complete(back, flow, at)
        expect(['rejected', 'unavailable']).toContain(outcome.kind)
        expectHonest(outcome, secrets)
      }
    })

    it('begins a sign-in with a redirect, a flow that survives JSON, and fresh randomness', async () => {
      const { provider } = await start()
      if (!provider.login) return
      const begin = () => provider.login!.begin({ state: 'the-state', callback: 'http://portal.example/cb' })
      const [first, second] = [await begin(), await begin()]
      expect(first.show.kind).toBe('redirect')
      expect(JSON.parse(JSON.stringify(first.flow))).toEqual(first.flow)
      expect(first.flow).not.toEqual(second.flow)
    })

    it('says what it asks with as functions that never reject, and only where people sign in at it', async () => {
      const { provider } = await start()
      if (provider.asking) expect(provider.login).toBeDefined()
      for (const facts of [{}, { claims: null }, { login_hint: '\u0000' }] as unknown as Facts[]) {
        expect((await provider.asking?.loginHint?.(facts)) ?? '').not.toMatch(/[\u0000-\u001f]/)
        expect((await provider.asking?.verify?.expected(facts)) ?? '').toBeTypeOf('string')
      }
    })

    it('refuses a sign-in that was begun for a person to be asked, where nothing says that one was', async () => {
      const { provider, asksNobody } = await start()
      if (!provider.login || !asksNobody) return
      const { outcome } = await asksNobody({ fresh: true })
      expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(/auth_time/) })
    })

    it('says how it is without a secret, and closes as often as it is told', async () => {
      const { provider, secrets } = await start()
      const said = JSON.stringify([provider.status?.(), await provider.probe?.()])
      for (const secret of secrets) expect(said).not.toContain(secret)
      await provider.close?.()
    })
  })
}

function expectHonest(outcome: AuthOutcome, secrets: readonly string[]): void {
  const said = JSON.stringify(outcome)
  for (const secret of secrets) expect(said).not.toContain(secret)
  if (outcome.kind !== 'rejected') return
  expect(describeReason(outcome.reason).status).toBeGreaterThanOrEqual(400)
  expect(outcome.detail).toMatch(/^[ -~]{1,300}$/)
}
