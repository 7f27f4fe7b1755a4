import { describe, expect, it } from 'vitest'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import { createAllowance } from '../../../src/identity/signing-out/front-channel.ts'
import { createMemoryBoard } from '../../../src/state/board-memory.ts'
import type { Answer } from '../../../src/types.ts'
import { accountOf, Browser, basePath, failureOf, minute, requestOf, rulesOf, usual } from '../harness.ts'

const issuer = 'https://idp.company.com'
const host = 'home.company.com'
const policyOf = ({ headers = [] }: Answer) => headers[headers.indexOf('Content-Security-Policy') + 1]

function framed(options: Parameters<typeof usual>[0] = {}) {
  const made = usual(options)
  made.play.keep = { sid: 's1' }
  Object.assign(made.play.login, { issuerOf: (iss: string) => (iss === issuer ? issuer : undefined) })
  const load = (query: string, parts: Parameters<typeof requestOf>[0] = {}, provider = 'PLAY') =>
    made.world.signIn.frontChannel(requestOf({ query, host, ...parts }), made.home, provider)
  return { ...made, load, query: `?iss=${encodeURIComponent(issuer)}&sid=s1` }
}

describe("a frame on the provider's page", () => {
  it('ends that session of the provider at every portal without a cookie, and no other', async () => {
    const { browser, world, play, load, query } = framed()
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    play.keep = { sid: 's2' }
    const elsewhere = new Browser(world)
    await elsewhere.signIn('home', 'anna')
    const answer = await load(query)
    expect(answer).toMatchObject({ status: 200, cookies: [] })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect(accountOf(await elsewhere.who('home'))).toBe('anna@company.com')
    expect(play.ended).toEqual([])
  })

  it('clears the cookie where the browser brings it', async () => {
    const { browser, load, query } = framed()
    await browser.signIn('home', 'anna')
    const answer = await load(query, { cookies: browser.cookies(host) })
    expect(answer.account).toBe('anna@company.com')
    browser.take(host, answer.cookies)
    expect(browser.cookies(host)).toBe('')
  })

  it('leaves the cookie of another session alone', async () => {
    const { browser, play, load, query } = framed()
    play.keep = { sid: 's2' }
    await browser.signIn('home', 'anna')
    expect((await load(query, { cookies: browser.cookies(host) })).cookies).toEqual([])
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('may be framed by the provider alone', async () => {
    const { play, load, query } = framed()
    expect(policyOf(await load(query))).toBe(`default-src 'none'; frame-ancestors ${issuer}`)
    play.status = () => ({
      state: 'ready',
      endpoints: { end_session_endpoint: 'https://out.company.com/end; script-src *', jwks_uri: 'https://keys' },
    })
    expect(policyOf(await load(query))).toBe(`default-src 'none'; frame-ancestors ${issuer} https://out.company.com`)
    expect(policyOf(await load('?iss=https://evil.example&sid=s1'))).toBe(
      "default-src 'none'; frame-ancestors https://out.company.com",
    )
  })

  it.each([
    ['without iss', '?sid=s1'],
    ['without sid', `?iss=${issuer}`],
    ['with an empty sid', `?iss=${issuer}&sid=`],
    ['with another iss', '?iss=https://evil.example&sid=s1'],
    ['with sid twice', `?iss=${issuer}&sid=s1&sid=s1`],
    ['with iss twice', `?iss=${issuer}&iss=${issuer}&sid=s1`],
    ['with a sid that is too long', `?iss=${issuer}&sid=${'s'.repeat(513)}`],
    ['with nothing', ''],
  ])('ends nothing %s', async (_, query) => {
    const { browser, world, load } = framed()
    await browser.signIn('home', 'anna')
    expect(await load(query, { cookies: browser.cookies(host) })).toMatchObject({ status: 400, cookies: [] })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect(world.revocations.size).toBe(0)
  })

  it.each([{ method: 'POST' }, { method: 'HEAD' }, { headers: { 'sec-purpose': 'prefetch' } }])(
    'ends nothing by %j',
    async (parts) => {
      const { browser, load, query } = framed()
      await browser.signIn('home', 'anna')
      expect((await load(query, parts)).status).toBeGreaterThanOrEqual(400)
      expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    },
  )

  it.each(['NOBODY', 'OTHER'])('is nothing at %s', async (provider) => {
    const { load, query } = framed()
    expect(failureOf(await load(query, {}, provider)).reason).toBe('endpoint-unknown')
  })

  it('that strangers load over and over fills no list: whoever brings the cookie is signed out all the same', async () => {
    const { browser, world, load, query } = framed()
    await browser.signIn('home', 'anna')
    for (let at = 0; at < 2000; at++) await load(`?iss=${issuer}&sid=made-up-${at}`)
    const before = world.revocations.size
    expect((await load(`?iss=${issuer}&sid=another`)).status).toBe(503)
    expect(world.revocations.size).toBe(before)
    expect((await load(query, { cookies: browser.cookies(host) })).status).toBe(200)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    world.clock.pass(3_600_000)
    expect((await load(`?iss=${issuer}&sid=another`)).status).toBe(200)
  })
})

describe('a flood of made-up sign-ins', () => {
  /** 50 at a time and hour may be remembered of sessions that last a thousand hours. */
  const long = { session: rulesOf('home', { lifetime: 1000 * 60 * minute }) }
  const flood = async (load: (query: string) => Promise<Answer>, many: number) => {
    for (let at = 0; at < many; at++) await load(`?iss=${issuer}&sid=made-up-${Math.random()}`)
  }

  it('pushes nothing out where sessions last for weeks', async () => {
    const { world, load } = framed({ home: long })
    await flood(load, 200)
    expect(world.revocations.size).toBe(50)
  })

  it('finds no more places at many replicas than at one', async () => {
    const { world, home } = framed({ home: long })
    const { portals, keeper, identify, sealer, revocations, log, clock } = world
    const board = createMemoryBoard({ clock: clock.read })
    for (let replica = 0; replica < 5; replica++) {
      const options = { basePath, portals, keeper, identify, sealer, revocations, log, clock: clock.read, board }
      const signIn = createSignIn(options)
      await flood((query) => signIn.frontChannel(requestOf({ query, host }), home, 'PLAY'), 100)
    }
    expect(world.revocations.size).toBeGreaterThan(25)
    expect(world.revocations.size).toBeLessThanOrEqual(50)
  })

  it('at a replica whose board is away is held up by its own allowance', async () => {
    const { world, home } = framed({ home: long })
    const { portals, keeper, identify, sealer, revocations, log, clock } = world
    const board = { ...createMemoryBoard({ clock: clock.read }), once: () => Promise.reject(new Error('away')) }
    const signIn = createSignIn({ basePath, portals, keeper, identify, sealer, revocations, log, clock: clock.read, board })
    await flood((query) => signIn.frontChannel(requestOf({ query, host }), home, 'PLAY'), 100)
    expect(world.revocations.size).toBe(50)
  })
})

it('an allowance is spent, and there again after an hour', () => {
  const allowance = createAllowance(2)
  expect([allowance(0), allowance(1), allowance(2), allowance(3_600_000)]).toEqual([true, true, false, true])
  expect([allowance(3_600_000), allowance(3_600_000), allowance(0)]).toEqual([true, false, true])
})
