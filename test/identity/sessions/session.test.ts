import { describe, expect, it } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import type { Found } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createCookieStore } from '../../../src/identity/sessions/stores/cookie.ts'
import type { Json } from '../../../src/types.ts'
import { identityOf, keyA, keyB, minute, noon, rulesOf } from '../harness.ts'

import { big, headerFor, headerOf, isDeletion, keeperOf, request, rules } from './keeper.ts'

describe('a session', () => {
  it('is found again by its cookie, with everything in it', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon, { keep: { idToken: 'x' } })
    expect(cookies).toHaveLength(1)
    expect(cookies[0]).toMatch(/^postern-home=ey[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
    const { session: found, cookies: none } = await keeperOf().find(request(headerOf(cookies)), rules, noon)
    expect(found).toEqual(session)
    expect(none).toEqual([])
    expect(found?.identity).toEqual(identityOf('anna'))
  })

  it('is found synchronously once known, always as the same objects', async () => {
    const keeper = keeperOf()
    const header = request(`a=b; ${await headerFor(identityOf('anna'))}; c=d`)
    const [one, two] = await Promise.all([keeper.find(header, rules, noon), keeper.find(header, rules, noon)])
    const warm = keeper.find(header, rules, noon + 1)
    expect(warm).not.toBeInstanceOf(Promise)
    expect((warm as Found).session).toBe(one.session)
    expect(two.session).toBe(one.session)
    const later = await keeper.find(header, rules, noon + 5 * minute)
    expect(later.session?.identity).toBe(one.session?.identity)
  })

  it('is asked of its store again after a minute, and then again only once', async () => {
    const inner = createCookieStore(createSealer([keyA]))
    let reads = 0
    const store: SessionStore = { ...inner, read: (...of) => inner.read(...of).finally(() => reads++) }
    const keeper = keeperOf({ store })
    const header = request(await headerFor(identityOf('anna'), keeper))
    await keeper.find(header, rules, noon + minute - 1)
    expect(reads).toBe(0)
    await Promise.all([1, 2, 3].map(() => keeper.find(header, rules, noon + minute)))
    expect(reads).toBe(1)
  })

  it('without a cookie is nothing, at no cost', () => {
    const keeper = keeperOf()
    const found = keeper.find(request('other=1; postern-home-2=x; xpostern-home=y'), rules, noon)
    expect(found).toEqual({ cookies: [] })
    expect(keeper.find(request(''), rules, noon)).toBe(found)
  })

  it('has a new, unguessable id each time', async () => {
    const keeper = keeperOf()
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => (await keeper.open(identityOf('anna'), rules, noon)).session.id),
    )
    expect(new Set(ids).size).toBe(50)
    for (const id of ids) expect(id).toMatch(/^[\w-]{24}$/)
  })

  it('opens its own portal and nothing else (CVE-2017-6807)', async () => {
    const keeper = keeperOf()
    const header = (await headerFor(identityOf('anna'), keeper)).replace('postern-home', 'postern-mail')
    const mail = rulesOf('mail', { cookieName: 'postern-mail', cookieAttributes: 'Path=/' })
    for (const fresh of [keeper, keeperOf()]) {
      const found = await fresh.find(request(header), mail, noon)
      expect(found.session).toBeUndefined()
      expect(found.cookies.map((cookie) => cookie.split('=', 1)[0])).toEqual(['postern-mail'])
      expect(found.cookies.every(isDeletion)).toBe(true)
    }
  })

  it('that was altered or truncated is nobody, and its cookie goes', async () => {
    const header = await headerFor(identityOf('anna'))
    const broken = [
      header.slice(0, -1),
      `${header}A`,
      header.replace('.', ''),
      header.replace(/.{20}$/, 'A'.repeat(20)),
      'postern-home=',
      'postern-home=true',
    ]
    for (const cookies of broken) {
      const found = await keeperOf().find(request(cookies), rules, noon)
      expect(found.session).toBeUndefined()
      expect(found.cookies).toHaveLength(1)
      expect(found.cookies.every(isDeletion)).toBe(true)
    }
  })

  it('survives a rotation of keys; without its key it is nobody once, and a fresh sign-in works', async () => {
    const header = await headerFor(identityOf('anna'))
    const rotated = keeperOf({ sealer: createSealer([keyB, keyA]) })
    expect((await rotated.find(request(header), rules, noon)).session?.identity.account).toBe('anna@company.com')
    const without = keeperOf({ sealer: createSealer([keyB]) })
    const gone = await without.find(request(header), rules, noon)
    expect(gone.session).toBeUndefined()
    expect(gone.cookies.every(isDeletion)).toBe(true)
    const again = await headerFor(identityOf('anna'), without)
    expect((await without.find(request(again), rules, noon)).session).toBeDefined()
  })

  it('is not hidden for ever by a stale cookie of the same name from another path or domain', async () => {
    const keeper = keeperOf()
    const good = await headerFor(identityOf('anna'), keeper)
    const outlived = await headerFor(identityOf('bert'), keeper, noon - 1000 * minute)
    for (const stale of ['postern-home=rubbish', 'postern-home=3~x', outlived]) {
      const found = await keeper.find(request(`${stale}; ${good}`), rules, noon)
      expect(found.session?.identity.subject).toBe('anna')
      expect(found.cookies).toEqual([])
    }
  })
})

describe('an end', () => {
  it('holds at once, for the cookie and for each of its renewals', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon)
    const renewed = await keeper.find(request(headerOf(cookies)), rules, noon + 5 * minute, true)
    keeper.end(session, noon + 6 * minute)
    for (const header of [cookies, renewed.cookies].map(headerOf)) {
      expect((await keeper.find(request(header), rules, noon + 6 * minute, true)).session).toBeUndefined()
    }
  })

  it('costs no look into the store for a cookie that is still brought', async () => {
    const inner = createCookieStore(createSealer([keyA]))
    let reads = 0
    const keeper = keeperOf({ store: { ...inner, read: (...of) => inner.read(...of).finally(() => reads++) } })
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon)
    keeper.end(session, noon)
    for (const later of [1, 2, 3]) await keeper.find(request(headerOf(cookies)), rules, noon + later)
    expect(reads).toBe(0)
  })

  it('of the one before comes with a new one', async () => {
    const keeper = keeperOf()
    const first = await keeper.open(identityOf('anna'), rules, noon)
    const second = await keeper.open(identityOf('anna'), rules, noon, { replaces: first.session })
    expect(second.session.id).not.toBe(first.session.id)
    expect((await keeper.find(request(headerOf(first.cookies)), rules, noon)).session).toBeUndefined()
    expect((await keeper.find(request(headerOf(second.cookies)), rules, noon)).session).toBeDefined()
  })

  it('clears every piece the browser has', async () => {
    const header = await headerFor(big(6000))
    expect(keeperOf().clear(request(header), rules)).toEqual(
      ['postern-home', 'postern-home.1', 'postern-home.2'].map(
        (name) => `${name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT`,
      ),
    )
    expect(keeperOf().clear(request('x=y'), rules)).toEqual([])
  })
})

describe('one sign-in at the provider', () => {
  const of = async (claims: Record<string, Json>, keep?: Json, subject = 'anna') =>
    (await keeperOf().open(identityOf(subject, { claims }), rules, noon, keep === undefined ? {} : { keep })).session
      .providerSession

  it('is told by sid, else by the time of authentication, else it is all of the person', async () => {
    expect(await of({}, { sid: 's1' })).toBe(await of({ sid: 's1' }, undefined, 'somebody-with-the-same-sid'))
    expect(await of({}, { sid: 's1' })).not.toBe(await of({}, { sid: 's2' }))
    expect(await of({ auth_time: 1 })).toBe(await of({ auth_time: 1 }))
    expect(await of({ auth_time: 1 })).not.toBe(await of({ auth_time: 2 }))
    expect(await of({})).toBe(await of({}))
    expect(await of({})).not.toBe(await of({}, undefined, 'bert'))
  })
})

it('the cache is bounded', async () => {
  const keeper = keeperOf({ cacheSize: 5 })
  for (let i = 0; i < 20; i++) await keeper.open(identityOf(`p${i}`), rules, noon)
  expect(keeper.size()).toBe(5)
})
