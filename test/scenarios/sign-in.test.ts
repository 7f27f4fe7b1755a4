// The whole way with a real OpenID provider: a person opens a portal, signs in, is greeted by name, signs out.
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts'

let provider: IdentityProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string
let issuerPort: number

const rule = { 'company-domain.jsonata': "/** message: Only for people of My Company. */\nhd == 'mycompany.com'\n" }

const configuration = (port: number): string => `
server:
  publicUrl: http://home.localhost:${port}
rulesDir: .
session: { keys: [${testKey}], idle: 30m, lifetime: 2h }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "http://127.0.0.1:${issuerPort}", clientId: postern, clientSecret: s3cret, credentialsName: FIDO, rules: [company-domain] }
portals:
  - name: home
    host: home.localhost
    upstream: ${portal.url}
    providers: [PLAY]
    headers: { iv-user: account, iv-groups: groups, x-name: name }
    routes:
      - { path: /api/**, challenge: 401 }
      - { path: /poll, extendsSession: false }
`

beforeAll(async () => {
  portal = await startMirrorPortal({ webSockets: true })
  issuerPort = await freePort()
  postern = await startPostern({
    files: rule,
    configuration,
  })
  home = `http://home.localhost:${postern.port}`
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
  await provider?.close()
})

/** The provider comes up after Postern did: nothing asks it before the first sign-in. */
async function startProvider(): Promise<void> {
  const callback = `${home}/_postern/callback/PLAY`
  provider = await startIdentityProvider({
    port: issuerPort,
    clients: [
      {
        client_id: 'postern',
        client_secret: 's3cret',
        redirect_uris: [callback],
        post_logout_redirect_uris: [`${home}/_postern/signed-out`],
      },
    ],
    accounts: {
      anna: {
        claims: {
          email: 'anna@mycompany.com',
          email_verified: true,
          hd: 'mycompany.com',
          groups: ['staff', 'a, "b"'],
          name: 'Änne',
        },
      },
      bert: { claims: { email: 'bert@mycompany.com', email_verified: true, hd: 'mycompany.com' } },
      carl: { claims: { email: 'carl@other.org', email_verified: true, hd: 'other.org' } },
      dora: { claims: { email: 'dora@mycompany.com', email_verified: false, hd: 'mycompany.com' } },
      emil: { claims: { hd: 'mycompany.com' } },
    },
  })
}

/** Opens a page, signs in at the provider, comes back; the last page. */
async function signIn(visitor: Visitor, url: string, account: string): Promise<Page> {
  const away = await visitor.follow(url)
  const back = await provider.signIn(away.location ?? '', account)
  return visitor.follow(back)
}

describe('with a provider that is down', () => {
  it('Postern starts all the same, and says in plain words that nobody can sign in just now', async () => {
    const page = await createVisitor().follow(`${home}/`)
    expect(page.status).toBe(503)
    expect(page.headers['retry-after']).toBe('5')
    expect(page.body).toContain('The sign-in service cannot be reached just now')
    expect(page.setCookies).toEqual([])
  })
  it('and heals when it is back', async () => {
    await startProvider()
    expect((await createVisitor().follow(`${home}/`)).location).toContain(`${provider.issuer}/auth?`)
  })
})

describe('a person', () => {
  it('lands on the page first asked for, query included, and the portal is told who it is', async () => {
    const page = await signIn(createVisitor(), `${home}/deep/page?a=1&b=%2F%20x`, 'anna')
    expect(page.status).toBe(200)
    const seen = JSON.parse(page.body) as Seen
    expect(seen.target).toBe('/deep/page?a=1&b=%2F%20x')
    expect(valuesOf(seen, 'iv-user')).toEqual(['anna@mycompany.com'])
    expect(valuesOf(seen, 'iv-groups')).toEqual(['"staff","a%2C%20%22b%22"'])
    expect(valuesOf(seen, 'x-name')).toEqual(['%C3%84nne'])
    expect(valuesOf(seen, 'cookie')).toEqual([])
  })

  it('stays signed in with one cookie, and the flow cookie is gone', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    expect([...(visitor.jar.get('home.localhost') ?? new Map()).keys()]).toEqual(['postern-home'])
    expect((await visitor.load(`${home}/again`)).status).toBe(200)
  })

  it('sees who it is at /session, and never a token', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    const { body, headers } = await visitor.load(`${home}/_postern/session`, { xhr: true })
    expect(headers['cache-control']).toContain('no-store')
    expect(JSON.parse(body)).toMatchObject({
      account: 'anna@mycompany.com',
      provider: 'PLAY',
      portal: 'home',
      groups: ['staff', 'a, "b"'],
    })
    expect(body).not.toMatch(/eyJ|token/)
    expect((await createVisitor().load(`${home}/_postern/session`, { xhr: true })).status).toBe(401)
  })

  it("whom the rule refuses gets the rule's words, its own name, a request id, and no session", async () => {
    const visitor = createVisitor()
    const page = await signIn(visitor, `${home}/`, 'carl')
    expect(page.status).toBe(403)
    expect(page.body).toContain('Only for people of My Company.')
    expect(page.body).toContain('carl@other.org')
    expect(page.body).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/)
    expect(page.body).toContain('as=other')
    expect(visitor.jar.get('home.localhost')?.has('postern-home')).toBe(false)
  })

  it('whose e-mail address is not verified is refused, and so is one without an account', async () => {
    expect((await signIn(createVisitor(), `${home}/`, 'dora')).body).toContain('has not been verified')
    expect((await signIn(createVisitor(), `${home}/`, 'emil')).body).toContain('does not name the account')
  })

  it('signs in in two tabs at once, and both arrive where they wanted', async () => {
    const visitor = createVisitor()
    const first = await visitor.follow(`${home}/one`)
    const second = await visitor.follow(`${home}/two`)
    const browser = provider.person()
    const backFirst = await browser.go(first.location ?? '', { user: 'anna', password: 'x' })
    const backSecond = await browser.go(second.location ?? '', { user: 'anna', password: 'x' })
    expect((JSON.parse((await visitor.follow(backSecond)).body) as Seen).target).toBe('/two')
    expect((JSON.parse((await visitor.follow(backFirst)).body) as Seen).target).toBe('/one')
  })

  it('gets a new session at every sign-in, and the old one is over', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    const before = visitor.cookieHeader(home)
    const away = await visitor.follow(`${home}/_postern/start/PLAY?return=%2Fnext`)
    await visitor.follow(await provider.signIn(away.location ?? '', 'bert'))
    expect(visitor.cookieHeader(home)).not.toBe(before)
    expect((await createVisitor().load(`${home}/`, { headers: { Cookie: before }, xhr: true })).status).toBe(401)
  })

  it('is signed out here and at the provider, and comes back to a page that says so', async () => {
    const visitor = createVisitor()
    const browser = provider.person()
    const away = await visitor.follow(`${home}/`)
    await visitor.follow(await browser.go(away.location ?? '', { user: 'anna', password: 'x' }))
    const before = visitor.cookieHeader(home)
    const leaving = await visitor.load(`${home}/_postern/logout`)
    postern.time.now += 1000 // who signs in from now on is not meant
    expect(leaving.location).toContain(`${provider.issuer}/session/end?`)
    expect(leaving.location).toContain('id_token_hint=')
    const back = await browser.go(leaving.location ?? '', { logout: 'yes' })
    expect(back).toBe(`${home}/_postern/signed-out`)
    expect((await visitor.follow(back)).body).toContain('signed out')
    expect((await createVisitor().load(`${home}/`, { headers: { Cookie: before }, xhr: true })).status).toBe(401)
  })

  it('is asked before another site signs it out', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    const page = await visitor.load(`${home}/_postern/logout`, { headers: { 'Sec-Fetch-Site': 'cross-site' } })
    expect(page.status).toBe(200)
    expect(page.body).toContain('method="post"')
    expect((await visitor.load(`${home}/`)).status).toBe(200)
  })
})

describe('an open WebSocket', () => {
  it('is closed when the person signs out', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    const socket = new WebSocket(`ws://127.0.0.1:${postern.port}/socket`, {
      headers: { Host: `home.localhost:${postern.port}`, Cookie: visitor.cookieHeader(home) },
    })
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await visitor.load(`${home}/_postern/logout?scope=local`)
    postern.time.now += 1000
    await closed
  })
})

describe('a provider that is another one now', () => {
  it('has no sessions from before, whatever its name', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/`, 'anna')
    expect((await visitor.load(`${home}/`)).status).toBe(200)
    expect(await postern.reconfigure(configuration(postern.port).replace('clientId: postern', 'clientId: other'))).toBe(true)
    expect((await visitor.load(`${home}/`)).status).toBe(302)
    expect(await postern.reconfigure(configuration(postern.port))).toBe(true)
  })
})

describe('a wrong client secret', () => {
  it('is called by its name in the log, and the page does not ask to try again', async () => {
    expect(await postern.reconfigure(configuration(postern.port).replace('s3cret', 'wr0ng'))).toBe(true)
    const page = await signIn(createVisitor(), `${home}/`, 'anna')
    expect(page.status).toBe(500)
    expect(page.body).toContain('Trying again will not help')
    expect(postern.logs).toContainEqual(
      expect.objectContaining({ log: 'authentication', result: 'Failure', message: expect.stringContaining('clientSecret') }),
    )
    expect(await postern.reconfigure(configuration(postern.port))).toBe(true)
  })
})

describe('time', () => {
  it('signs a person out who did nothing for too long, or whose day is over; polling keeps nobody in', async () => {
    const visitor = createVisitor()
    const start = postern.time.now
    const minutes = (count: number) => {
      postern.time.now = start + count * 60_000
    }
    await signIn(visitor, `${home}/`, 'anna')
    minutes(20)
    expect((await visitor.load(`${home}/`)).setCookies).toHaveLength(1)
    minutes(45)
    expect((await visitor.load(`${home}/poll`)).setCookies).toHaveLength(0)
    minutes(51)
    expect((await visitor.load(`${home}/`)).status).toBe(302)
    postern.time.now = start

    const busy = createVisitor()
    await signIn(busy, `${home}/`, 'anna')
    for (let minute = 0; minute < 120; minute += 15) {
      minutes(minute)
      expect([minute, (await busy.load(`${home}/`)).status]).toEqual([minute, 200])
    }
    minutes(121)
    expect((await busy.load(`${home}/`)).status).toBe(302)
    postern.time.now = start
  })
})

describe('whoever is not signed in', () => {
  it('and loads a page is sent to sign in; anything else gets 401 and a link', async () => {
    const page = await createVisitor().load(`${home}/x?y=1`)
    expect([page.status, page.location]).toEqual([302, '/_postern/start/PLAY?return=%2Fx%3Fy%3D1'])
    const posted = await createVisitor().load(`${home}/x`, { method: 'POST', body: 'a=b' })
    expect(posted.status).toBe(303)
    const script = await createVisitor().load(`${home}/x`, { xhr: true })
    expect(script.status).toBe(401)
    expect(script.headers['www-authenticate']).toBe('Bearer realm="home"')
    expect(JSON.parse(script.body)).toMatchObject({
      status: 401,
      signIn: '/_postern/start/PLAY?return=%2Fx',
      requestId: expect.any(String),
    })
    expect((await createVisitor().load(`${home}/api/x`)).status).toBe(401)
    expect((await createVisitor().load(`${home}/x`, { headers: { 'Sec-Fetch-Dest': 'iframe' } })).status).toBe(401)
    expect((await createVisitor().load(`${home}/x`, { headers: { 'Sec-Purpose': 'prefetch' } })).status).toBe(401)
  })

  it('leaves no state behind however often it comes', async () => {
    const visitor = createVisitor()
    for (let i = 0; i < 100; i++) expect((await visitor.load(`${home}/page-${i}`)).setCookies).toEqual([])
    for (let i = 0; i < 12; i++) await visitor.follow(`${home}/page-${i}`)
    expect(
      [...(visitor.jar.get('home.localhost') ?? new Map()).keys()].filter((name) => name.startsWith('postern-home.f')),
    ).toHaveLength(5)
  })
})

describe('the log', () => {
  it('tells the redirection and the success in the words of the contract, the account, and no secret', async () => {
    const visitor = createVisitor()
    await signIn(visitor, `${home}/logged?secret=hush`, 'anna')
    const authentication = postern.logs.filter(({ log }) => log === 'authentication')
    const message = 'Redirection to PLAY for FIDO authentication.'
    expect(authentication).toContainEqual(
      expect.objectContaining({ result: 'Redirection', credentialType: 'FIDO', provider: 'PLAY', message, msg: message }),
    )
    expect(authentication).toContainEqual(expect.objectContaining({ result: 'Success', account: 'anna@mycompany.com', message }))
    const access = postern.logs.filter(({ log }) => log === 'access')
    expect(access).toContainEqual(
      expect.objectContaining({
        path: '/logged',
        status: 200,
        decision: 'allow',
        portal: 'home',
        provider: 'PLAY',
        credentials: 'FIDO',
        account: 'anna@mycompany.com',
        clientIp: '127.0.0.1',
        method: 'GET',
      }),
    )
    for (const secret of ['hush', 's3cret', testKey, 'eyJ', 'code=', 'state='])
      expect([secret, postern.logText().includes(secret)]).toEqual([secret, false])
  })
})
