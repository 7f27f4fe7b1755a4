// Whole sign-ins with what stands between provider and rules: look-ups, profiles, provisioning, links - through Postern as it runs.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Json } from '../../src/types.ts'
import type { TestAccount } from '../support/identity-provider.ts'
import { type Asked, type Service, startService } from '../support/service.ts'
import { client, company, type Place, startWorld, userIn, type World } from './promises/world.ts'

let api: Service
let folder: string
let world: World
let home: string
const apiKey = 'api-k3y'
/** What the portal's own API knows of people. */
let operators: Record<string, unknown>

const accounts: Record<string, TestAccount> & { dora: { claims: Record<string, Json> } } = {
  ...company,
  dora: { claims: { email: 'dora@mycompany.com', email_verified: true, hd: 'mycompany.com', groups: ['staff'], dept: 'ops' } },
}

const configuration = ({ portal, play, fido }: Place): string => `
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${play}
    ${client.replace(', ', '\n    ')}
    postLogin:
      - name: operators
        call: { url: "${api.url}/operators/{claims.email}", headers: { authorization: "Bearer {token.access}", x-key: ${apiKey} } }
        set: { operator_email: answer.email, unit: answer.unit }
    rules: [{ name: is-operator, when: operator_email = claims.email, message: You are no operator here. }]
    profiles:
      - name: staff
        when: hd = "mycompany.com"
        account: '"c-" & $substringBefore(claims.email, "@")'
        attributes: { unit: unit }
        provision:
          url: "${api.url}/users/{account}"
          method: PUT
          headers: { x-key: ${apiKey} }
          body: '{ "user": account, "groups": groups, "unit": profile.unit }'
          timeout: 5s
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client} }
portals:
  - name: home
    host: home.localhost
    upstream: ${portal}
    providers: [PLAY]
    headers: { iv-user: account, x-unit: profile.unit, x-profile: profile.name, x-claims: "$string(claims)" }
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-accounts-'))
  api = await startService()
  world = await startWorld({
    portals: ['home'],
    server: `state: sqlite:${join(folder, 'state.db')}`,
    accounts,
    configuration,
  })
  home = world.url('home')
})
beforeEach(() => {
  operators = {
    'anna@mycompany.com': { email: 'anna@mycompany.com', unit: 'ops' },
    'bert@mycompany.com': { email: 'somebody.else@mycompany.com' },
    'carl@other.org': { email: 'carl@other.org' },
    'dora@mycompany.com': { email: 'dora@mycompany.com', unit: 'it' },
  }
  api.answer = usual
})
afterAll(async () => {
  await world?.stop()
  await api?.close()
  await rm(folder, { recursive: true, force: true })
})

const usual = ({ target }: Asked) => {
  const email = decodeURIComponent(target.replace('/operators/', ''))
  if (!target.startsWith('/operators/')) return { status: 201 }
  return operators[email] ? { body: operators[email] } : { status: 404 }
}
const tokensSent = () =>
  api.asked.flatMap(({ headers }) => (headers['authorization'] ? [String(headers['authorization']).replace('Bearer ', '')] : []))
const provisioned = (since = 0) => api.asked.slice(since).filter(({ target }) => target.startsWith('/users/'))
const headerOf = (name: string): string | undefined => {
  const { headers } = world.lastSeen()
  return headers[headers.findIndex((one, at) => at % 2 === 0 && one.toLowerCase() === name) + 1]
}

describe('a sign-in with a look-up and profiles', () => {
  it('hands the portal the shape of the profile, after the account has been set up there', async () => {
    const since = api.asked.length
    const page = await world.somebody().open(`${home}/start`, 'anna')
    expect([page.status, userIn(world.lastSeen()), headerOf('x-unit'), headerOf('x-profile')]).toEqual([
      200,
      'c-anna',
      'ops',
      'staff',
    ])
    expect(provisioned(since).map(({ method, target, body }) => [method, target, JSON.parse(body)])).toEqual([
      ['PUT', '/users/c-anna', { user: 'c-anna', groups: ['staff', 'admins'], unit: 'ops' }],
    ])
  })

  it('does not set it up again for the next sign-in', async () => {
    await world.somebody().open(home, 'anna')
    const since = api.asked.length
    expect((await world.somebody().open(home, 'anna')).status).toBe(200)
    expect(provisioned(since)).toEqual([])
  })

  it("refuses whom the portal's look-up knows under another e-mail (S-360: must match the operator's e-mail)", async () => {
    const somebody = world.somebody()
    const page = await somebody.open(home, 'bert')
    expect([page.status, page.body.includes('You are no operator here.')]).toEqual([403, true])
    expect((await somebody.fetch(home)).status).toBe(401)
  })

  it('refuses whom the portal does not know at all', async () => {
    delete operators['dora@mycompany.com']
    const page = await world.somebody().open(home, 'dora')
    expect([page.status, page.body.includes('the portal does not know you')]).toEqual([403, true])
    expect(world.postern.logs.at(-1)).toMatchObject({ log: 'access', reason: 'post-login-refused', status: 403 })
  })

  it('refuses whom no profile fits', async () => {
    const page = await world.somebody().open(home, 'carl')
    expect([page.status, page.body.includes('no place for people like you')]).toEqual([403, true])
  })

  it('says that it is not to be decided just now where the look-up fails, and ends what was there before', async () => {
    const somebody = world.somebody()
    await somebody.open(home, 'anna')
    api.answer = () => ({ status: 500 })
    const page = await somebody.open(`${home}/_postern/start/PLAY?return=%2F&fresh=1`, 'anna')
    expect(page.status).toBe(503)
    api.answer = usual
    expect((await somebody.fetch(home)).status).toBe(401)
  })

  it('tells the person and the operator where the account cannot be set up, and tries again', async () => {
    api.answer = (asked) => (asked.target.startsWith('/users/') ? { status: 422 } : usual(asked))
    const page = await world.somebody().open(home, 'dora')
    expect([page.status, page.body.includes('could not be set up')]).toEqual([503, true])
    const failures = async () => (await fetch(`${world.postern.adminUrl}/provisioning`)).json()
    expect(await failures()).toMatchObject({
      failures: [{ portal: 'home', provider: 'PLAY', account: 'c-dora', profile: 'staff', detail: `${api.url} answered 422` }],
    })
    api.answer = usual
    expect((await world.somebody().open(home, 'dora')).status).toBe(200)
    expect(await failures()).toEqual({ failures: [] })
  })

  it('never shows the token, nor the key of the call, in logs, pages, headers or the session', async () => {
    const somebody = world.somebody()
    const page = await somebody.open(home, 'anna')
    const session = await somebody.fetch(`${home}/_postern/session`)
    const config = await (await fetch(`${world.postern.adminUrl}/config`)).text()
    const [token] = tokensSent().slice(-1)
    expect(token).toMatch(/^[\w-]{20,}$/)
    const shown = [world.postern.logText(), page.body, session.body, config, JSON.stringify(world.mirror.seen)].join()
    for (const secret of [...tokensSent(), apiKey]) expect(shown).not.toContain(secret)
  })
})

describe('account links', () => {
  const linked = ({ portal, play, fido }: Place): string => `
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client}, link: { first: email } }
  - name: FIDO
    protocol: OIDC
    issuer: "${fido}"
    ${client.replace(', ', '\n    ')}
    link: { first: email }
    profiles: [{ when: '"staff" in groups', groups: '["keys"]' }]
portals:
  - name: home
    host: home.localhost
    upstream: ${portal}
    providers: [PLAY, { name: FIDO, after: PLAY, when: 'request.path = "/safe"' }]
`
  beforeAll(async () => {
    expect(await world.reconfigure(linked(world))).toBe(true)
  })

  it('keep the account when the e-mail address changes, and give it to nobody who has the address next', async () => {
    await world.somebody().open(home, 'dora')
    expect(userIn(world.lastSeen())).toBe('dora@mycompany.com')
    accounts.dora.claims.email = 'dora.miller@mycompany.com'
    await world.somebody().open(home, 'dora')
    expect(userIn(world.lastSeen())).toBe('dora@mycompany.com')
    accounts.carl = { claims: { ...accounts.carl?.claims, email: 'dora@mycompany.com' } }
    const page = await world.somebody().open(home, 'carl')
    expect([page.status, page.body.includes('belongs to an account of somebody else')]).toEqual([403, true])
    const { links } = (await (await fetch(`${world.postern.adminUrl}/links`)).json()) as { links: readonly unknown[] }
    expect(links).toMatchObject([{ account: 'dora@mycompany.com', provider: 'PLAY' }])
  })

  it('are not asked of a second factor, whose own profiles hold all the same', async () => {
    expect((await world.somebody().open(`${home}/safe`, 'anna')).status).toBe(200)
    const noKeys = await world.somebody().open(`${home}/safe`, 'anna', 'carl')
    expect([noKeys.status, noKeys.body.includes('no place for people like you')]).toEqual([403, true])
  })
})
