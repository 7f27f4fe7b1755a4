// APIO core: what its single sign-on pages promise around OpenID Connect, with the rules as its pages write them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { valuesOf } from '../../support/mirror-portal.ts'
import { client, company, type Somebody, startWorld, userIn, type World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({
    portals: ['home', 'inside', 'trial', 'hub', 'verified'],
    callbacks: ({ url }) => [url('hub', '/_postern/callback/HUB'), url('verified', '/_postern/callback/VERIFIED')],
    server: 'trustedProxies: [127.0.0.1]',
    accounts: {
      ...company,
      dora: { claims: { email: 'dora@mycompany.com', email_verified: false, hd: 'mycompany.com' } },
      emil: { claims: { email: 'emil@mycompany.com', hd: 'mycompany.com' } },
      fred: { claims: { email: 'fred@mycompany.com', hd: 'mycompany.com', auth: { profile: { broadsoft_type: 'System' } } } },
      gina: { claims: { email: 'gina@mycompany.com', hd: 'mycompany.com', auth: { profile: { broadsoft_type: 'Group' } } } },
    },
    files: () => ({
      'company.jsonata': "/** message: Only for people of My Company. */\nhd == 'mycompany.com'\n",
      'inside.jsonata': `/** message: Administrators come from inside. */\n(claims.auth.profile.broadsoft_type != "System" and claims.auth.profile.broadsoft_type != "Provisioning") or is_client_ip_private\n`,
    }),
    configuration: ({ url, portal, play, fido }) => `
rulesDir: .
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client}, rules: [company] }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client} }
  - name: HUB
    protocol: OAUTH2
    authorizationEndpoint: ${fido}/auth
    tokenEndpoint: ${fido}/token
    userinfoEndpoint: ${fido}/me
    scope: openid email profile
    accountAttribute: email
    clientId: postern
    clientSecret: s3cret
  - { name: VERIFIED, protocol: OIDC, issuer: "${play}", ${client}, requireVerifiedEmail: true, accountAttribute: "$uppercase($substringBefore(email, '@'))" }
portals:
  - name: home
    upstream: ${portal}
    providers: [PLAY]
    headers: { iv-user: account, iv-groups: groups, x-domain: hd }
    routes: [{ path: /admin/**, rules: [{ name: admins, when: "'admins' in groups", message: For administrators. }] }]
  - { name: inside, publicUrl: "${url('inside')}", upstream: ${portal}, providers: [FIDO], rules: [inside] }
  - { name: trial, publicUrl: "${url('trial')}", upstream: ${portal}, providers: [FIDO], rules: [company], mode: warn }
  - { name: hub, publicUrl: "${url('hub')}", upstream: ${portal}, providers: [HUB] }
  - { name: verified, publicUrl: "${url('verified')}", upstream: ${portal}, providers: [VERIFIED] }
`,
  })
})
afterAll(() => world?.stop())

describe('APIO core', () => {
  it("lets in who is of the company, by hd == 'mycompany.com' as its page writes it", async () => {
    expect((await world.somebody().open(world.url('home'), 'anna')).status).toBe(200)
  })

  it('refuses everybody else in the words of the rule, and makes no session', async () => {
    const person = world.somebody()
    const page = await person.open(world.url('home'), 'carl')
    expect([page.status, page.body.includes('Only for people of My Company.')]).toEqual([403, true])
    expect((await person.fetch(world.url('home'))).status).toBe(401)
  })

  it('keeps system accounts inside the network, request by request', async () => {
    const [near, far] = [{ 'X-Forwarded-For': '10.1.2.3' }, { 'X-Forwarded-For': '198.51.100.7' }]
    const statusOf = async (person: Somebody, headers: Readonly<Record<string, string>>) =>
      (await person.fetch(world.url('inside', '/x'), { headers })).status
    const system = world.somebody(near)
    expect((await system.open(world.url('inside'), 'fred')).status).toBe(200)
    expect([await statusOf(system, near), await statusOf(system, far)]).toEqual([200, 403])
    expect((await world.somebody(far).open(world.url('inside'), 'fred')).status).toBe(403)
    const person = world.somebody(far)
    expect((await person.open(world.url('inside'), 'gina')).status).toBe(200)
  })

  it('has rules of its own for a part of the portal', async () => {
    const [anna, bert] = [world.somebody(), world.somebody()]
    await anna.open(world.url('home'), 'anna')
    await bert.open(world.url('home'), 'bert')
    expect((await anna.fetch(world.url('home', '/admin/users'))).status).toBe(200)
    const refused = await bert.fetch(world.url('home', '/admin/users'))
    expect([refused.status, refused.body.includes('For administrators.')]).toEqual([403, true])
  })

  it('hands account, groups and any claim to the portal as headers', async () => {
    await world.somebody().open(world.url('home'), 'anna')
    const seen = world.lastSeen()
    expect([userIn(seen), valuesOf(seen, 'iv-groups'), valuesOf(seen, 'x-domain')]).toEqual([
      'anna@mycompany.com',
      ['"staff","admins"'],
      ['mycompany.com'],
    ])
  })

  it('makes the account from claims by an expression', async () => {
    await world.somebody().open(world.url('verified'), 'anna')
    expect(userIn(world.lastSeen())).toBe('ANNA')
  })

  it('refuses an e-mail address that is not verified, or of which nobody says so', async () => {
    expect((await world.somebody().open(world.url('home'), 'dora')).body).toContain('has not been verified')
    expect((await world.somebody().open(world.url('home'), 'emil')).status).toBe(200)
    expect((await world.somebody().open(world.url('verified'), 'emil')).body).toContain('has not been verified')
  })

  it('tries a rule out before it is enforced', async () => {
    const person = world.somebody()
    expect((await person.open(world.url('trial'), 'carl')).status).toBe(200)
    expect(world.postern.logs).toContainEqual(
      expect.objectContaining({ log: 'access', portal: 'trial', reason: 'rule-would-refuse', rule: 'company', status: 200 }),
    )
    expect((await world.somebody().fetch(world.url('trial', '/x'))).status).toBe(401)
  })

  it('signs in at a provider that gives no ID token', async () => {
    const person = world.somebody()
    expect((await person.open(world.url('hub', '/code?tab=1'), 'anna')).status).toBe(200)
    expect([person.asked, world.lastSeen().target, userIn(world.lastSeen())]).toEqual([
      ['FIDO'],
      '/code?tab=1',
      'anna@mycompany.com',
    ])
  })
})
