import { describe, expect, it } from 'vitest'
import type { Facts, Portal } from '../../../src/types.ts'
import {
  accountOf,
  Browser,
  basePath,
  failureOf,
  keyA,
  keyB,
  locationOf,
  minute,
  portalOf,
  ScriptedProvider,
  worldOf,
} from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'

function factorWorld(extra: Partial<Portal> = {}, admit?: Portal['admit']) {
  const play = new ScriptedProvider('PLAY', 'PASSWORD')
  const other = new ScriptedProvider('OTHER')
  const fido = new ScriptedProvider('FIDO')
  fido.about = { issuer: 'https://fido.company.com', provider: 'FIDO' }
  play.keep = { idToken: 'of-play', sid: 's1' }
  const secondFactors = [{ provider: fido, after: 'PLAY', ...(admit ? { admit } : {}) }]
  const portal = portalOf('home', [play, other], { secondFactors, ...extra })
  const world = worldOf([portal], { claims: ['email'] })
  return { play, other, fido, world, browser: new Browser(world), portal }
}
const start = `${home}${basePath}/start/FIDO?return=%2Fa`

describe('a second factor', () => {
  it('is added to the session of the first person, under a new id, and changes nothing else', async () => {
    const { browser, world } = factorWorld()
    await browser.signIn('home', 'anna')
    const old = browser.cookies(host)
    const { session: before } = await browser.who('home')
    world.clock.pass(minute)
    expect(locationOf(await browser.signIn('home', 'anna', { provider: 'FIDO', returnTo: '/a' }))).toBe(`${home}/a`)
    const { session: after } = await browser.who('home')
    expect(after?.id).not.toBe(before?.id)
    const { id: _, idleUntil: __, ...kept } = before ?? ({} as never)
    expect(after).toMatchObject({ ...kept, factors: { FIDO: world.clock.now } })
    browser.take(host, old.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(
      world.log.authentications.map(({ result, provider, account, message }) => [result, provider, account, message]),
    ).toEqual([
      ['Redirection', 'PLAY', undefined, 'Redirection to PLAY for PASSWORD authentication.'],
      ['Success', 'PLAY', 'anna@company.com', 'Redirection to PLAY for PASSWORD authentication.'],
      ['Redirection', 'FIDO', undefined, 'Redirection to FIDO for FIDO authentication.'],
      ['Success', 'FIDO', 'anna@company.com', 'Redirection to FIDO for FIDO authentication.'],
    ])
  })

  it('makes no session alone: whoever is not signed in signs in with the first provider first', async () => {
    const { browser, fido } = factorWorld()
    expect(locationOf(await browser.open(start))).toBe('/_postern/start/PLAY?return=%2Fa')
    await browser.signIn('home', 'anna', { provider: 'OTHER' })
    expect(locationOf(await browser.open(start))).toBe('/_postern/start/PLAY?return=%2Fa')
    expect(fido.starts).toEqual([])
  })

  it('is no choice', async () => {
    const { browser } = factorWorld()
    const { show } = await browser.open(`${home}${basePath}/login`)
    expect(show).toMatchObject({ page: { choices: [{ label: 'PLAY label' }, { label: 'OTHER label' }] } })
    await browser.signIn('home', 'anna')
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    expect(browser.jar(host).get('__Host-postern-home.last')).toBe('PLAY')
  })

  it('of another account is refused, and the session stays without it', async () => {
    const { browser } = factorWorld()
    await browser.signIn('home', 'anna')
    const answer = await browser.signIn('home', 'bert', { provider: 'FIDO' })
    expect(failureOf(answer)).toMatchObject({ status: 403, reason: 'other-person', provider: 'FIDO' })
    const { session } = await browser.who('home')
    expect([session?.identity.subject, session?.factors]).toEqual(['anna', undefined])
  })

  it('takes the account in any case of its letters', async () => {
    const { browser, fido } = factorWorld()
    await browser.signIn('home', 'anna')
    fido.about = { ...fido.about, account: 'ANNA@Company.com' }
    await browser.signIn('home', 'x', { provider: 'FIDO' })
    const known = await browser.who('home')
    expect(Object.keys(known.session?.factors ?? {})).toEqual(['FIDO'])
    expect(accountOf(known)).toBe('anna@company.com')
  })

  it('is asked for the first person by name, and verified by the claim that says so', async () => {
    const { browser, fido } = factorWorld()
    const expected = async (facts: Facts) => (facts['claims'] as { email: string }).email
    fido.asking = { loginHint: expected, verify: { claim: 'user', expected } }
    fido.claims = { user: 'anna@company.com' }
    fido.about = { ...fido.about, account: 'a-1' }
    await browser.signIn('home', 'anna')
    await browser.signIn('home', 'key-17', { provider: 'FIDO' })
    expect(fido.starts[0]?.loginHint).toBe('anna@company.com')
    expect((await browser.who('home')).session?.factors).toHaveProperty('FIDO')
    fido.claims = { user: 'bert@company.com' }
    expect(failureOf(await browser.signIn('home', 'anna', { provider: 'FIDO' })).reason).toBe('hint-mismatch')
  })

  it('for somebody who has signed out meanwhile, or whose session is over, leads back to the first', async () => {
    const { browser, world } = factorWorld()
    await browser.signIn('home', 'anna')
    const back = await browser.goAway('home', 'anna', { provider: 'FIDO', returnTo: '/a' })
    await browser.open(`${home}${basePath}/logout`)
    const answer = await browser.open(back)
    expect(failureOf(answer)).toMatchObject({ reason: 'sign-in-expired', signIn: '/_postern/start/PLAY?return=%2Fa' })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    world.clock.pass(25 * minute)
    const late = await browser.goAway('home', 'anna', { provider: 'FIDO' })
    world.clock.pass(6 * minute)
    expect(failureOf(await browser.open(late)).reason).toBe('sign-in-expired')
  })

  it('is not given to somebody else who has signed in meanwhile', async () => {
    const { browser } = factorWorld()
    await browser.signIn('home', 'anna')
    const back = await browser.goAway('home', 'bert', { provider: 'FIDO' })
    await browser.signIn('home', 'bert')
    expect(failureOf(await browser.open(back)).reason).toBe('other-person')
    expect((await browser.who('home')).session?.factors).toBeUndefined()
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
  })

  it('is not given to the same person who has signed in another way meanwhile', async () => {
    const { browser } = factorWorld()
    await browser.signIn('home', 'anna')
    const back = await browser.goAway('home', 'anna', { provider: 'FIDO' })
    await browser.signIn('home', 'anna', { provider: 'OTHER' })
    expect(failureOf(await browser.open(back)).reason).toBe('sign-in-expired')
    expect((await browser.who('home')).session?.factors).toBeUndefined()
  })

  it('has rules of its own, which do not end the session they refuse to strengthen', async () => {
    const { browser } = factorWorld({}, (identity) => ({
      allowed: identity.provider !== 'FIDO',
      reason: 'rule-refused',
      rule: 'hardware-keys',
      message: 'Only hardware keys.',
    }))
    await browser.signIn('home', 'anna')
    const answer = await browser.signIn('home', 'anna', { provider: 'FIDO' })
    expect(failureOf(answer)).toMatchObject({ status: 403, rule: 'hardware-keys', message: 'Only hardware keys.' })
    const { session } = await browser.who('home')
    expect([session?.identity.subject, session?.factors]).toEqual(['anna', undefined])
  })

  it('is kept when the first sign-in is made fresher, and gone with a new one', async () => {
    const { browser, play, world } = factorWorld()
    await browser.signIn('home', 'anna')
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    world.clock.pass(minute)
    play.about = { authenticatedAt: world.clock.now }
    await browser.signIn('home', 'anna', { query: '&fresh=1' })
    expect((await browser.who('home')).session?.factors).toHaveProperty('FIDO')
    await browser.signIn('home', 'anna')
    expect((await browser.who('home')).session?.factors).toBeUndefined()
  })

  it('makes no sign-in of long ago a fresh one; one of just now stays fresh', async () => {
    const { browser, world } = factorWorld()
    await browser.signIn('home', 'anna')
    const begun = world.clock.now
    const back = await browser.goAway('home', 'anna', { provider: 'FIDO' })
    world.clock.pass(minute)
    await browser.open(back)
    expect((await browser.who('home')).session?.createdAt).toBe(begun + minute)
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    world.clock.pass(minute)
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    expect((await browser.who('home')).session?.createdAt).toBe(begun + minute)
    expect((await browser.who('home')).session?.endsAt).toBe(begun + 480 * minute)
  })

  it('as somebody else asks at the factor, and ends nothing here', async () => {
    const { browser, fido } = factorWorld()
    await browser.signIn('home', 'anna')
    await browser.open(`${start}&as=other`)
    expect(fido.starts[0]?.prompt).toBe('login')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('that became a first provider on the way makes no session of its own', async () => {
    const { browser, fido, play, world } = factorWorld()
    await browser.signIn('home', 'anna')
    const back = await browser.goAway('home', 'anna', { provider: 'FIDO' })
    browser.world = worldOf([portalOf('home', [play, fido])], { clock: world.clock, keys: [keyA, keyB] })
    expect(failureOf(await browser.open(back)).reason).toBe('sign-in-unknown')
    expect((await browser.who('home')).session?.identity.provider).toBe('PLAY')
  })

  it('signing out goes to the first provider with what it gave', async () => {
    const { browser, play, fido } = factorWorld()
    await browser.signIn('home', 'anna')
    await browser.signIn('home', 'anna', { provider: 'FIDO' })
    await browser.open(`${home}${basePath}/logout`)
    expect(play.ended[0]?.keep).toEqual({ idToken: 'of-play', sid: 's1' })
    expect(fido.ended).toEqual([])
  })
})
