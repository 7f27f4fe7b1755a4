// Postern as it runs, a provider that rotates and gives tokens of five minutes, a portal that calls an API with them.
import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, namesLike, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type Visitor } from '../support/visitor.ts'

let idp: IdentityProvider
let portal: MirrorPortal
let postern: RunningPostern
let anna: Visitor
let home: string
let plain: string
const accounts: Record<string, { claims: { [claim: string]: string | boolean | string[] } }> = {}

beforeEach(async () => {
  accounts['anna'] = {
    claims: {
      email: 'anna@company.com',
      hd: 'company.com',
      groups: ['staff', 'admins'],
    },
  }
  portal = await startMirrorPortal()
  const place = await listenOnLoopback(() => undefined)
  await place.close()
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], store: memory, idle: 1h }
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${place.origin}
    clientId: postern
    clientSecret: s3cret
    refresh: true
    rules: [{ name: company-domain, when: hd = "company.com" }]
portals:
  - name: home
    host: home.localhost
    upstream: ${portal.url}
    providers: [PLAY]
    accessTokenHeader: authorization
    headers: { iv-user: account, iv-groups: groups }
    routes: [{ path: /public/**, access: public }]
  - name: plain
    host: plain.localhost
    publicUrl: http://plain.localhost:${port}
    upstream: ${portal.url}
    providers: [PLAY]
    headers: { iv-user: account }
`,
  })
  vi.setSystemTime(postern.time.now)
  home = `http://home.localhost:${postern.port}`
  plain = `http://plain.localhost:${postern.port}`
  idp = await startIdentityProvider({
    port: place.port,
    clients: [
      {
        client_id: 'postern',
        client_secret: 's3cret',
        redirect_uris: [home, plain].map((origin) => `${origin}/_postern/callback/PLAY`),
      },
    ],
    accounts,
    rotation: true,
    ttl: { accessToken: 300, session: 86_400 },
  })
  anna = createVisitor()
  await signIn(home)
})
afterEach(async () => {
  vi.useRealTimers()
  await postern?.stop()
  await Promise.all([idp?.close(), portal?.close()])
})

async function signIn(origin: string): Promise<void> {
  const away = await anna.follow(`${origin}/`)
  later(0.01)
  await anna.follow(await idp.signIn(away.location ?? '', 'anna'))
}
function later(minutes: number): void {
  postern.time.now += minutes * 60_000
  vi.setSystemTime(postern.time.now)
}
const tokenRequests = (): number => idp.asked.filter((path) => path === '/token').length
const bearer = (): string | undefined => valuesOf(portal.seen.at(-1)!, 'authorization')[0]
const open = (path = '/') => anna.load(`${home}${path}`)

describe('somebody whose tokens come to their end', () => {
  it('goes on with others, and never meets a token that is over', async () => {
    await open()
    const first = bearer()
    expect(first).toMatch(/^Bearer \S+$/)
    later(4.5)
    await open()
    expect(bearer()).toBe(first) // still good; the next one is fetched behind it
    await vi.waitFor(() => expect(tokenRequests()).toBe(2))
    later(1)
    await open()
    expect(bearer()).toMatch(/^Bearer \S+$/)
    expect(bearer()).not.toBe(first)
    later(7)
    await open()
    expect(tokenRequests()).toBe(3)
    expect(idp.asked.filter((path) => path.startsWith('/auth')).length).toBeLessThanOrEqual(2)
  })

  it('is somebody else to the rules as soon as the provider says so', async () => {
    await open()
    expect(valuesOf(portal.seen.at(-1)!, 'iv-groups')).toEqual(['"staff","admins"'])
    accounts['anna']!.claims = {
      email: 'anna@company.com',
      hd: 'company.com',
      groups: ['staff'],
    }
    later(6)
    expect((await open()).status).toBe(200)
    expect(valuesOf(portal.seen.at(-1)!, 'iv-groups')).toEqual(['"staff"'])
    accounts['anna']!.claims = {
      email: 'anna@company.com',
      hd: 'elsewhere.org',
    }
    later(6)
    expect((await open()).status).toBe(403)
  })

  it('is asked about once, however many of their requests come at a time', async () => {
    later(6)
    const pages = await Promise.all(Array.from({ length: 50 }, () => open()))
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]))
    expect(tokenRequests()).toBe(2)
    expect(new Set(portal.seen.slice(-50).map((seen) => valuesOf(seen, 'authorization')[0])).size).toBe(1)
  })

  it('is refreshed even if the browser does not wait for it', async () => {
    later(6)
    const { port } = postern
    const leaving = httpRequest({
      host: '127.0.0.1',
      port,
      path: '/',
      headers: {
        Host: `home.localhost:${port}`,
        Cookie: anna.cookieHeader(home),
      },
    })
    leaving.on('error', () => undefined)
    leaving.end()
    await vi.waitFor(() => expect(tokenRequests()).toBe(2))
    leaving.destroy()
    await vi.waitFor(async () => expect((await metrics()).refreshed).toBe(1))
    await open()
    expect(bearer()).toMatch(/^Bearer /)
    expect(tokenRequests()).toBe(2)
  })

  it('signs in again where the provider knows the sign-in no more, and what the log says holds no token', async () => {
    await open()
    const token = bearer()?.slice(7) ?? 'none'
    delete accounts['anna']
    later(6)
    const page = await open()
    expect(page.status).toBe(302)
    expect(page.setCookies.some((line) => line.includes('Max-Age=0'))).toBe(true)
    const audits = postern.logs.filter(({ log }) => log === 'audit').map(({ msg, detail }) => [msg, detail])
    expect(audits).toContainEqual(['session ended at its refresh', 'token endpoint: invalid_grant'])
    expect(postern.logText()).not.toContain(token)
  })

  it('stays signed in while the provider is away, without a token that is over, and has one again when it is back', async () => {
    await open()
    await idp.pause()
    later(6)
    expect((await open()).status).toBe(200)
    expect(bearer()).toBeUndefined()
    await idp.resume()
    later(1)
    await open()
    expect(bearer()).toMatch(/^Bearer /)
    expect(tokenRequests()).toBe(2)
  })
})

describe('the access token', () => {
  it('reaches no other portal, and no page of ours shows it', async () => {
    await open()
    const token = bearer()?.slice(7) ?? 'none'
    await signIn(plain)
    await anna.load(`${plain}/`)
    expect(portal.seen.at(-1)?.headers.join(' ')).not.toContain('Bearer')
    expect((await anna.load(`${home}/_postern/session`)).body).not.toContain(token)
    const admin = await fetch(`${postern.adminUrl}/config`)
    expect(await admin.text()).not.toContain(token)
  })

  it('is never the client’s own: neither beside ours nor in its place', async () => {
    await anna.load(`${home}/`, {
      headers: { Authorization: 'Bearer forged' },
    })
    expect(valuesOf(portal.seen.at(-1)!, 'authorization')).toHaveLength(1)
    expect(bearer()).not.toBe('Bearer forged')
    await anna.load(`${home}/public/x`, {
      headers: { Authorization: 'Bearer forged' },
    })
    expect(namesLike(portal.seen.at(-1)!, 'authorization')).toEqual([])
  })
})

async function metrics(): Promise<Record<string, number>> {
  const text = await (await fetch(`${postern.healthUrl}/metrics`)).text()
  return Object.fromEntries(
    [...text.matchAll(/^postern_refreshes_total\{.*result="(\w+)"\} (\d+)$/gm)].map(([, name = '', count]) => [
      name,
      Number(count),
    ]),
  )
}
