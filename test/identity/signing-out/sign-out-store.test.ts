// Signing out while the store is away: this browser is signed out whatever happens, and nobody is told that all is well.
import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createIdentify } from '../../../src/identity/identify.ts'
import { createSessionKeeper } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import { accountOf, Browser, basePath, failureOf, locationOf, minute, type RequestParts, usual } from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'
const logout = `${home}${basePath}/logout`
const away = () => Promise.reject(new PosternError('store-unavailable', 'away'))

/** `writes`: what is read a moment ago is still known; `all`: nothing is. */
function world() {
  const made = usual()
  const { clock, sealer, revocations } = made.world
  let trouble: 'none' | 'writes' | 'all' = 'none'
  const kept = createMemoryStore({ sessions: createMemorySessions(), sealer, clock: clock.read })
  const store: SessionStore = {
    ...kept,
    read: (...asked) => (trouble === 'all' ? away() : kept.read(...asked)),
    remove: (...asked) => (trouble === 'none' ? kept.remove(...asked) : away()),
    list: (...asked) => (trouble === 'none' ? kept.list(...asked) : away()),
  }
  const shared = {
    isRevoked: revocations.isRevoked.bind(revocations),
    startOf: revocations.startOf.bind(revocations),
    isCurrent: () => true,
    revoke: async (...how: Parameters<typeof revocations.revoke>) => {
      await revocations.revoke(...how)
      if (trouble !== 'none') await away()
    },
  } as unknown as typeof revocations
  const keeper = createSessionKeeper({ sealer, claims: [], revocations: shared, store })
  const identify = createIdentify(keeper)
  const options = { ...made.world, basePath, clock: clock.read, keeper, identify, revocations: shared }
  const whole = { ...options, clock, counts: [], signIn: createSignIn(options) }
  const browser = new Browser(whole)
  const breakStore = (how: typeof trouble) => {
    trouble = how
  }
  return { ...made, browser, clock, break: breakStore }
}

describe('while the store is away', () => {
  it('a sign-out clears the cookie and holds here, and says that it may not hold everywhere', async () => {
    const { browser, break: breakStore, play, world: made } = world()
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end' }
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    breakStore('writes')
    const answer = await browser.open(logout)
    expect(failureOf(answer)).toMatchObject({ status: 503, reason: 'sign-out-incomplete', retryAfter: 5 })
    expect(answer).toMatchObject({ status: 503, account: 'anna@company.com' })
    expect(browser.cookies(host)).toBe('')
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(made.log.audits.map(({ msg }) => msg)).toEqual(['signed out here, not certainly everywhere yet'])
  })

  it('a session that cannot be read leaves this browser all the same', async () => {
    const { browser, break: breakStore, clock } = world()
    await browser.signIn('home', 'anna')
    clock.pass(2 * minute)
    breakStore('all')
    expect(failureOf(await browser.open(logout))).toMatchObject({ status: 503, reason: 'sign-out-incomplete' })
    expect(browser.cookies(host)).toBe('')
    expect(locationOf(await browser.open(logout))).toBe(`${home}/_postern/signed-out`)
  })

  it.each<RequestParts>([
    { headers: { 'sec-fetch-site': 'cross-site' } },
    { headers: { origin: 'https://evil.example' } },
    { method: 'POST', query: '?confirm=made-up', headers: { origin: 'https://evil.example' } },
  ])("another site's page signs nobody out: %j", async (parts) => {
    const { browser, break: breakStore, clock } = world()
    await browser.signIn('home', 'anna')
    clock.pass(2 * minute)
    breakStore('all')
    expect(failureOf(await browser.open(logout, parts))).toMatchObject({ status: 503, reason: 'store-unavailable' })
    breakStore('none')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('the legacy page still signs out from everywhere', async () => {
    const { browser, break: breakStore, clock } = world()
    await browser.signIn('home', 'anna')
    clock.pass(2 * minute)
    breakStore('all')
    const answer = await browser.open(`${home}/pkmslogout`, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(failureOf(answer).reason).toBe('sign-out-incomplete')
    expect(browser.cookies(host)).toBe('')
  })
})

describe('where the store keeps sessions', () => {
  it('the legacy page ends the session, asked for by GET from anywhere', async () => {
    const { browser } = world()
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    const answer = await browser.open(`${home}/pkmslogout`, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(locationOf(answer)).toBe(`${home}/_postern/signed-out?still=PLAY`)
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('what the provider needs again is there at the sign-out', async () => {
    const { browser, play } = world()
    play.keep = { idToken: 'x'.repeat(4000), sid: 's1' }
    await browser.signIn('home', 'anna')
    await browser.open(logout)
    expect(play.ended).toMatchObject([{ keep: play.keep }])
  })
})
