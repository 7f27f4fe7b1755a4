// What every session store must do, whoever keeps the sessions.
import { describe, expect, it } from 'vitest'
import type { SessionRecord, SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { identityOf, keyA, keyB, minute, noon, type TestClock } from '../harness.ts'

export function recordOf(extra: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: 'session-1',
    audience: 'home',
    identity: identityOf('anna', { claims: { name: 'Jürgen Ö', list: ['a', 1, null], deep: { x: true } } }),
    createdAt: noon,
    touchedAt: noon,
    endsAt: noon + 3_600_000,
    revision: 0,
    keep: { idToken: 'eyJ.x.y', sid: 's1' },
    providerSession: 'p1',
    factors: { FIDO: noon },
    ...extra,
  }
}

export interface Contents {
  /** A further store over the same contents, as another replica or generation has it. Default: one key, A. */
  readonly open: (keys?: readonly string[]) => SessionStore
  readonly clock: TestClock
}
/** `fresh` begins without sessions. */
export type Fresh = () => Promise<Contents>

const later = noon + 30 * minute
export async function made(store: SessionStore, record = recordOf(), until = later): Promise<string> {
  const token = await store.create(record, until)
  if (token === undefined) throw new Error('no token')
  return token
}
const idsOf = (records: readonly SessionRecord[]) => records.map(({ id }) => id)
const many = (count: number) => Array.from({ length: count }, (_, at) => at)

export function describeStore(name: string, fresh: Fresh): void {
  describe(`the ${name} store`, () => {
    it('gives back what it was given, whole', async () => {
      const store = (await fresh()).open()
      expect(await store.read(await made(store), 'home')).toEqual(recordOf())
      const tokens = { access: 'a', accessEndsAt: noon, refresh: 'r', refreshAt: noon, spentAt: noon }
      const full = recordOf({ id: 'b', tokens, local: true, madeBy: 'm', waits: true })
      expect(await store.read(await made(store, full), 'home')).toEqual(full)
    })

    it('gives tokens that a cookie can carry, and that are not taken for a piece', async () => {
      expect(await made((await fresh()).open())).toMatch(/^[A-Za-z_-][A-Za-z0-9._~-]*$/)
    })

    it('keeps two sessions apart', async () => {
      const store = (await fresh()).open()
      const [one, two] = await Promise.all([made(store, recordOf({ id: 'a' })), made(store, recordOf({ id: 'b' }))])
      expect(one).not.toBe(two)
      expect((await store.read(one, 'home'))?.id).toBe('a')
      expect((await store.read(two, 'home'))?.id).toBe('b')
    })

    it('takes a token that is not its own for nothing, and does not throw', async () => {
      const store = (await fresh()).open()
      const token = await made(store)
      const altered = token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
      const strange = ['', 'x', '..', 's1..', token.slice(1), token.slice(0, -1), `${token}x`, altered, 'é', 'x'.repeat(50_000)]
      for (const text of strange) expect(await store.read(text, 'home')).toBeUndefined()
    })

    it('opens nothing for another audience, or with another key', async () => {
      const { open } = await fresh()
      const token = await made(open())
      expect(await open().read(token, 'mail')).toBeUndefined()
      expect(await open([keyB]).read(token, 'home')).toBeUndefined()
      expect((await open().read(token, 'home'))?.id).toBe('session-1')
    })

    it('knows sessions of an older key of the ring, and hands out tokens of the first', async () => {
      const { open } = await fresh()
      const old = await made(open([keyA]))
      const both = open([keyB, keyA])
      expect(await both.read(old, 'home')).toEqual(recordOf())
      const renewed = (await both.touch(recordOf({ touchedAt: noon + 1 }), later)) ?? ''
      expect(renewed).not.toBe(old)
      expect((await both.read(renewed, 'home'))?.touchedAt).toBe(noon + 1)
    })

    it('writes down that a session was used', async () => {
      const store = (await fresh()).open()
      await made(store)
      const token = (await store.touch(recordOf({ touchedAt: noon + minute }), later + minute)) ?? ''
      expect(await store.read(token, 'home')).toEqual(recordOf({ touchedAt: noon + minute }))
    })

    it('removes quietly what it never had', async () => {
      await expect((await fresh()).open().remove(recordOf({ id: 'nobody' }))).resolves.toBeUndefined()
    })
  })
}

/** Of stores that have the sessions themselves. */
export function describeKeepingStore(name: string, fresh: Fresh): void {
  describeStore(name, fresh)

  describe(`the ${name} store, since it keeps sessions,`, () => {
    const two = async () => {
      const { open, clock } = await fresh()
      return { store: open(), another: open(), open, clock }
    }

    it('says so, and knows the token of any session', async () => {
      const { store, another } = await two()
      expect(store.keeps).toBe(true)
      expect(another.tokenOf?.({ id: 'session-1', audience: 'home' })).toBe(await made(store))
    })

    it('forgets what is removed, everywhere, and nothing brings it back', async () => {
      const { store, another } = await two()
      const token = await made(store)
      await another.remove(recordOf())
      expect(await store.read(token, 'home')).toBeUndefined()
      expect(await store.touch(recordOf({ touchedAt: noon + minute }), later)).toBeUndefined()
      expect(await store.replace(recordOf({ revision: 1 }), later)).toBeUndefined()
      expect(await another.read(token, 'home')).toBeUndefined()
      expect((await store.list({}, 10)).records).toEqual([])
      expect(await store.takeExpired(noon + 600 * minute, 10)).toEqual([])
    })

    it('lets the later of two uses stay', async () => {
      const { store, another } = await two()
      const token = await made(store)
      await store.touch(recordOf({ touchedAt: noon + 5 * minute }), later + 5 * minute)
      await another.touch(recordOf({ touchedAt: noon + 3 * minute }), later + 3 * minute)
      expect((await store.read(token, 'home'))?.touchedAt).toBe(noon + 5 * minute)
      expect(await store.takeExpired(later + 4 * minute, 10)).toEqual([])
      expect(idsOf(await store.takeExpired(later + 5 * minute, 10))).toEqual(['session-1'])
    })

    it('replaces only what it follows on: of many at once, one wins', async () => {
      const { store, another } = await two()
      const token = await made(store)
      const tries = many(20).map((at) =>
        (at % 2 ? store : another).replace(recordOf({ revision: 1, tokens: { access: `by ${at}` } }), later),
      )
      const won = (await Promise.all(tries)).flatMap((answer, at) => (answer === undefined ? [] : [at]))
      expect(won).toHaveLength(1)
      expect(await store.read(token, 'home')).toEqual(recordOf({ revision: 1, tokens: { access: `by ${won[0]}` } }))
      expect(await store.replace(recordOf({ revision: 3 }), later)).toBeUndefined()
      expect(await store.replace(recordOf({ revision: 2 }), later)).toBe(token)
      expect(await store.read(token, 'home')).toEqual(recordOf({ revision: 2 }))
    })

    it('never loses a replacement, or a use, to the other', async () => {
      const { store, another } = await two()
      const token = await made(store)
      await store.replace(recordOf({ revision: 1, tokens: { access: 'new' } }), later)
      await another.touch(recordOf({ touchedAt: noon + minute }), later + minute)
      expect(await store.read(token, 'home')).toEqual(
        recordOf({ revision: 1, tokens: { access: 'new' }, touchedAt: noon + minute }),
      )
      await store.replace(recordOf({ revision: 2 }), later)
      expect(await store.read(token, 'home')).toEqual(recordOf({ revision: 2, touchedAt: noon + minute }))
      expect(await store.takeExpired(later, 10)).toEqual([])
      await another.replace(recordOf({ revision: 3, endsAt: noon + 2 * minute }), noon + 2 * minute)
      expect(idsOf(await store.takeExpired(noon + 2 * minute, 10))).toEqual(['session-1'])
    })

    it('makes exactly as many sessions of a person as are allowed, of fifty who ask at once', async () => {
      const { store, another } = await two()
      const ask = (at: number) => (at % 2 ? store : another).create(recordOf({ id: `s${at}` }), later, 3)
      const tokens = (await Promise.all(many(50).map(ask))).filter((token) => token !== undefined)
      expect(tokens).toHaveLength(3)
      for (const token of tokens) expect(await another.read(token, 'home')).toBeDefined()
      expect((await store.list({ person: recordOf().identity }, 100)).records).toHaveLength(3)
    })

    it('counts per person and audience, and neither those that wait nor those that are over', async () => {
      const { store, clock } = await two()
      const at = async (extra: Partial<SessionRecord>, until = later) =>
        (await store.create(recordOf(extra), until, 1)) !== undefined
      expect(await at({ id: 'w', waits: true })).toBe(true)
      expect(await at({ id: 'a' })).toBe(true)
      expect(await at({ id: 'b' })).toBe(false)
      expect(await at({ id: 'w2', waits: true })).toBe(true)
      expect(await at({ id: 'c', audience: 'mail' })).toBe(true)
      expect(await at({ id: 'd', identity: identityOf('bert') })).toBe(true)
      expect(await at({ id: 'e', identity: identityOf('anna', { issuer: 'https://other' }) })).toBe(true)
      await store.remove(recordOf({ id: 'a' }))
      expect(await at({ id: 'f' })).toBe(true)
      clock.pass(30 * minute)
      expect(await at({ id: 'g' }, later + 30 * minute)).toBe(true)
      expect(await at({ id: 'h' }, later + 30 * minute)).toBe(false)
      await store.touch(recordOf({ id: 'g', touchedAt: clock.now + 20 * minute }), later + 50 * minute)
      clock.pass(30 * minute)
      expect(await at({ id: 'i' }, later + 90 * minute)).toBe(false)
    })

    it('counts a session that waited from the moment it does not', async () => {
      const { store } = await two()
      await made(store, recordOf({ id: 'w', waits: true }))
      expect(await store.replace(recordOf({ id: 'w', revision: 1 }), later)).toBeDefined()
      expect(await store.create(recordOf({ id: 'a' }), later, 1)).toBeUndefined()
      await store.remove(recordOf({ id: 'w' }))
      expect(await store.create(recordOf({ id: 'a' }), later, 1)).toBeDefined()
    })

    it('counts across a change of keys', async () => {
      const { open } = await fresh()
      await open([keyA]).create(recordOf({ id: 'a' }), later, 2)
      const rotated = open([keyB, keyA])
      expect(await rotated.create(recordOf({ id: 'b' }), later, 2)).toBeDefined()
      expect(await rotated.create(recordOf({ id: 'c' }), later, 2)).toBeUndefined()
      expect(idsOf((await rotated.list({ account: 'anna@company.com' }, 9)).records).sort()).toEqual(['a', 'b'])
      await rotated.remove(recordOf({ id: 'a' }))
      expect(await rotated.create(recordOf({ id: 'c' }), later, 2)).toBeDefined()
    })

    it('lists by whatever is asked, the newest first', async () => {
      const { store, another } = await two()
      const of = (id: string, age: number, extra: Partial<SessionRecord> = {}) =>
        made(store, recordOf({ id, createdAt: noon - age * minute, ...extra }))
      await of('a', 3)
      await of('b', 1, { identity: identityOf('bert') })
      await of('c', 2, { audience: 'mail' })
      await of('d', 4, { identity: identityOf('anna', { provider: 'OTHER', issuer: 'https://other' }) })
      const list = async (filter: Parameters<SessionStore['list']>[0], most = 10) => {
        const { records, complete } = await another.list(filter, most)
        return `${idsOf(records)} ${complete}`
      }
      expect(await list({})).toBe('b,c,a,d true')
      expect(await list({}, 3)).toBe('b,c,a false')
      expect(await list({}, 4)).toBe('b,c,a,d true')
      expect(await list({}, 0)).toBe(' false')
      expect(await list({ id: 'c' })).toBe('c true')
      expect(await list({ id: 'c', audience: 'home' })).toBe(' true')
      expect(await list({ account: 'anna@company.com' })).toBe('c,a,d true')
      expect(await list({ account: 'anna@company.com', audience: 'home' })).toBe('a,d true')
      expect(await list({ account: 'anna@company.com' }, 1)).toBe('c false')
      expect(await list({ provider: 'OTHER' })).toBe('d true')
      expect(await list({ audience: 'mail' })).toBe('c true')
      expect(await list({ person: { issuer: 'https://idp.company.com', subject: 'anna' } })).toBe('c,a true')
      expect(await list({ account: 'nobody' })).toBe(' true')
    })

    it('lists more than one page, and none that is over', async () => {
      const { store, clock } = await two()
      await Promise.all(many(450).map((at) => made(store, recordOf({ id: `s${at}`, createdAt: noon + at }))))
      await made(store, recordOf({ id: 'short', createdAt: noon + 1000 }), noon + 1)
      clock.pass(1)
      const all = await store.list({}, 1000)
      expect(idsOf(all.records)).toEqual(many(450).map((at) => `s${449 - at}`))
      expect(all.complete).toBe(true)
      expect(idsOf((await store.list({ audience: 'home' }, 210)).records)).toEqual(many(210).map((at) => `s${449 - at}`))
    })

    it('gives each session that is over once, to one process', async () => {
      const { store, another, clock } = await two()
      await Promise.all(many(60).map((at) => made(store, recordOf({ id: `s${at}` }), at < 40 ? later : later + minute)))
      clock.pass(30 * minute)
      const taken = await Promise.all(many(6).map((at) => (at % 2 ? store : another).takeExpired(later, 25)))
      const rest = await store.takeExpired(later, 100)
      expect(idsOf([...taken.flat(), ...rest]).sort()).toEqual(
        many(40)
          .map((at) => `s${at}`)
          .sort(),
      )
      expect(await another.takeExpired(later, 100)).toEqual([])
      expect(await store.takeExpired(later + minute, 15)).toHaveLength(15)
      expect(await store.takeExpired(later + minute, 15)).toHaveLength(5)
    })

    it('gives what is over whole; it is known for a while, and neither used nor changed any more', async () => {
      const { store, another, clock } = await two()
      const token = await made(store, recordOf({ tokens: { access: 'secret' } }))
      clock.pass(30 * minute)
      expect(await store.takeExpired(later - 1, 10)).toEqual([])
      expect(await store.takeExpired(later, 10)).toEqual([recordOf({ tokens: { access: 'secret' } })])
      expect(await another.read(token, 'home')).toMatchObject({ id: 'session-1', over: true })
      expect(await another.touch(recordOf({ touchedAt: later }), later + 30 * minute)).toBeUndefined()
      expect(await another.replace(recordOf({ revision: 1 }), later + 30 * minute)).toBeUndefined()
      expect((await store.list({}, 10)).records).toEqual([])
      expect(await store.create(recordOf({ id: 'b' }), later + minute, 1)).toBeDefined()
    })

    it('never gives a session for over that was used meanwhile', async () => {
      const { store, another } = await two()
      await made(store)
      await another.touch(recordOf({ touchedAt: noon + 10 * minute }), later + 10 * minute)
      expect(await store.takeExpired(later, 10)).toEqual([])
      expect(idsOf(await store.takeExpired(later + 10 * minute, 10))).toEqual(['session-1'])
    })
  })
}
