// XTRF: what its single sign-on page promises for Home Portal, Vendor Portal and Client Portal, with the shipped example.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valuesOf } from '../../support/mirror-portal.ts'
import { client, offersIn, type Place, startWorld, userIn, type World } from './world.ts'

let world: World
const portals = ['home', 'vendor', 'client'] as const

/** The example with this test's addresses. */
const shipped = ({ url, portal, play }: Place): string => {
  const text = readFileSync('config/examples/xtrf.yaml', 'utf8')
  return text
    .slice(text.indexOf('\nproviders:'))
    .replace(/host: (home|vendor|client)\.company\.com/g, (_, name: string) => `publicUrl: "${url(name)}"`)
    .replace(/http:\/\/127\.0\.0\.1:808\d/g, portal)
    .replace('https://idp.company.com', play)
    .replace('clientId: xtrf', 'clientId: postern')
    .replace('${env:PLAY_CLIENT_SECRET}', 's3cret')
}
const withEnforceLocal = (place: Place, value: string): string =>
  shipped(place).replace('  - name: home\n', `  - name: home\n    enforceLocal: ${value}\n`)

/** As XTRF's page lists them. */
const deadEnds = [
  ['POST', '/customers/17/persons'],
  ['POST', '/system/mail/resetPassword'],
  ['POST', '/system/login'],
  ['POST', '/system/account/password'],
  ['PUT', '/system/account/password'],
  ['POST', '/system/validateToken'],
] as const

beforeAll(async () => {
  world = await startWorld({ portals, configuration: shipped })
})
afterAll(() => world?.stop())

describe('XTRF', () => {
  it('signs people in to the Home, Vendor and Client Portal through one provider, and asks them once', async () => {
    const person = world.somebody()
    for (const [index, name] of portals.entries()) {
      expect((await person.open(`${world.url(name)}/start`, 'anna')).status).toBe(200)
      expect([userIn(world.lastSeen()), person.asked]).toEqual(['anna@mycompany.com', index === 0 ? ['PLAY'] : []])
    }
  })

  it('closes the six end points that set, send or use a password, and says why', async () => {
    const person = world.somebody()
    await person.open(world.url('home'), 'anna')
    for (const name of portals) {
      for (const [method, path] of deadEnds) {
        const answer = await person.fetch(world.url(name, path), { method, body: '{}' })
        expect([name, method, path, answer.status]).toEqual([name, method, path, 403])
        expect(answer.body).toContain('Your password is kept by your company.')
        const dodged = await person.fetch(world.url(name, `${path}/`), { method })
        expect([path, dodged.status]).toEqual([path, 403])
      }
    }
  })

  it('leaves everything beside them open to who is signed in', async () => {
    const person = world.somebody()
    await person.open(world.url('home'), 'anna')
    for (const [method, path] of [
      ['GET', '/customers/17/persons'],
      ['GET', '/system/account/password'],
      ['POST', '/system/logout'],
      ['POST', '/customers/17/persons/4'],
    ] as const)
      expect([method, path, (await person.fetch(world.url('home', path), { method })).status]).toEqual([method, path, 200])
  })

  it('lets API tokens through to the portal, which looks at them itself', async () => {
    const answer = await world.somebody().fetch(world.url('home', '/customer-api/projects'), {
      headers: { Authorization: 'Bearer xtrf-token', 'iv-user': 'admin' },
    })
    expect(answer.status).toBe(200)
    expect(valuesOf(world.lastSeen(), 'authorization')).toEqual(['Bearer xtrf-token'])
    expect(userIn(world.lastSeen())).toBeUndefined()
  })
})

describe('XTRF, when the identity provider is gone', () => {
  const login = { method: 'POST', body: 'user=admin', headers: { 'iv-user': 'admin' } }
  const readyz = async () => (await fetch(`${world.postern.healthUrl}/readyz`)).text()
  const breakGlass = async () =>
    (await (await fetch(`${world.postern.healthUrl}/metrics`)).text()).match(/^postern_break_glass.*$/gm)

  it("opens the portal's own sign-in by configuration, with nobody's name, and says so loudly", async () => {
    expect((await world.somebody().fetch(world.url('home', '/system/login'), login)).status).toBe(403)
    expect(await world.reconfigure(withEnforceLocal(world, 'true'))).toBe(true)
    const stranger = world.somebody()
    expect((await stranger.fetch(world.url('home', '/system/login'), login)).status).toBe(200)
    expect([world.lastSeen().target, userIn(world.lastSeen())]).toEqual(['/system/login', undefined])
    expect((await stranger.open(world.url('home', '/dashboard'))).status).toBe(200)
    expect((await stranger.fetch(world.url('vendor', '/system/login'), login)).status).toBe(403)
    expect(world.postern.logs).toContainEqual(
      expect.objectContaining({ log: 'audit', msg: expect.stringContaining('BREAK-GLASS') }),
    )
    expect(world.postern.logs).toContainEqual(expect.objectContaining({ log: 'access', reason: 'break-glass' }))
    expect(await readyz()).toContain('break-glass is in force: home')
    expect(await breakGlass()).toContain('postern_break_glass{portal="home"} 1')
  })

  it('only from where it may, and only until it may', async () => {
    const until = new Date(world.postern.time.now + 30 * 60_000).toISOString()
    const opened = async () => (await world.somebody().fetch(world.url('home', '/system/login'), login)).status
    expect(await world.reconfigure(withEnforceLocal(world, '{ from: [203.0.113.0/24] }'))).toBe(true)
    expect(await opened()).toBe(403)
    expect(await world.reconfigure(withEnforceLocal(world, `{ from: [127.0.0.0/8], until: "${until}" }`))).toBe(true)
    expect(await opened()).toBe(200)
    world.later(31)
    expect(await opened()).toBe(403)
    expect(await readyz()).toBe('ok\n')
  })

  it('opens all portals, or the one that is named, from the command line', async () => {
    for (const [enforceLocal, statuses] of [
      ['all', [200, 200, 200]],
      [new Set(['vendor']), [403, 200, 403]],
    ] as const) {
      const other = await startWorld({ portals, configuration: shipped, enforceLocal })
      const answers = portals.map((name) => other.somebody().fetch(other.url(name, '/system/login'), login))
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(statuses)
      await other.stop()
    }
  })
})

describe('XTRF, portal by portal', () => {
  let several: World
  beforeAll(async () => {
    several = await startWorld({
      portals,
      configuration: ({ url, portal, play, fido }) => `
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client}, label: My Company, domains: [mycompany.com] }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client}, label: a security key, domains: [other.org] }
  - { name: own, protocol: LOCAL, label: Sign in with your XTRF password }
portals:
  - { name: home, upstream: ${portal}, providers: [PLAY] }
  - { name: vendor, publicUrl: "${url('vendor')}", upstream: ${portal}, providers: [PLAY, FIDO], session: { idle: 5m } }
  - { name: client, publicUrl: "${url('client')}", upstream: ${portal}, providers: [FIDO, own], headers: { x-login: account } }
`,
    })
  })
  afterAll(() => several?.stop())

  it('gives each portal its own providers, headers and times', async () => {
    const person = several.somebody()
    expect((await person.open(several.url('home'), 'anna')).status).toBe(200)
    expect(person.asked).toEqual(['PLAY'])
    await person.open(several.url('vendor', '/_postern/start/PLAY'))
    expect((await person.open(several.url('client', '/_postern/start/FIDO'), 'anna')).status).toBe(200)
    expect(person.asked).toEqual(['FIDO'])
    expect([valuesOf(several.lastSeen(), 'x-login'), userIn(several.lastSeen())]).toEqual([['anna@mycompany.com'], undefined])
    several.later(6)
    expect((await person.fetch(several.url('home', '/x'))).status).toBe(200)
    expect((await person.fetch(several.url('vendor', '/x'))).status).toBe(401)
  })

  it('shows a "Login with …" button for each provider', async () => {
    const offered = async (name: string) => offersIn(await several.somebody().open(several.url(name)))
    expect(await offered('vendor')).toEqual(['Login with My Company', 'Login with a security key'])
    expect(await offered('client')).toEqual(['Login with a security key', 'Sign in with your XTRF password'])
  })

  it('finds the provider by the domain of an e-mail address', async () => {
    const typed = (address: string) =>
      several.somebody().visitor.follow(several.url('vendor', `/_postern/login?email=${address}`))
    const away = new URL((await typed('Bert%40MyCompany.com')).location ?? '')
    expect([away.origin, away.searchParams.get('login_hint')]).toEqual([several.play, 'Bert@MyCompany.com'])
    expect((await typed('carl%40other.org')).location).toContain(several.fido)
    for (const unknown of ['x%40notmycompany.com', 'x%40mycompany.com.evil.example', 'x%40y%40mycompany.com'])
      expect([unknown, (await typed(unknown)).status]).toEqual([unknown, 200])
    expect(several.postern.logText()).not.toMatch(/bert@mycompany/i)
  })

  it('remembers the last choice, and asks all the same', async () => {
    const person = several.somebody()
    await person.open(several.url('vendor', '/_postern/start/FIDO'), 'carl')
    await person.open(several.url('vendor', '/_postern/logout?scope=local'))
    expect(offersIn(await person.open(several.url('vendor')))).toEqual(['Login with a security key', 'Login with My Company'])
  })
})
