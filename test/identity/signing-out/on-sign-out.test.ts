import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Board } from '../../../src/board.ts'
import { type CallOptions, createOutboundCall } from '../../../src/identity/accounts/outbound-call.ts'
import { createIdentify } from '../../../src/identity/identify.ts'
import { createSessionKeeper } from '../../../src/identity/sessions/session.ts'
import type { SessionRecord } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { createTellingKeeper } from '../../../src/identity/sessions/telling-keeper.ts'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import { createOnSignOut, type OnSignOut, type OnSignOutOptions } from '../../../src/identity/signing-out/on-sign-out.ts'
import { type Service, startService } from '../../support/service.ts'
import { accountOf, Browser, basePath, identityOf, minute, noon, requestOf, TestClock, TestLog, usual } from '../harness.ts'

const logout = `https://home.company.com${basePath}/logout`
let service: Service
const started: Service[] = []
beforeEach(async () => {
  service = await startService()
  started.push(service)
})
afterAll(async () => {
  for (const one of started) await one.close()
})

const record = (id: string, extra: Partial<SessionRecord> = {}): SessionRecord => ({
  id,
  audience: 'home',
  identity: identityOf('anna'),
  createdAt: noon,
  touchedAt: noon,
  endsAt: noon + 60 * minute,
  revision: 0,
  ...extra,
})

/** One call per portal named, of people and reasons. */
function telling(extra: Partial<OnSignOutOptions> & { readonly call?: Partial<CallOptions>; readonly timeout?: number } = {}) {
  const clock = new TestClock()
  const log = new TestLog()
  const { call, timeout = 20_000, ...others } = extra
  const outbound = createOutboundCall({
    url: `${service.url}/out/{account}`,
    method: 'POST',
    headers: {},
    body: '{ "reason": reason, "portal": portal, "hd": claims.hd, "ip": client_ip }',
    ...call,
  })
  onTestFinished(() => outbound.close())
  const calls = new Map(['home', 'mail'].map((portal) => [portal, [{ portal, call: outbound, timeout }]] as const))
  const onSignOut = createOnSignOut({ calls, log, clock: clock.read, ...others })
  return { onSignOut, clock, log, calls }
}
const told = () => service.asked.map(({ target, body }) => `${target} ${body}`)

describe('the end of a session', () => {
  it('is told to its portal, with who it was and why', async () => {
    const { onSignOut } = telling()
    onSignOut.ended(record('a', { identity: identityOf('anna', { claims: { hd: 'company.com' } }) }), 'sign-out')
    await onSignOut.settled()
    expect(told()).toEqual(['/out/anna%40company.com {"reason":"sign-out","portal":"home","hd":"company.com"}'])
    expect(service.asked[0]?.headers['idempotency-key']).toMatch(/^[\w-]{43}$/)
  })

  it('is told once, by the first reason given', async () => {
    const { onSignOut } = telling()
    for (const reason of ['portal', 'sign-out', 'idle'] as const) onSignOut.ended(record('a'), reason)
    onSignOut.ended(record('b'), 'revoked')
    await onSignOut.settled()
    onSignOut.ended(record('a'), 'idle')
    await onSignOut.settled()
    expect(told()).toEqual([expect.stringContaining('"portal"'), expect.stringContaining('"revoked"')])
  })

  it('is told by one of the processes that share a board, and by each while the board is away', async () => {
    const said = new Map<string, number>()
    const board = {
      once: async (key: string, forMs: number) => !said.has(key) && said.set(key, forMs) && true,
    } as unknown as Board
    const [one, other] = [telling({ board }).onSignOut, telling({ board }).onSignOut]
    const lost = telling({ board: { once: () => Promise.reject(new Error('away')) } as unknown as Board }).onSignOut
    for (const process of [one, other, lost]) process.ended(record('a'), 'sign-out')
    await Promise.all([one, other, lost].map((process) => process.settled()))
    expect(service.asked).toHaveLength(2)
    expect([...said]).toEqual([['sign-out-told a', 120 * minute]])
  })

  it.each([
    ['of a portal that does not want to know', { audience: 'other' }],
    ["of the portal's own sign-in", { local: true as const }],
    ['that never opened anything', { waits: true as const }],
  ])('%s is told to nobody', async (_, extra) => {
    const { onSignOut } = telling()
    onSignOut.ended(record('a', extra), 'sign-out')
    await onSignOut.settled()
    expect(service.asked).toEqual([])
  })
})

describe('a call', () => {
  it('is repeated while its service is out of order, with the same key', async () => {
    service.answer = (_, count) => ({ status: count < 3 ? 503 : 204 })
    const { onSignOut, log } = telling()
    onSignOut.ended(record('a'), 'sign-out')
    await onSignOut.settled()
    expect(service.asked).toHaveLength(3)
    expect(new Set(service.asked.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    expect(log.audits).toEqual([])
  })

  it('is given up after three attempts, and the log says where and for whom', async () => {
    service.answer = () => ({ status: 500, body: { secret: 'words' } })
    const { onSignOut, log } = telling()
    onSignOut.ended(record('a'), 'sign-out')
    await onSignOut.settled()
    expect(service.asked).toHaveLength(3)
    expect(log.audits).toEqual([
      {
        msg: 'sign-out not told to the portal',
        fields: {
          portal: 'home',
          provider: 'PLAY',
          account: 'anna@company.com',
          reason: 'sign-out',
          detail: `${service.url} answered 500`,
        },
      },
    ])
  })

  it('that its service refuses, or that cannot be filled in, is not repeated, and shows no value', async () => {
    service.answer = () => ({ status: 404 })
    const refused = telling()
    const unfilled = telling({ call: { url: `${service.url}/{request.path}` } })
    for (const { onSignOut } of [refused, unfilled]) {
      onSignOut.ended(record('a'), 'sign-out')
      await onSignOut.settled()
    }
    expect(service.asked).toHaveLength(1)
    expect(refused.log.audits).toHaveLength(1)
    expect(unfilled.log.audits).toMatchObject([{ fields: { detail: expect.stringContaining('missing') } }])
  })

  it('that nobody answers ends with its patience', async () => {
    service.answer = () => 'nothing'
    const { onSignOut, log } = telling({ timeout: 50 })
    onSignOut.ended(record('a'), 'sign-out')
    await onSignOut.settled()
    expect(log.audits).toHaveLength(1)
  })

  it('waits for its turn: eight are under way at a time, and all are made', async () => {
    let now = 0
    let most = 0
    service.answer = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      return {}
    }
    const { onSignOut } = telling()
    for (let at = 0; at < 40; at++) onSignOut.ended(record(`s${at}`), 'idle')
    await onSignOut.settled()
    expect(service.asked).toHaveLength(40)
    expect(most).toBeLessThanOrEqual(8)
    expect(most).toBeGreaterThan(1)
  })

  it('to a portal that does not answer keeps no other portal waiting', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    service.answer = async ({ body }) => {
      if (body.includes('"home"')) await held
      return {}
    }
    const { onSignOut } = telling()
    for (let at = 0; at < 9; at++) onSignOut.ended(record(`h${at}`), 'idle')
    onSignOut.ended(record('m', { audience: 'mail' }), 'idle')
    await vi.waitFor(() => expect(told().some((line) => line.includes('"mail"'))).toBe(true))
    release()
    await onSignOut.settled()
    expect(service.asked).toHaveLength(10)
  })

  it('is dropped where too many wait, and the log says so once', () => {
    service.answer = () => 'nothing'
    const { onSignOut, log } = telling({ timeout: 50 })
    for (let at = 0; at < 10_050; at++) onSignOut.ended(record(`s${at}`), 'idle')
    expect(log.servers).toHaveLength(1)
  })
})

describe('sessions whose time is over', () => {
  it('are taken from the store until there are none, and told of as idle or expired', async () => {
    const over = [
      ...Array.from({ length: 500 }, (_, at) => record(`s${at}`, { audience: 'other' })),
      record('idle', { endsAt: noon + minute }),
      record('expired', { endsAt: noon }),
    ]
    const { onSignOut } = telling({ store: { takeExpired: async (_, most) => over.splice(0, most) } })
    await onSignOut.sweep(noon)
    await onSignOut.settled()
    expect(told()).toEqual([expect.stringContaining('"idle"'), expect.stringContaining('"expired"')])
  })

  it('wait while the store is away, and one look is enough at a time', async () => {
    let looks = 0
    const store = {
      takeExpired: async () => {
        looks++
        if (looks === 1) throw new Error('away')
        return looks === 2 ? [record('a')] : []
      },
    }
    const { onSignOut } = telling({ store })
    await onSignOut.sweep(noon)
    await Promise.all([onSignOut.sweep(noon), onSignOut.sweep(noon)])
    await onSignOut.settled()
    expect(looks).toBe(2)
    expect(service.asked).toHaveLength(1)
  })

  it('are told of to the end, also where they are still being looked for when all is closed', async () => {
    const found = Promise.withResolvers<readonly SessionRecord[]>()
    const { onSignOut } = telling({ store: { takeExpired: () => found.promise } })
    void onSignOut.sweep(noon)
    const settled = onSignOut.settled()
    found.resolve([record('a')])
    await settled
    expect(service.asked).toHaveLength(1)
  })
})

/** Two portals whose sessions are in the memory of the process, and are told of. */
function world() {
  const made = usual()
  const { onSignOut, log } = telling()
  const store = createMemoryStore({ sessions: createMemorySessions(), sealer: made.world.sealer, clock: made.world.clock.read })
  const bare = createSessionKeeper({ sealer: made.world.sealer, claims: [], revocations: made.world.revocations, store })
  const keeper = createTellingKeeper(bare, onSignOut)
  const options = { ...made.world, basePath, clock: made.world.clock.read, keeper, onSignOut, identify: createIdentify(keeper) }
  const whole = { ...made.world, keeper, identify: options.identify, signIn: createSignIn(options) }
  made.play.keep = { sid: 's1' }
  return { ...made, world: whole, browser: new Browser(whole), onSignOut, log, store }
}
const reasons = async (onSignOut: OnSignOut) => {
  await onSignOut.settled()
  return service.asked.map(({ target, body }) => `${target.slice(5, 9)} ${JSON.parse(body).portal} ${JSON.parse(body).reason}`)
}

describe('where the store keeps sessions', () => {
  it('a sign-out ends the sessions of the same sign-in, takes them out of the store, and tells each portal', async () => {
    const { browser, play, onSignOut, store } = world()
    play.signOutAt = { kind: 'redirect', to: 'https://idp.company.com/end' }
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    expect((await store.list({}, 10)).records).toHaveLength(2)
    expect((await browser.open(logout)).show).toEqual({ kind: 'redirect', to: 'https://idp.company.com/end' })
    expect(play.ended).toMatchObject([{ keep: { sid: 's1' } }])
    expect((await store.list({}, 10)).records).toEqual([])
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect((await reasons(onSignOut)).toSorted()).toEqual(['anna home sign-out', 'anna mail sign-out'])
  })

  it('what a provider says in the back channel is told to the portals', async () => {
    const { browser, play, onSignOut, world: whole, home, store } = world()
    const said = { issuer: 'https://idp.company.com', subject: 'anna', jti: 'one', endsAt: noon + minute }
    Object.assign(play.login, { readLogoutToken: async () => said })
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    const other = new Browser(whole)
    await other.signIn('home', 'bert')
    const form = { form: { value: new URLSearchParams('logout_token=x') } }
    const answer = await whole.signIn.backChannel(Object.create(requestOf({ method: 'POST' }), form), home, 'PLAY')
    expect(answer.status).toBe(200)
    expect((await store.list({}, 10)).records.map(({ identity }) => identity.subject)).toEqual(['bert'])
    expect((await reasons(onSignOut)).toSorted()).toEqual(['anna home provider', 'anna mail provider'])
    expect(whole.log.audits.at(-1)?.fields['accounts']).toEqual(['anna@company.com'])
  })

  it('what a provider says in a frame is told to the portals', async () => {
    const { browser, play, onSignOut, world: whole, home } = world()
    Object.assign(play.login, { issuerOf: (iss: string) => iss })
    await browser.signIn('home', 'anna')
    const query = '?iss=https://idp.company.com&sid=s1'
    expect((await whole.signIn.frontChannel(requestOf({ query }), home, 'PLAY')).status).toBe(200)
    expect(await reasons(onSignOut)).toEqual(['anna home provider'])
  })

  it("the portal's own sign-out ends the session with its others", async () => {
    const { browser, onSignOut, world: whole, home } = world()
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    const { session } = await browser.who('home')
    const cookies = await whole.signIn.ended(requestOf({ cookies: browser.cookies('home.company.com') }), home, session!)
    browser.take('home.company.com', cookies)
    expect([...browser.jar('home.company.com').keys()]).toEqual([])
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect((await reasons(onSignOut)).toSorted()).toEqual(['anna home portal', 'anna mail portal'])
  })

  it('whom somebody else replaces in the same browser has left; whoever signs in again has not', async () => {
    const { browser, onSignOut, world: whole } = world()
    await browser.signIn('home', 'anna')
    whole.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect(await reasons(onSignOut)).toEqual([])
    await browser.signIn('home', 'bert')
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
    expect(await reasons(onSignOut)).toEqual(['anna home replaced'])
  })

  it('whoever is turned away at a new sign-in has left the old one', async () => {
    const { browser, onSignOut, home } = world()
    await browser.signIn('home', 'anna')
    Object.assign(home, { admit: () => ({ allowed: false, reason: 'rule-refused', rule: 'r' }) })
    await browser.signIn('home', 'anna')
    expect(await reasons(onSignOut)).toEqual(['anna home replaced'])
  })
})
