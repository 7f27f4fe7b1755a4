// Every way out with a real OpenID provider: from here, from the provider, from the portal.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import type { Person } from '../support/person.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type Visitor } from '../support/visitor.ts'

let provider: IdentityProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string
let mail: string

const portalText = (name: string, from: string, upstream: string): string => `
  - name: ${name}
    host: ${name}.localhost
    upstream: ${upstream}
    providers: [${from}]
    headers: { iv-user: account }
    routes:
      - { path: /app/logout, endsSession: true }
      - { path: /open/logout, access: optional, endsSession: true }`

const configuration =
  (idp: number) =>
  (port: number): string =>
    `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], idle: 30m, lifetime: 2h }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "http://127.0.0.1:${idp}", clientId: postern, clientSecret: s3cret }
  - { name: WIDE, protocol: OIDC, issuer: "http://127.0.0.1:${idp}", clientId: wide, clientSecret: s3cret }
portals:
${portalText('home', 'PLAY', portal.url)}
${portalText('mail', 'PLAY', portal.url)}
${portalText('wide', 'WIDE', portal.url)}
${portalText('dead', 'PLAY', 'http://127.0.0.1:1')}
`

beforeAll(async () => {
  portal = await startMirrorPortal()
  const idp = await freePort()
  postern = await startPostern({ configuration: configuration(idp) })
  const at = (name: string) => `http://${name}.localhost:${postern.port}`
  home = at('home')
  mail = at('mail')
  const client = (client_id: string, portals: readonly string[], name: string) => ({
    client_id,
    client_secret: 's3cret',
    redirect_uris: portals.map((one) => `${at(one)}/_postern/callback/${name}`),
    post_logout_redirect_uris: portals.map((one) => `${at(one)}/_postern/signed-out`),
    backchannel_logout_uri: `${at(portals[0] as string)}/_postern/backchannel-logout/${name}`,
  })
  provider = await startIdentityProvider({
    port: idp,
    backChannelLogout: true,
    clients: [
      { ...client('postern', ['home', 'mail', 'dead'], 'PLAY'), backchannel_logout_session_required: true },
      client('wide', ['wide'], 'WIDE'),
    ],
    accounts: {
      anna: { claims: { email: 'anna@company.com', email_verified: true } },
      bert: { claims: { email: 'bert@company.com', email_verified: true } },
    },
  })
})
afterEach(() => expect(postern.logs.filter(({ level }) => level === 'error')).toEqual([]))
afterAll(async () => {
  await postern?.stop()
  await provider?.close()
  await portal?.close()
})

async function signIn(visitor: Visitor, person: Person, user: string, url: string): Promise<void> {
  const away = await visitor.follow(url)
  await visitor.follow(await person.go(away.location as string, { user, password: 'any' }))
}
const seenBy = async (visitor: Visitor, url: string): Promise<readonly string[]> => {
  const { status, body } = await visitor.load(url, { xhr: true })
  return status === 200 ? valuesOf(JSON.parse(body) as Seen, 'iv-user') : [String(status)]
}
/** What the person confirms on the provider's own page. */
const leaveProvider = (person: Person, url: string) => person.go(url, { logout: 'yes' })

describe('a sign-out here', () => {
  it('goes on to the provider, which knows who is meant and sends the person back', async () => {
    const [visitor, person] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    await signIn(visitor, person, 'anna', `${mail}/a`)
    const leaving = await visitor.load(`${home}/_postern/logout`)
    const to = new URL(leaving.location as string)
    expect(to.origin).toBe(provider.issuer)
    expect(to.searchParams.get('id_token_hint')).toMatch(/^ey/)
    expect(to.searchParams.get('post_logout_redirect_uri')).toBe(`${home}/_postern/signed-out`)
    expect(await leaveProvider(person, to.href)).toMatch(`${home}/_postern/signed-out`)
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['401'])
    expect(await seenBy(visitor, `${mail}/a`)).toEqual(['401'])
  })
})

describe('a sign-out at the provider', () => {
  it('ends the sessions of that session of the provider at every portal, and leaves the person their others', async () => {
    const [visitor, person] = [createVisitor(), provider.person()]
    const [phone, samePerson] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    await signIn(visitor, person, 'anna', `${mail}/a`)
    await signIn(phone, samePerson, 'anna', `${home}/a`)
    await leaveProvider(
      person,
      `${provider.issuer}/session/end?client_id=postern&post_logout_redirect_uri=${home}/_postern/signed-out`,
    )
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['401'])
    expect(await seenBy(visitor, `${mail}/a`)).toEqual(['401'])
    expect(await seenBy(phone, `${home}/a`)).toEqual(['anna@company.com'])
    expect(postern.logs.filter(({ msg }) => msg === 'signed out by the provider').at(-1)).toMatchObject({ provider: 'PLAY' })
  })

  it('that names no session of its own ends all of the person, and nobody else', async () => {
    const wide = home.replace('home', 'wide')
    const [visitor, person] = [createVisitor(), provider.person()]
    const [phone, samePerson] = [createVisitor(), provider.person()]
    const [other, otherPerson] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${wide}/a`)
    await signIn(phone, samePerson, 'anna', `${wide}/a`)
    await signIn(other, otherPerson, 'bert', `${wide}/a`)
    await leaveProvider(
      person,
      `${provider.issuer}/session/end?client_id=wide&post_logout_redirect_uri=${wide}/_postern/signed-out`,
    )
    expect(await seenBy(visitor, `${wide}/a`)).toEqual(['401'])
    expect(await seenBy(phone, `${wide}/a`)).toEqual(['401'])
    expect(await seenBy(other, `${wide}/a`)).toEqual(['bert@company.com'])
  })

  it('lets the person sign in again at once', async () => {
    const [visitor, person] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    await leaveProvider(
      person,
      `${provider.issuer}/session/end?client_id=postern&post_logout_redirect_uri=${home}/_postern/signed-out`,
    )
    postern.time.now += 1000
    await signIn(visitor, person, 'anna', `${home}/a`)
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['anna@company.com'])
  })
})

describe("the portal's own sign-out", () => {
  it.each(['/app/logout', '/open/logout'])(
    'at %s is forwarded with identity, and the person is signed out here as well',
    async (path) => {
      const [visitor, person] = [createVisitor(), provider.person()]
      await signIn(visitor, person, 'anna', `${home}/a`)
      await signIn(visitor, person, 'anna', `${mail}/a`)
      const before = visitor.cookieHeader(home)
      const { status, body } = await visitor.load(home + path)
      expect([status, valuesOf(JSON.parse(body) as Seen, 'iv-user')]).toEqual([200, ['anna@company.com']])
      expect(visitor.cookieHeader(home)).not.toContain('postern-home=')
      expect(await seenBy(visitor, `${mail}/a`)).toEqual(['401'])
      const again = await visitor.load(`${home}/a`, { xhr: true, headers: { Cookie: before } })
      expect(again.status).toBe(401)
      expect(postern.logs.filter(({ msg }) => msg === 'signed out').at(-1)).toMatchObject({
        account: 'anna@company.com',
        portal: 'home',
      })
    },
  )

  it('with a form reaches the portal with its form', async () => {
    const [visitor, person] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Expect: '100-continue' }
    const { body } = await visitor.load(`${home}/app/logout`, { method: 'POST', body: 'token=abc', headers })
    expect((JSON.parse(body) as Seen).body).toBe('token=abc')
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['401'])
  })

  it.each([
    ['HEAD', {}],
    ['OPTIONS', {}],
    ['GET', { 'Sec-Purpose': 'prefetch;prerender' }],
    ['GET', { Purpose: 'prefetch' }],
  ])('is not asked for by %s with %j', async (method, headers) => {
    const [visitor, person] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    const { status, setCookies } = await visitor.load(`${home}/app/logout`, { method, headers, xhr: true })
    expect([status, setCookies]).toEqual([200, []])
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['anna@company.com'])
  })

  it('has ended the session even where the portal does not answer', async () => {
    const dead = home.replace('home', 'dead')
    const [visitor, person] = [createVisitor(), provider.person()]
    await signIn(visitor, person, 'anna', `${home}/a`)
    await signIn(visitor, person, 'anna', `${dead}/a`)
    expect((await visitor.load(`${dead}/app/logout`)).status).toBe(502)
    expect(await seenBy(visitor, `${dead}/a`)).toEqual(['401'])
    expect(await seenBy(visitor, `${home}/a`)).toEqual(['401'])
  })

  it('of nobody is what it was', async () => {
    expect((await createVisitor().load(`${home}/open/logout`)).status).toBe(200)
    expect((await createVisitor().load(`${home}/app/logout`)).status).toBe(302)
  })
})
