import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createCookieStore } from '../../../src/identity/sessions/stores/cookie.ts'
import { identityOf, keyA, noon } from '../harness.ts'

import { big, headerFor, headerOf, isDeletion, keeperOf, request, rules } from './keeper.ts'

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

  it('takes no more pieces than it gives, and no piece of one', async () => {
    const token = (await headerFor(big(2000))).slice('postern-home='.length)
    const quarter = Math.ceil(token.length / 4)
    const [first, ...others] = [0, 1, 2, 3].map((i) => token.slice(i * quarter, (i + 1) * quarter))
    const four = [`postern-home=4~${first}`, ...others.map((part, i) => `postern-home.${i + 1}=${part}`)].join('; ')
    for (const cookies of [four, `postern-home=1~${token}`]) {
      expect((await keeperOf().find(request(cookies), rules, noon)).session).toBeUndefined()
    }
    expect((await keeperOf().find(request(`postern-home=${token}`), rules, noon)).session).toBeDefined()
  })

  it('reads the store at most a few times for one request', async () => {
    let reads = 0
    const store: SessionStore = { ...createCookieStore(createSealer([keyA])), read: async () => void reads++ }
    const cookies = Array.from({ length: 500 }, (_, i) => `postern-home=x${i}`).join('; ')
    await keeperOf({ store }).find(request(cookies), rules, noon)
    expect(reads).toBe(4)
  })
})
