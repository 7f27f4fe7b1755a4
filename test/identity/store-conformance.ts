// What every session store must do, whoever keeps the sessions.
import { describe, expect, it } from 'vitest'
import type { SessionRecord, SessionStore } from '../../src/identity/session-store.ts'
import { identityOf, noon } from './harness.ts'

export function recordOf(extra: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: 'session-1',
    audience: 'home',
    identity: identityOf('anna', { claims: { name: 'Jürgen Ö', list: ['a', 1, null], deep: { x: true } } }),
    createdAt: noon,
    touchedAt: noon,
    endsAt: noon + 3_600_000,
    keep: { idToken: 'eyJ.x.y', sid: 's1' },
    providerSession: 'p1',
    factors: { FIDO: noon },
    ...extra,
  }
}

export function describeStore(name: string, create: () => SessionStore): void {
  describe(`the ${name} store`, () => {
    it('gives back what it was given, whole', async () => {
      const store = create()
      expect(await store.read(await store.write(recordOf()))).toEqual(recordOf())
    })

    it('gives tokens that a cookie can carry, and that are not taken for a piece', async () => {
      expect(await create().write(recordOf())).toMatch(/^[A-Za-z_-][A-Za-z0-9._~-]*$/)
    })

    it('keeps two sessions apart', async () => {
      const store = create()
      const [one, two] = await Promise.all([store.write(recordOf({ id: 'a' })), store.write(recordOf({ id: 'b' }))])
      expect(one).not.toBe(two)
      expect((await store.read(one))?.id).toBe('a')
      expect((await store.read(two))?.id).toBe('b')
    })

    it('takes a token that is not its own for nothing, and does not throw', async () => {
      const store = create()
      const token = await store.write(recordOf())
      const strange = ['', 'x', '..', token.slice(1), token.slice(0, -1), `${token}x`, 'é', 'x'.repeat(50_000)]
      for (const text of strange) expect(await store.read(text)).toBeUndefined()
    })

    it('removes quietly what it never had', () => {
      expect(() => create().remove('nobody')).not.toThrow()
    })
  })
}
