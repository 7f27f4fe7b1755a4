import { describe, expect, it } from 'vitest'
import type { Portal } from '../../../src/types.ts'
import { accountOf, Browser, basePath, failureOf, keyB, locationOf, minute, usual, worldOf } from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'

describe('a sign-in', () => {
  it('lands on the page first asked for, query and fragment included, signed in', async () => {
    const { browser, world } = usual()
    const answer = await browser.signIn('home', 'anna', { returnTo: '/a/b?c=d&e=%2Ff#g' })
    expect(answer.show).toEqual({ kind: 'redirect', to: `${home}/a/b?c=d&e=%2Ff#g` })
    expect(answer).toMatchObject({ provider: 'PLAY', account: 'anna@company.com' })
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home'])
    expect(world.log.authentications.map(({ result, message, account }) => [result, message, account])).toEqual([
      ['Redirection', 'Redirection to PLAY for FIDO authentication.', undefined],
      ['Success', 'Redirection to PLAY for FIDO authentication.', 'anna@company.com'],
    ])
    expect(world.counts).toEqual(['PLAY Redirection', 'PLAY Success'])
  })

  it.each(['//evil.com', '/\\evil.com', 'https://evil.com/', '/_postern/logout', ''])(
    'asked to lead to %j leads to the front page',
    async (returnTo) => {
      const { browser } = usual()
      expect(locationOf(await browser.signIn('home', 'anna', { returnTo }))).toBe(`${home}/`)
    },
  )

  it('judges the way back again where it is used', async () => {
    const { browser, world, home: portal, mail } = usual()
    const back = await browser.goAway('home', 'anna', { returnTo: '/b/x' })
    browser.world = worldOf([{ ...portal, path: '/a' }, mail], { clock: world.clock })
    expect(locationOf(await browser.open(back))).toBe(`${home}/a`)
  })

  it('without credentialsName is logged by the name of the provider', async () => {
    const { browser, world } = usual()
    await browser.signIn('mail', 'anna', { provider: 'OTHER' })
    expect(world.log.authentications[1]).toMatchObject({
      credentialType: 'OTHER',
      message: 'Redirection to OTHER for OTHER authentication.',
    })
  })

  it('completes with the exact redirect URI that was sent', async () => {
    const callback = `${home}/cas/login?client_name=PLAY`
    const { browser, play, home: portal } = usual({ home: { redirectUris: new Map([['PLAY', callback]]) } })
    const start = await browser.open(`${home}${basePath}/start/PLAY`)
    const to = new URL(locationOf(start))
    const query = `?client_name=PLAY&code=anna.${to.searchParams.get('nonce')}&state=${to.searchParams.get('state')}`
    await browser.open(`${home}${basePath}/callback/PLAY${query}`)
    expect(play.starts[0]?.callback).toBe(callback)
    expect(play.completed).toEqual([{ callback, query }])
    expect(accountOf(await browser.who(portal.name))).toBe('anna@company.com')
  })

  it('makes a new session each time and ends the old one (fixation)', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const first = browser.cookies(host)
    const { session: before } = await browser.who('home')
    await browser.signIn('home', 'anna')
    const { session: after } = await browser.who('home')
    expect(after?.id).not.toBe(before?.id)
    browser.take(host, first.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('as somebody else replaces who was there', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const first = browser.cookies(host)
    await browser.signIn('home', 'bert')
    expect(accountOf(await browser.who('home'))).toBe('bert@company.com')
    browser.take(host, first.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('in two tabs at once succeeds in both', async () => {
    const { browser } = usual()
    const one = await browser.goAway('home', 'anna', { returnTo: '/one' })
    const two = await browser.goAway('home', 'anna', { returnTo: '/two' })
    expect(locationOf(await browser.open(one))).toBe(`${home}/one`)
    expect(locationOf(await browser.open(two))).toBe(`${home}/two`)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('at one portal signs in to that portal alone', async () => {
    const { browser } = usual()
    await browser.signIn('home', 'anna')
    const session = browser.jar(host).get('__Host-postern-home') as string
    browser.jar('mail.company.com').set('__Host-postern-mail', session)
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect(browser.cookies('mail.company.com')).toBe('')
  })

  it('of two people, a thousand times in parallel, is never swapped (CVE-2014-8566, CVE-2021-35472)', async () => {
    const { world } = usual()
    const people = Array.from({ length: 1000 }, (_, i) => ({ name: i % 2 === 0 ? 'anna' : 'bert', browser: new Browser(world) }))
    await Promise.all(people.map(({ name, browser }) => browser.signIn('home', name)))
    const accounts = await Promise.all(
      people.map(async ({ name, browser }) => [name, accountOf(await browser.who('home')), accountOf(await browser.who('home'))]),
    )
    for (const [name, cold, warm] of accounts) expect([cold, warm]).toEqual([`${name}@company.com`, `${name}@company.com`])
    expect(new Set(people.map(({ browser }) => browser.cookies(host))).size).toBe(1000)
  })

  it('after the keys were changed begins afresh instead of going round', async () => {
    const before = usual()
    await before.browser.signIn('home', 'anna')
    const pending = await before.browser.goAway('home', 'anna')
    before.browser.world = worldOf([before.home, before.mail], { keys: [keyB], clock: before.world.clock })
    expect(failureOf(await before.browser.open(pending)).reason).toBe('sign-in-unknown')
    expect((await before.browser.who('home')).outcome.kind).toBe('absent')
    await before.browser.signIn('home', 'anna')
    expect(accountOf(await before.browser.who('home'))).toBe('anna@company.com')
  })

  it('keeps only the claims that are wanted, and lets the rules see no others', async () => {
    const seen: unknown[] = []
    const admit: Portal['admit'] = (identity) => {
      seen.push(identity.claims)
      return { allowed: true, reason: 'allowed', rule: '' }
    }
    const { browser, play } = usual({ claims: ['email'], home: { admit } })
    play.claims = { hd: 'company.com', sid: 'provider-session' }
    await browser.signIn('home', 'anna')
    expect((await browser.who('home')).session?.identity.claims).toEqual({ email: 'anna@company.com' })
    expect(seen).toEqual([{ email: 'anna@company.com' }])
  })

  it('ends when the provider says so', async () => {
    const { browser, play, world } = usual()
    play.endsAt = world.clock.now + 2 * minute
    await browser.signIn('home', 'anna')
    world.clock.pass(2 * minute)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})
