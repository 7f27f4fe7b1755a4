import { describe, expect, it } from 'vitest'
import { PosternError } from '../../src/errors.ts'
import { createRevocations } from '../../src/identity/revocations.ts'
import { createSealer } from '../../src/identity/seal.ts'
import { createSessionKeeper, type Found, type KeeperOptions } from '../../src/identity/session.ts'
import type { SessionStore } from '../../src/identity/session-store.ts'
import { createCookieStore } from '../../src/identity/stores/cookie.ts'
import type { Identity, Json } from '../../src/types.ts'
import { identityOf, keyA, keyB, minute, noon, rulesOf, TestLog } from './harness.ts'

const rules = rulesOf('home', { cookieName: 'postern-home', cookieAttributes: 'Path=/; HttpOnly; SameSite=Lax' })
const keeperOf = (extra: Partial<KeeperOptions> = {}) =>
  createSessionKeeper({
    sealer: createSealer([keyA]),
    claims: [],
    revocations: createRevocations({ log: new TestLog() }),
    ...extra,
  })

/** The Cookie header of a browser that was given these. */
const headerOf = (cookies: readonly string[]): string => cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ')
const request = (cookies: string) => ({ cookies })
const isDeletion = (cookie: string) => cookie.includes('Max-Age=0')
const big = (length: number, name = 'memberOf'): Identity =>
  identityOf('anna', { claims: { small: 'x', [name]: 'g'.repeat(length) } })
async function headerFor(identity: Identity, keeper = keeperOf(), at = noon, using = rules): Promise<string> {
  return headerOf((await keeper.open(identity, using, at)).cookies)
}

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
    const store: SessionStore = { ...inner, read: (token) => inner.read(token).finally(() => reads++) }
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

describe('time', () => {
  it('ends a session that was idle, and says so', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 30 * minute - 1)).session).toBeDefined()
    const over = await keeper.find(header, rules, noon + 30 * minute)
    expect(over.session).toBeUndefined()
    expect(over.expired).toBe(true)
    expect(over.cookies.every(isDeletion)).toBe(true)
  })

  it('ends a session for good, however busy it was', async () => {
    const keeper = keeperOf()
    let header = await headerFor(identityOf('anna'), keeper)
    let now = noon
    let ends = 0
    while (now < noon + 600 * minute) {
      now += 10 * minute
      const found = await keeper.find(request(header), rules, now, true)
      if (!found.session) break
      ends = found.session.endsAt
      if (found.cookies.length > 0) header = headerOf(found.cookies)
    }
    expect(now).toBe(noon + 480 * minute)
    expect(ends).toBe(noon + 480 * minute)
  })

  it('ends no later than the provider says', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon, { endsAt: noon + 5 * minute })
    expect([session.endsAt, session.idleUntil]).toEqual([noon + 5 * minute, noon + 5 * minute])
    expect((await keeper.find(request(headerOf(cookies)), rules, noon + 5 * minute)).session).toBeUndefined()
  })

  it('that was shortened by the configuration shortens sessions that are open', async () => {
    const header = request(await headerFor(identityOf('anna')))
    const shorter = { ...rules, idle: 5 * minute }
    expect((await keeperOf().find(header, shorter, noon + 6 * minute)).session).toBeUndefined()
    expect((await keeperOf().find(header, { ...rules, lifetime: minute }, noon + 2 * minute)).session).toBeUndefined()
    expect((await keeperOf().find(header, rules, noon + 6 * minute)).session).toBeDefined()
  })

  it('with idle 0 counts the lifetime only', async () => {
    const never = { ...rules, idle: 0 }
    const header = request(await headerFor(identityOf('anna'), keeperOf(), noon, never))
    expect((await keeperOf().find(header, never, noon + 479 * minute, true)).session).toBeDefined()
    expect((await keeperOf().find(header, never, noon + 480 * minute, true)).session).toBeUndefined()
  })
})

describe('renewal', () => {
  it('happens once per tenth of the idle time, for a whole burst', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 3 * minute - 1, true)).cookies).toEqual([])
    const burst = await Promise.all(Array.from({ length: 20 }, () => keeper.find(header, rules, noon + 3 * minute, true)))
    expect(new Set(burst.map(({ cookies }) => cookies[0])).size).toBe(1)
    expect(burst[0]?.cookies).toHaveLength(1)
    const late = await keeper.find(header, rules, noon + 4 * minute, true)
    expect(late.cookies).toEqual(burst[0]?.cookies)
    const renewed = request(headerOf(late.cookies))
    expect((await keeper.find(renewed, rules, noon + 4 * minute, true)).cookies).toEqual([])
    expect((await keeper.find(renewed, rules, noon + 32 * minute)).session).toBeDefined()
    expect((await keeper.find(renewed, rules, noon + 33 * minute)).session).toBeUndefined()
  })

  it('keeps id, identity object, beginning and end', async () => {
    const keeper = keeperOf()
    const { session, cookies } = await keeper.open(identityOf('anna'), rules, noon)
    const { session: renewed, cookies: fresh } = await keeper.find(request(headerOf(cookies)), rules, noon + 10 * minute, true)
    expect(renewed).toEqual({ ...session, idleUntil: noon + 40 * minute })
    expect(renewed?.identity).toBe(session.identity)
    const next = await keeper.find(request(headerOf(fresh)), rules, noon + 10 * minute)
    expect(next.session?.identity).toBe(session.identity)
  })

  it('never comes more often than every minute, and not where it would change nothing', async () => {
    const keeper = keeperOf()
    const quick = { ...rules, idle: 2 * minute }
    const header = request(await headerFor(identityOf('anna'), keeper, noon, quick))
    expect((await keeper.find(header, quick, noon + minute - 1, true)).cookies).toEqual([])
    expect((await keeper.find(header, quick, noon + minute, true)).cookies).toHaveLength(1)
    const short = { ...rules, lifetime: 20 * minute }
    const ending = request(await headerFor(identityOf('anna'), keeper, noon, short))
    expect((await keeper.find(ending, short, noon + 10 * minute, true)).cookies).toEqual([])
  })

  it('is not done for a request that does not extend the session', async () => {
    const keeper = keeperOf()
    const header = request(await headerFor(identityOf('anna'), keeper))
    expect((await keeper.find(header, rules, noon + 10 * minute)).cookies).toEqual([])
  })

  it('that fails is tried again', async () => {
    const inner = createCookieStore(createSealer([keyA]))
    let down = false
    const write: SessionStore['write'] = (record) =>
      down ? Promise.reject(new PosternError('store-unavailable', 'down')) : inner.write(record)
    const keeper = keeperOf({ store: { ...inner, write } })
    const header = request(await headerFor(identityOf('anna'), keeper))
    down = true
    await expect(keeper.find(header, rules, noon + 5 * minute, true)).rejects.toThrow('store-unavailable')
    down = false
    expect((await keeper.find(header, rules, noon + 5 * minute, true)).cookies).toHaveLength(1)
  })
})

describe('a large session', () => {
  it('is cut into two or three cookies, none too long for a browser, and found again', async () => {
    for (const [length, pieces] of [
      [3000, 2],
      [6000, 3],
    ] as const) {
      const { cookies } = await keeperOf().open(big(length), rules, noon)
      expect(cookies.map((cookie) => cookie.split('=', 1)[0])).toEqual(
        ['postern-home', 'postern-home.1', 'postern-home.2'].slice(0, pieces),
      )
      for (const cookie of cookies) expect((cookie.split(';', 1)[0] as string).length).toBeLessThan(4096)
      const keeper = keeperOf()
      const shuffled = request(headerOf([...cookies].reverse()))
      expect((await keeper.find(shuffled, rules, noon)).session?.identity).toEqual(big(length))
      expect(keeper.find(shuffled, rules, noon)).not.toBeInstanceOf(Promise)
    }
  })

  it('deletes the pieces of a longer one before it, and only those', async () => {
    const three = await headerFor(big(6000))
    const two = await keeperOf().open(big(3000), rules, noon, { request: request(`${three}; postern-home.fxyz=1; other.2=1`) })
    expect(two.cookies.filter(isDeletion).map((cookie) => cookie.split('=', 1)[0])).toEqual(['postern-home.2'])
    const one = await keeperOf().open(identityOf('anna'), rules, noon, { request: request(three) })
    expect(one.cookies.filter(isDeletion).map((cookie) => cookie.split('=', 1)[0])).toEqual(['postern-home.1', 'postern-home.2'])
  })

  it('with a piece missing, foreign or doubled is nobody once: everything of it is deleted', async () => {
    const [first = '', second = '', third = ''] = (await headerFor(big(6000))).split('; ')
    const [, otherSecond = ''] = (await headerFor(big(6000))).split('; ')
    const broken = [
      [first],
      [first, second],
      [first, third],
      [first, otherSecond, third],
      [first, second, third.slice(0, -5)],
      [first, second, `${third}xx`],
    ]
    for (const parts of broken) {
      const found = await keeperOf().find(request(parts.join('; ')), rules, noon)
      expect(found.session).toBeUndefined()
      const kept = new Set(parts.map((part) => part.split('=', 1)[0]))
      for (const cookie of found.cookies) kept.delete(cookie.split('=', 1)[0])
      expect([...kept]).toEqual([])
    }
    expect((await keeperOf().find(request([first, second, third].join('; ')), rules, noon)).session).toBeDefined()
  })

  it('that needs a fourth cookie is refused, naming its largest claim', async () => {
    const opening = keeperOf().open(big(20_000), rules, noon)
    await expect(opening).rejects.toThrow(PosternError)
    await expect(opening).rejects.toMatchObject({
      reason: 'session-too-large',
      detail: expect.stringContaining('"memberOf" with 20002 bytes'),
    })
  })

  it('fits when only the claims that are wanted are kept', async () => {
    const keeper = keeperOf({ claims: ['small', 'email', 'missing'] })
    const { session } = await keeper.open(big(20_000), rules, noon)
    expect(session.identity.claims).toEqual({ small: 'x' })
    expect(session.identity.account).toBe('anna@company.com')
  })
})

describe('absurd Cookie headers (CVE-2024-24814, CVE-2023-28625)', () => {
  it.each([
    ['a chunk count nobody could send', 'postern-home=99999999~x'],
    ['one beyond three', 'postern-home=4~x; postern-home.1=a; postern-home.2=b; postern-home.3=c'],
    ['zero pieces', 'postern-home=0~x'],
    ['one piece of one', 'postern-home=1~x'],
    ['a count that is no number', 'postern-home=x~x'],
    ['nothing but separators', `postern-home=${';'.repeat(20_000)}`],
    ['thousands of pieces', `postern-home=3~x; ${Array.from({ length: 2000 }, (_, i) => `postern-home.${i}=x`).join('; ')}`],
    ['thousands of namesakes', Array.from({ length: 2000 }, () => 'postern-home=2~x').join('; ')],
    ['a header full of our name', `${'postern-home'.repeat(2500)}=x; postern-home=y`],
  ])('%s: nobody, a handful of deletions', async (_, cookies) => {
    const found = await keeperOf().find(request(cookies), rules, noon)
    expect(found.session).toBeUndefined()
    expect(found.cookies.length).toBeLessThanOrEqual(12)
    expect(found.cookies.every(isDeletion)).toBe(true)
  })

  it('reads the store at most a few times for one request', async () => {
    let reads = 0
    const store: SessionStore = { ...createCookieStore(createSealer([keyA])), read: async () => void reads++ }
    const cookies = Array.from({ length: 500 }, (_, i) => `postern-home=x${i}`).join('; ')
    await keeperOf({ store }).find(request(cookies), rules, noon)
    expect(reads).toBe(4)
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
