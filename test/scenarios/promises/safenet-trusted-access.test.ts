// SafeNet Trusted Access: what its identity-provider orchestration promises, with PLAY and FIDO as the providers.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { client, linkIn, offersIn, type Somebody, startWorld, userIn, type World } from './world.ts'

let world: World
let home: string
/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:9'

beforeAll(async () => {
  world = await startWorld({
    portals: ['home', 'vault', 'hinted', 'office', 'often', 'spare', 'down'],
    callbacks: ({ url }) => [url('hinted', '/_postern/callback/CHECKED'), url('often', '/_postern/callback/STRONG')],
    server: 'trustedProxies: [127.0.0.1]',
    configuration: ({ url, portal, play, fido }) => `
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client}, credentialsName: FIDO }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client}, loginHint: account }
  - name: CHECKED
    protocol: OIDC
    issuer: "${play}"
    ${client.replace(', ', '\n    ')}
    loginHint: login_hint
    verify: { claim: email, equals: login_hint }
    passParameters: [login_hint, ui_locales]
  - { name: GONE, protocol: OIDC, issuer: "${nowhere}", ${client}, fallback: FIDO }
  - { name: LOST, protocol: OIDC, issuer: "${nowhere}", ${client} }
portals:
  - { name: home, upstream: ${portal}, providers: [PLAY] }
  - name: vault
    publicUrl: "${url('vault')}"
    upstream: ${portal}
    providers: [PLAY, { name: FIDO, after: PLAY, when: "'admins' in groups" }]
  - { name: hinted, publicUrl: "${url('hinted')}", upstream: ${portal}, providers: [CHECKED] }
  - name: office
    publicUrl: "${url('office')}"
    upstream: ${portal}
    providers: [{ name: PLAY, when: "$inCidr(client_ip, '203.0.113.0/24')" }, FIDO]
  - name: often
    publicUrl: "${url('often')}"
    upstream: ${portal}
    providers: [PLAY]
    routes:
      - { path: /recent/**, reauthenticate: 15m }
      - { path: /every/**, reauthenticate: every }
      - { path: /strong/**, acr: "urn:test:mfa" }
      - { path: /stronger/**, acr: "urn:test:gold" }
  - { name: spare, publicUrl: "${url('spare')}", upstream: ${portal}, providers: [GONE, FIDO], routes: [{ path: /gone/**, providers: [GONE] }] }
  - { name: down, publicUrl: "${url('down')}", upstream: ${portal}, providers: [LOST, FIDO] }
`,
  })
  home = world.url('home')
})
afterAll(() => world?.stop())

async function signedIn(url: string, account: string): Promise<Somebody> {
  const person = world.somebody()
  expect((await person.open(url, account)).status).toBe(200)
  return person
}

describe('SafeNet Trusted Access', () => {
  it('logs the redirection, the success and the failure in its own words', async () => {
    await signedIn(home, 'anna')
    const words = 'Redirection to PLAY for FIDO authentication.'
    expect(world.authentications().slice(-2)).toEqual([`Redirection: ${words}`, `Success: ${words}`])
    await world.somebody().visitor.follow(home)
    world.later(11)
    const timedOut = 'Failure: Timing out without response from PLAY.'
    await vi.waitFor(() => expect(world.authentications()).toContain(timedOut), { timeout: 10_000 })
  })

  it('says "Redirection timeout" of whoever came back too late', async () => {
    const { visitor } = world.somebody()
    const away = await visitor.follow(home)
    const back = await world.PLAY.signIn(away.location ?? '', 'anna')
    world.later(11)
    expect((await visitor.follow(back)).status).toBe(400)
    expect(world.postern.logs).toContainEqual(expect.objectContaining({ log: 'access', reason: 'Redirection timeout' }))
  })

  it('sends the mapped user name as login_hint', async () => {
    const person = world.somebody()
    await person.open(`${world.url('vault')}/`, 'anna')
    expect(person.sentTo.map((url) => url.searchParams.get('login_hint'))).toEqual([null, 'anna@mycompany.com'])
    await person.open(`${world.url('hinted')}/_postern/start/CHECKED?login_hint=bert%40mycompany.com&ui_locales=de&hd=x`, 'bert')
    const { searchParams } = person.sentTo[0]!
    expect([searchParams.get('login_hint'), searchParams.get('ui_locales'), searchParams.get('hd')]).toEqual([
      'bert@mycompany.com',
      'de',
      null,
    ])
  })

  it('lets nobody in but the one whose returned claim matches what was asked for', async () => {
    const asked = `${world.url('hinted')}/_postern/start/CHECKED?login_hint=Anna%40mycompany.com`
    expect((await world.somebody().open(asked, 'anna')).status).toBe(200)
    const other = await world.somebody().open(asked, 'bert')
    expect([other.status, other.setCookies.some((line) => /^postern-hinted=\w/.test(line))]).toEqual([403, false])
    expect((await world.somebody().open(`${world.url('hinted')}/`)).status).toBe(403)
  })

  it('asks a second provider too, and the person stays who the first one said', async () => {
    const person = await signedIn(`${world.url('vault')}/deep?a=1`, 'anna')
    expect(person.asked).toEqual(['PLAY', 'FIDO'])
    expect([world.lastSeen().target, userIn(world.lastSeen())]).toEqual(['/deep?a=1', 'anna@mycompany.com'])
    expect(await (await person.fetch(`${world.url('vault')}/_postern/session`)).body).toContain('"provider":"PLAY"')
    expect((await person.open(`${world.url('vault')}/again`)).status).toBe(200)
  })

  it('takes no second factor of somebody else', async () => {
    const person = world.somebody()
    const refused = await person.open(`${world.url('vault')}/`, 'anna', 'bert')
    expect(refused.status).toBe(403)
    expect((await person.fetch(`${world.url('vault')}/x`)).status).toBe(401)
    expect((await world.somebody().open(`${world.url('vault')}/_postern/start/FIDO`, 'anna')).status).toBe(200)
  })

  it('chooses by group', async () => {
    expect((await signedIn(`${world.url('vault')}/`, 'anna')).asked).toEqual(['PLAY', 'FIDO'])
    expect((await signedIn(`${world.url('vault')}/`, 'bert')).asked).toEqual(['PLAY'])
  })

  it('chooses by application', async () => {
    expect((await world.somebody().visitor.follow(home)).location).toContain(`${world.play}/`)
    expect((await world.somebody().visitor.follow(`${world.url('hinted')}/`)).status).toBe(403)
    expect((await signedIn(`${world.url('office')}/`, 'bert')).asked).toEqual(['FIDO'])
  })

  it("chooses by context: the client's address", async () => {
    const office = world.url('office')
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
    const { visitor } = world.somebody()
    const inside = await visitor.load(`${office}/_postern/login?choose=1`, from('203.0.113.7'))
    expect(offersIn(inside)).toEqual(['Login with PLAY', 'Login with FIDO'])
    expect((await visitor.load(`${office}/_postern/start/PLAY`, from('203.0.113.7'))).location).toContain(`${world.play}/auth`)
    const outside = await visitor.load(`${office}/_postern/login?choose=1`, from('198.51.100.7'))
    expect(offersIn(outside)).toEqual(['Login with FIDO'])
    expect((await visitor.load(`${office}/_postern/start/PLAY`, from('198.51.100.7'))).status).toBe(403)
  })

  it('holds the context against every request, not only against the sign-in', async () => {
    const person = world.somebody()
    const office = world.url('office')
    const inside = { headers: { 'X-Forwarded-For': '203.0.113.7' } }
    const away = await person.visitor.load(`${office}/_postern/start/PLAY?return=%2F`, inside)
    const back = await world.PLAY.signIn(away.location ?? '', 'anna')
    expect((await person.visitor.load(back, inside)).status).toBe(303)
    expect((await person.fetch(`${office}/`, inside)).status).toBe(200)
    expect((await person.fetch(`${office}/`, { headers: { 'X-Forwarded-For': '198.51.100.7' } })).status).toBe(401)
  })

  it('authenticates once per session', async () => {
    const person = await signedIn(`${world.url('often')}/`, 'anna')
    world.later(20)
    expect([(await person.open(`${world.url('often')}/more`)).status, person.asked]).toEqual([200, []])
  })

  it('authenticates whoever was not verified in the last minutes', async () => {
    const person = await signedIn(`${world.url('often')}/recent/1`, 'anna')
    world.later(14)
    expect([(await person.open(`${world.url('often')}/recent/2`)).status, person.asked]).toEqual([200, []])
    world.later(2)
    const script = await person.fetch(`${world.url('often')}/recent/3`)
    expect([script.status, script.headers['www-authenticate']]).toEqual([401, expect.stringMatching(/max_age="?900/)])
    expect([(await person.open(`${world.url('often')}/recent/4`, 'anna')).status, person.asked]).toEqual([200, ['PLAY']])
    expect(person.sentTo[0]?.searchParams.get('prompt')).toBe('login')
    expect(world.lastSeen().target).toBe('/recent/4')
  })

  it("authenticates at every access, and lets the page's own requests through", async () => {
    const person = await signedIn(`${world.url('often')}/every/1`, 'anna')
    expect((await person.fetch(`${world.url('often')}/every/1.json`)).status).toBe(200)
    world.later(1)
    expect((await person.fetch(`${world.url('often')}/every/1.json`)).status).toBe(401)
    expect([(await person.open(`${world.url('often')}/every/2`, 'anna')).status, person.asked]).toEqual([200, ['PLAY']])
  })

  it('lets somebody else come back from such a question as nobody', async () => {
    const person = await signedIn(`${world.url('often')}/every/1`, 'anna')
    world.later(1)
    const other = await person.open(`${world.url('often')}/every/2`, 'bert')
    expect(other.status).toBe(403)
    expect(other.body).toContain('as somebody else than before')
    await person.fetch(`${world.url('often')}/plain`)
    expect(userIn(world.lastSeen())).toBe('anna@mycompany.com')
  })

  it('asks for a stronger sign-in where a page needs it, and refuses who cannot give it', async () => {
    const person = await signedIn(`${world.url('often')}/`, 'anna')
    expect((await person.open(`${world.url('often')}/strong/1`, 'anna')).status).toBe(200)
    expect(person.sentTo[0]?.searchParams.get('acr_values')).toBe('urn:test:mfa')
    const refused = await person.open(`${world.url('often')}/stronger/1`, 'anna')
    expect([refused.status, refused.body.includes('not strong enough')]).toEqual([403, true])
  })

  it('goes straight to the fallback while a provider is down', async () => {
    const person = world.somebody()
    const page = await person.open(`${world.url('spare')}/_postern/start/GONE?return=%2Ffar`, 'anna')
    expect([page.status, person.asked, world.lastSeen().target]).toEqual([200, ['FIDO'], '/far'])
    expect(world.authentications()).toContainEqual(expect.stringMatching(/^Failure: Sign-in with GONE could not begin/))
  })

  it('offers a provider that is down last, and says so', async () => {
    const { visitor } = world.somebody()
    const chooser = `${world.url('down')}/_postern/login?choose=1`
    expect(offersIn(await visitor.load(chooser))).toEqual(['Login with LOST', 'Login with FIDO'])
    const failed = await visitor.load(linkIn(await visitor.load(chooser), 'LOST'))
    expect([failed.status, offersIn(failed)]).toEqual([503, ['Try again', 'Login with FIDO']])
    const page = await visitor.load(chooser)
    expect(offersIn(page)[0]).toBe('Login with FIDO')
    expect(page.body.indexOf('LOST')).toBeGreaterThan(page.body.indexOf('FIDO'))
    expect(page.body).toContain('cannot be reached just now')
  })
})
