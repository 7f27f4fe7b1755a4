import { describe, expect, it } from 'vitest'
import type { Answer, Portal, Route } from '../../../src/types.ts'
import { Browser, basePath, failureOf, locationOf, portalOf, routeOf, ScriptedProvider, worldOf } from '../harness.ts'

const home = 'https://home.company.com'
const host = 'home.company.com'
const login = `${home}${basePath}/login`

function pageOf(answer: Answer) {
  if (answer.show.kind !== 'page' || answer.show.page.name !== 'chooser')
    throw new Error(`no chooser but ${JSON.stringify(answer.show)}`)
  return answer.show.page
}
const namesOf = (answer: Answer) => pageOf(answer).choices.map(({ label }) => label.replace(' label', ''))
const standingOut = (answer: Answer) =>
  pageOf(answer)
    .choices.filter(({ isDefault }) => isDefault)
    .map(({ label }) => label.replace(' label', ''))
const providers = (...names: readonly string[]) => names.map((name) => new ScriptedProvider(name))
function browserOf(own: readonly ScriptedProvider[], extra: Partial<Portal> = {}, route?: Route): Browser {
  return new Browser(worldOf([portalOf('home', own, extra)], route ? { findRoute: () => route } : {}))
}

describe('the last choice', () => {
  it('that worked comes first and stands out, and never goes straight on', async () => {
    const browser = browserOf(providers('A', 'B x', 'C'), { defaultProvider: undefined as never })
    expect(standingOut(await browser.open(login))).toEqual([])
    const { cookies } = await browser.signIn('home', 'anna', { provider: 'B x' })
    expect(cookies.at(-1)).toBe('__Host-postern-home.last=B%20x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=15552000')
    const answer = await browser.open(login)
    expect(namesOf(answer)).toEqual(['B x', 'A', 'C'])
    expect(standingOut(answer)).toEqual(['B x'])
  })

  it('outlives signing out, and a sign-in that failed is none', async () => {
    const [a, b] = providers('A', 'B') as [ScriptedProvider, ScriptedProvider]
    const browser = browserOf([a, b])
    await browser.signIn('home', 'anna', { provider: 'B' })
    await browser.open(`${home}${basePath}/logout`)
    a.outcome = { kind: 'rejected', reason: 'sign-in-denied', detail: 'no' }
    await browser.signIn('home', 'anna', { provider: 'A' })
    expect(namesOf(await browser.open(login))).toEqual(['B', 'A'])
  })

  it.each(['X', '%', '%E0%A4%A', '', '__proto__'])('that says %j is nothing', async (value) => {
    const browser = browserOf(providers('A', 'B'))
    browser.jar(host).set('__Host-postern-home.last', value)
    expect(namesOf(await browser.open(login))).toEqual(['A', 'B'])
    expect(standingOut(await browser.open(login))).toEqual([])
  })

  it('to be somebody else is taken along to every choice', async () => {
    const browser = browserOf(providers('A', 'B'))
    const choices = pageOf(await browser.open(`${login}?return=/a&as=other`)).choices
    expect(choices.map(({ href }) => href)).toEqual([
      '/_postern/start/A?return=%2Fa&as=other',
      '/_postern/start/B?return=%2Fa&as=other',
    ])
  })

  it('is not remembered where there is nothing to choose', async () => {
    const browser = browserOf(providers('A'))
    await browser.signIn('home', 'anna', { provider: 'A' })
    expect([...browser.jar(host).keys()]).toEqual(['__Host-postern-home'])
  })
})

describe('a provider that is down', () => {
  it('is offered last, whatever was chosen last, and said to be down', async () => {
    const [a, b, c] = providers('A', 'B', 'C') as [ScriptedProvider, ScriptedProvider, ScriptedProvider]
    const browser = browserOf([a, b, c])
    await browser.signIn('home', 'anna', { provider: 'A' })
    a.status = () => ({ state: 'unavailable' })
    const answer = await browser.open(login)
    expect(namesOf(answer)).toEqual(['B', 'C', 'A'])
    expect(pageOf(answer).choices.map(({ trouble }) => trouble !== undefined)).toEqual([false, false, true])
  })
})

describe('home-realm discovery', () => {
  function world() {
    const [play, other, third] = providers('PLAY', 'OTHER', 'THIRD') as [ScriptedProvider, ScriptedProvider, ScriptedProvider]
    play.asking = { domains: ['company.com', 'bücher.example'], passParameters: ['login_hint'] }
    other.asking = { domains: ['*.company.com', 'mail.partner.com'] }
    return { browser: browserOf([play, other, third]), play }
  }
  const asked = (email: string) => `${login}?return=%2Fa&email=${encodeURIComponent(email)}`

  it('asks for an address where a provider has domains, and nowhere else', async () => {
    expect(pageOf(await world().browser.open(`${login}?return=%2Fa%3Fb`)).email).toEqual({
      action: '/_postern/login',
      fields: [
        ['return', '/a?b'],
        ['choose', '1'],
        ['form', '1'],
      ],
    })
    expect(pageOf(await browserOf(providers('A', 'B')).open(login)).email).toBeUndefined()
  })

  it.each([
    ['anna@company.com', 'PLAY'],
    [' Anna@COMPANY.com ', 'PLAY'],
    ['anna@b\u00fccher.example', 'PLAY'],
    ['anna@xn--bcher-kva.example', 'PLAY'],
    ['anna@eu.company.com', 'OTHER'],
    ['anna@mail.partner.com', 'OTHER'],
  ])('%s belongs to %s', async (email, name) => {
    const to = locationOf(await world().browser.open(asked(email)))
    expect(to).toBe(`/_postern/start/${name}?return=%2Fa&login_hint=${encodeURIComponent(email.trim())}`)
  })

  it.each([
    'anna@badcompany.com',
    'anna@company.com.evil.com',
    'anna@a.b.company.com',
    'anna@partner.com',
    'anna@company.com@evil.com',
    'anna@evil.com@company.com',
    '@company.com',
    'company.com',
    'anna@',
    '',
    'anna\u0000@company.com',
    `${'x'.repeat(400)}@company.com`,
  ])('%j belongs to nobody, and the page says so', async (email) => {
    const page = pageOf(await world().browser.open(asked(email)))
    expect(page.choices).toHaveLength(3)
    expect(page.email?.unknown).toBe(email === '' ? undefined : email.slice(0, 320))
  })

  it('goes on from our form by a page, because a form may lead to no other origin', async () => {
    const page = pageOf(await world().browser.open(`${asked('anna@company.com')}&form=1&choose=1`))
    expect(page).toEqual({
      name: 'chooser',
      returnTo: '/a',
      forward: true,
      choices: [
        { label: 'PLAY label', href: '/_postern/start/PLAY?return=%2Fa&login_hint=anna%40company.com', isDefault: false },
      ],
    })
  })

  it('hands the address on to the provider', async () => {
    const { browser, play } = world()
    await browser.open(home + locationOf(await browser.open(asked('anna@company.com'))))
    expect(play.starts[0]?.loginHint).toBe('anna@company.com')
  })

  it('sends nobody to a provider that may not be used', async () => {
    const [play, other] = providers('PLAY', 'OTHER') as [ScriptedProvider, ScriptedProvider]
    play.asking = { domains: ['company.com'] }
    const browser = browserOf([play, other], { conditions: new Map([['PLAY', () => false]]) })
    const page = pageOf(await browser.open(asked('anna@company.com')))
    expect(page.choices.map(({ label }) => label)).toEqual(['OTHER label'])
  })
})

describe('a condition', () => {
  const only = (name: string, path: string): Partial<Portal> => ({
    conditions: new Map([[name, (identity, request) => identity === undefined && request.path === path]]),
  })

  it('that does not hold for the page takes the choice away, and its start is refused with the others', async () => {
    const browser = browserOf(providers('A', 'B', 'C'), only('B', '/b'))
    expect(namesOf(await browser.open(`${login}?return=/a`))).toEqual(['A', 'C'])
    expect(namesOf(await browser.open(`${login}?return=/b`))).toEqual(['A', 'B', 'C'])
    const refused = failureOf(await browser.open(`${home}${basePath}/start/B?return=/a`))
    expect(refused).toMatchObject({ status: 403, reason: 'provider-not-enough', provider: 'B' })
    expect(refused.choices?.map(({ label }) => label)).toEqual(['A label', 'C label'])
    expect(browser.world.log.authentications).toEqual([])
    expect(locationOf(await browser.open(`${home}${basePath}/start/B?return=/b`))).toContain('https://idp.company.com')
  })

  it('that leaves one goes straight to it, that leaves none is refused', async () => {
    const one = browserOf(providers('A', 'B'), only('B', '/b'))
    expect(locationOf(await one.open(`${login}?return=/a`))).toBe('/_postern/start/A?return=%2Fa')
    const none = browserOf(providers('B'), only('B', '/b'))
    expect(failureOf(await none.open(`${login}?return=/a`))).toMatchObject({ status: 403, reason: 'provider-not-enough' })
  })

  it('takes the straight way from a default that does not hold', async () => {
    const browser = browserOf(providers('A', 'B', 'C'), { ...only('B', '/b'), defaultProvider: 'B' })
    expect(namesOf(await browser.open(`${login}?return=/a`))).toEqual(['A', 'C'])
  })

  it('is asked again at the callback: no session, and whoever was signed in stays', async () => {
    let open = true
    const browser = browserOf(providers('A', 'B'), { conditions: new Map([['A', () => open]]) })
    await browser.signIn('home', 'bert', { provider: 'B' })
    const back = await browser.goAway('home', 'anna', { provider: 'A' })
    open = false
    expect(failureOf(await browser.open(back))).toMatchObject({ status: 403, reason: 'provider-not-enough' })
    expect((await browser.who('home')).session?.identity.subject).toBe('bert')
  })
})

describe('a page that wants certain providers', () => {
  const route = routeOf({ freshness: { providers: new Set(['B', 'C']) } })

  it('is offered those, never straight to a default that will not do', async () => {
    const browser = browserOf(providers('A', 'B', 'C'), { defaultProvider: 'A' }, route)
    expect(namesOf(await browser.open(login))).toEqual(['B', 'C'])
    expect(failureOf(await browser.open(`${home}${basePath}/start/A`)).reason).toBe('provider-not-enough')
  })
})
