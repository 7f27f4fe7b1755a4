// S-360 (SecuTix): what its single sign-on page promises, in front of a portal that knows nothing of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, linkIn, offersIn, startWorld, userIn, type World } from './world.ts'

let world: World
let home: string

/** As S-360's page has it, letter by letter; only addresses and secrets are this test's. */
const template = (callbackUrl: string, issuer: string): string => `{
  "protocol":"OIDC",
  "default":"true",
  "name":"PLAY",
  "callbackUrl":"${callbackUrl}",
  "stxAccountAttribute":"email",
  "clientId":"postern",
  "clientSecret":"s3cret",
  "discoveryUri":"${issuer}/.well-known/openid-configuration"
}`
const callback = '/cas/login?client_name=PLAY'

beforeAll(async () => {
  world = await startWorld({
    portals: ['home', 'second'],
    callbacks: ({ url }) => [url('home', callback)],
    files: ({ url, play }) => ({ 'play.json': template(url('home', callback), play) }),
    configuration: ({ url, portal, fido }) => `
providers:
  - file: play.json
  - { name: form, protocol: LOCAL, default: "false" }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client}, label: a security key }
  - { name: LATER, protocol: OIDC, enabled: false }
portals:
  - { name: home, host: home.localhost, upstream: ${portal}, providers: [PLAY, form] }
  - { name: second, publicUrl: "${url('second')}", upstream: ${portal}, providers: [PLAY, FIDO], routes: [{ path: /files/**, providers: [FIDO] }] }
`,
  })
  home = world.url('home')
})
afterAll(() => world?.stop())

describe('S-360', () => {
  it('takes its JSON template untouched, callbackUrl with a query included', async () => {
    const page = await world.somebody().open(`${home}/shop?event=1`, 'anna')
    expect(page.status).toBe(200)
    expect(world.lastSeen().target).toBe('/shop?event=1')
    expect(world.PLAY.asked.some((path) => path.includes(encodeURIComponent(callback)))).toBe(true)
  })

  it("leaves the portal's own pages at the path of the callbackUrl alone", async () => {
    const person = world.somebody()
    await person.open(home, 'anna')
    for (const path of ['/cas/login', '/cas/login?client_name=PLAY', '/cas/login?client_name=OTHER&state=x&code=y']) {
      expect((await person.open(home + path)).status).toBe(200)
      expect(world.lastSeen().target).toBe(path)
    }
  })

  it('names the account by stxAccountAttribute', async () => {
    await world.somebody().open(home, 'bert')
    expect(userIn(world.lastSeen())).toBe('bert@mycompany.com')
  })

  it('goes straight to the provider whose default is the text "true"', async () => {
    const page = await world.somebody().visitor.follow(home)
    expect(page.location).toContain(`${world.play}/auth?`)
  })

  it('keeps the form-based login option active beside it', async () => {
    const person = world.somebody()
    const chooser = await person.open(`${home}/_postern/login?choose=1&return=%2Fform`)
    const page = await person.open(linkIn(chooser, "Use the portal's own sign-in"))
    expect(page.status).toBe(200)
    expect([world.lastSeen().target, userIn(world.lastSeen())]).toEqual(['/form', undefined])
    expect((await person.open(`${home}/again`)).status).toBe(200)
  })

  it('has one button per provider, with its label', async () => {
    const chooser = await world.somebody().open(`${world.url('second')}/_postern/login?choose=1`)
    expect(offersIn(chooser)).toEqual(['Login with PLAY', 'Login with a security key'])
  })

  it('signs in once for several portals', async () => {
    const person = world.somebody()
    await person.open(home, 'anna')
    expect(person.asked).toEqual(['PLAY'])
    const page = await person.open(`${world.url('second')}/other`)
    expect([page.status, person.asked, userIn(world.lastSeen())]).toEqual([200, [], 'anna@mycompany.com'])
  })

  it('gives a page of the portal a provider of its own', async () => {
    const person = world.somebody()
    await person.open(`${world.url('second')}/`, 'anna')
    const page = await person.open(`${world.url('second')}/files/1`, 'anna')
    expect([page.status, person.asked]).toEqual([200, ['FIDO']])
  })

  it('shows a provider that is not configured yet, and offers it to nobody', async () => {
    const config = await (await fetch(`${world.postern.adminUrl}/config`)).json()
    expect(JSON.stringify(config)).toMatch(/"name":"LATER"[^}]*"enabled":false/)
    expect(world.postern.logText()).toContain('LATER (OIDC, not configured)')
    expect((await world.somebody().open(`${home}/_postern/start/LATER`)).status).toBe(404)
  })
})
