// Xurrent: what its single sign-on page promises, and the test that its page gives to administrators.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { client, type Somebody, startWorld, userIn, type World } from './world.ts'

let world: World
let home: string

beforeAll(async () => {
  world = await startWorld({
    portals: ['home', 'quiet', 'strict', 'other'],
    session: 'idle: 30m, lifetime: 2h',
    configuration: ({ url, portal, play, fido }) => `
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client} }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client}, endSession: false }
portals:
  - name: home
    upstream: ${portal}
    providers: [PLAY]
    routes: [{ path: /api/**, challenge: 401 }, { path: /poll, extendsSession: false }]
  - { name: quiet, publicUrl: "${url('quiet')}", upstream: ${portal}, providers: [FIDO] }
  - name: strict
    publicUrl: "${url('strict')}"
    upstream: ${portal}
    providers: [PLAY]
    session: { idle: 10m, lifetime: 1h, idleRequiresSignIn: true }
  - { name: other, publicUrl: "${url('other')}", upstream: ${portal}, providers: [PLAY] }
`,
  })
  home = world.url('home')
})
afterAll(() => world?.stop())

let person: Somebody
beforeEach(() => {
  person = world.somebody()
})
const form = (origin: string, body: string) => ({
  method: 'POST',
  body,
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: origin, 'Sec-Fetch-Site': 'same-origin' },
})

describe('Xurrent', () => {
  it('sign out locally, come back, and you are not asked again', async () => {
    await person.open(home, 'anna')
    const out = await person.open(`${home}/_postern/logout?scope=local`)
    expect([out.status, out.url]).toEqual([200, expect.stringContaining('/_postern/signed-out')])
    expect((await person.fetch(home)).status).toBe(401)
    expect([(await person.open(`${home}/again`)).status, person.asked]).toEqual([200, []])
    expect(userIn(world.lastSeen())).toBe('anna@mycompany.com')
  })

  it('sign out, and the identity provider signs you out too', async () => {
    await person.open(home, 'anna')
    const out = await person.open(`${home}/_postern/logout`)
    expect([person.sentTo[0]?.pathname, out.status]).toEqual(['/session/end', 200])
    world.later(1)
    expect([(await person.open(home, 'anna')).status, person.asked]).toEqual([200, ['PLAY']])
  })

  it('signs out at every portal at once', async () => {
    await person.open(home, 'anna')
    await person.open(world.url('other'))
    expect((await person.fetch(world.url('other', '/x'))).status).toBe(200)
    await person.open(`${home}/_postern/logout?scope=local`)
    expect((await person.fetch(world.url('other', '/x'))).status).toBe(401)
  })

  it('stays out of the identity provider where it has no logout', async () => {
    await person.open(world.url('quiet'), 'anna')
    await person.open(world.url('quiet', '/_postern/logout'))
    expect(person.sentTo).toEqual([])
    expect((await person.fetch(world.url('quiet', '/x'))).status).toBe(401)
  })

  it('opens a deep link after the sign-in, with its query', async () => {
    await person.open(`${home}/requests/42?view=all&q=%C3%A4`, 'anna')
    expect(world.lastSeen().target).toBe('/requests/42?view=all&q=%C3%A4')
  })

  it('lets a person be somebody else', async () => {
    await person.open(home, 'anna')
    await person.open(`${home}/_postern/start/PLAY?as=other`, 'bert')
    expect([person.asked, userIn(world.lastSeen())]).toEqual([['PLAY'], 'bert@mycompany.com'])
  })

  it('answers a program with 401 and never with a redirect', async () => {
    const [script, api] = [await person.fetch(`${home}/x`), await person.visitor.load(`${home}/api/x`)]
    expect([script.status, script.location, api.status, api.location]).toEqual([401, undefined, 401, undefined])
    expect(script.headers['content-type']).toContain('application/problem+json')
  })

  it('signs out whoever does nothing, and lets the provider bring them back unasked', async () => {
    await person.open(home, 'anna')
    world.later(20)
    expect((await person.fetch(`${home}/poll`)).status).toBe(200)
    world.later(11)
    expect((await person.fetch(home)).status).toBe(401)
    expect([(await person.open(home)).status, person.asked]).toEqual([200, []])
  })

  it('signs out whoever does nothing, and has the provider really ask', async () => {
    const strict = world.url('strict')
    await person.open(strict, 'anna')
    world.later(11)
    expect((await person.fetch(strict)).status).toBe(401)
    expect([(await person.open(strict, 'anna')).status, person.asked]).toEqual([200, ['PLAY']])
  })

  it('ends a session when its time is over, whichever limit comes first', async () => {
    const [strict, times] = [world.url('strict'), [] as number[]]
    await person.open(strict, 'anna')
    await person.open(home)
    for (let minute = 0; minute < 66; minute += 6) {
      times.push((await person.fetch(strict)).status)
      await person.fetch(home)
      world.later(6)
    }
    expect(times).toEqual([...Array(10).fill(200), 401])
    expect((await person.fetch(home)).status).toBe(200)
  })

  it('loses nothing that was typed while the session ended', async () => {
    await person.open(home, 'anna')
    world.later(31)
    const page = await person.open(`${home}/notes`, '', '', form(home, 'subject=Printer&text=on+%22fire%22'))
    expect(page.url).toContain('/_postern/resume/')
    const fields = [...page.body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
    expect(fields.map(([, name, value]) => [name, value])).toEqual([
      ['subject', 'Printer'],
      ['text', 'on &quot;fire&quot;'],
    ])
    expect(page.body).toContain('action="/notes"')
  })

  it('gives what was typed to nobody else', async () => {
    await person.open(home, 'anna')
    world.later(31)
    const sent = await person.visitor.load(`${home}/notes`, form(home, 'text=secret'))
    const away = await person.visitor.follow(home + sent.location)
    const page = await person.visitor.follow(await world.PLAY.signIn(away.location ?? '', 'bert'))
    expect([page.status, page.body.includes('secret')]).toEqual([400, false])
  })
})
