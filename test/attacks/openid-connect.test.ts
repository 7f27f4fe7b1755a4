// What a sign-in must refuse, end to end: every lie a provider, a thief or a confused browser can tell at the callback
// (CVE-2023-27496, GHSA-wcvh-g65p-v576, CVE-2020-4461, mix-up of RFC 9207, session fixation, CVE-2017-6807).
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../support/crooked-provider.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts'

let provider: CrookedProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string
let vendor: string

beforeAll(async () => {
  provider = await startCrookedProvider({
    clientId: 'postern',
    clientSecret: 's3cret',
    claims: { email: 'ann@mycompany.com', email_verified: true },
  })
  portal = await startMirrorPortal()
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${provider.issuer}", clientId: postern, clientSecret: s3cret }
  - { name: OTHER, protocol: OIDC, issuer: "${provider.issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [PLAY] }
  - { name: vendor, host: vendor.localhost, upstream: "${portal.url}", providers: [PLAY, OTHER] }
`,
  })
  home = `http://home.localhost:${postern.port}`
  vendor = `http://vendor.localhost:${postern.port}`
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
  await provider.close()
})

const away = async (visitor: Visitor, url = `${home}/wanted`): Promise<string> => (await visitor.follow(url)).location ?? ''
const signIn = async (visitor: Visitor, lies?: Lies): Promise<Page> => visitor.follow(provider.signIn(await away(visitor), lies))
const isSignedIn = (visitor: Visitor) =>
  [...visitor.jar.values()].some((cookies) => cookies.has('postern-home') || cookies.has('postern-vendor'))

function expectRefused(page: Page, visitor: Visitor): void {
  expect([400, 403, 503]).toContain(page.status)
  expect(page.body).not.toMatch(/secret words|at .*\.ts:|node:internal|JWT|OPE_|OAUTH_|"nonce"/)
  expect(page.body).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/)
  expect(isSignedIn(visitor)).toBe(false)
}

it('an honest provider is believed', async () => {
  const page = await signIn(createVisitor())
  expect(page.status).toBe(200)
  expect(valuesOf(JSON.parse(page.body) as Seen, 'iv-user')).toEqual(['ann@mycompany.com'])
})

describe('a provider that lies is refused', () => {
  const now = Math.floor(Date.now() / 1000)
  it.each<[string, Lies]>([
    ['another issuer in the ID token', { claims: { iss: 'https://evil.example' } }],
    ['another audience', { claims: { aud: 'somebody-else' } }],
    ['several audiences without azp for us', { claims: { aud: ['postern', 'other'], azp: 'other' } }],
    ['another nonce', { claims: { nonce: 'other' } }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['an expired ID token', { claims: { exp: now - 3600, iat: now - 7200 } }],
    ['no expiry', { claims: { exp: undefined } }],
    ['no subject', { claims: { sub: undefined } }],
    ['an empty subject', { claims: { sub: '' } }],
    ['a signature of another key', { signature: 'other-key' }],
    ['no signature', { signature: 'none' }],
    ['a cut signature', { signature: 'cut' }],
    ['HMAC with the client secret', { signature: 'client-secret' }],
    ['HMAC with the public key', { signature: 'public-key' }],
    ['another issuer in the answer (mix-up)', { answer: (answer) => answer.set('iss', 'https://evil.example') }],
    ['no issuer in the answer', { answer: (answer) => answer.delete('iss') }],
    ['two codes', { answer: (answer) => answer.append('code', 'other') }],
    ['two states', { answer: (answer) => answer.append('state', 'other') }],
    ['no code', { answer: (answer) => answer.delete('code') }],
    ['no state', { answer: (answer) => answer.delete('state') }],
    ['another state', { answer: (answer) => answer.set('state', 'other') }],
    ['an altered state', { answer: (answer) => answer.set('state', `${answer.get('state')?.slice(0, -4)}AAAA`) }],
    ['a code of nobody', { answer: (answer) => answer.set('code', 'invented') }],
    [
      'an error',
      {
        answer: (answer) => {
          answer.delete('code')
          answer.set('error', 'access_denied')
          answer.set('error_description', '<script>alert(1)</script>')
        },
      },
    ],
    ['garbage at the token endpoint', { token: 'garbage' }],
    ['HTML at the token endpoint', { token: 'html' }],
    ['500 at the token endpoint', { token: 'error-500' }],
    ['a redirect at the token endpoint', { token: 'redirect' }],
    ['a broken connection at the token endpoint', { token: 'break' }],
    ['no ID token', { tokenAnswer: { id_token: undefined } }],
  ])('%s', async (_what, lies) => {
    const visitor = createVisitor()
    const page = await signIn(visitor, lies)
    expectRefused(page, visitor)
    expect(page.body).not.toContain('<script')
  })
})

describe('a callback is taken once, in the browser where the sign-in began', () => {
  it('a replayed callback is refused', async () => {
    const visitor = createVisitor()
    const callback = provider.signIn(await away(visitor))
    const flowCookies = visitor.cookieHeader(home)
    expect((await visitor.load(callback)).status).toBe(303)
    const thief = createVisitor()
    expectRefused(await thief.load(callback, { headers: { Cookie: flowCookies } }), thief)
  })
  it('a callback of somebody else (login CSRF) is refused', async () => {
    const attacker = createVisitor()
    const callback = provider.signIn(await away(attacker))
    const victim = createVisitor()
    expectRefused(await victim.load(callback), victim)
    const busy = createVisitor()
    await away(busy)
    expectRefused(await busy.load(callback), busy)
  })
  it('a person who is in already is taken on instead of shown an error', async () => {
    const visitor = createVisitor()
    const callback = provider.signIn(await away(visitor))
    await visitor.load(callback)
    expect((await visitor.follow(callback)).status).toBe(200)
  })
  it('ten minutes later it is too late, and the log says so', async () => {
    const visitor = createVisitor()
    const callback = provider.signIn(await away(visitor))
    const before = postern.time.now
    postern.time.now += 600_001
    const page = await visitor.load(callback)
    postern.time.now = before
    expectRefused(page, visitor)
    expect(postern.logs).toContainEqual(
      expect.objectContaining({ log: 'access', path: '/_postern/callback/PLAY', reason: 'Redirection timeout' }),
    )
  })
  it('an answer of one provider does not fit another (mix-up)', async () => {
    const visitor = createVisitor()
    const start = await visitor.load(`${vendor}/_postern/start/PLAY?return=/`)
    const callback = provider.signIn(start.location ?? '').replace('/callback/PLAY', '/callback/OTHER')
    expectRefused(await visitor.follow(callback), visitor)
  })
})

describe('a session opens its own portal only', () => {
  it('the cookie of one portal under the name of another is nobody', async () => {
    const visitor = createVisitor()
    await signIn(visitor)
    const value = visitor.jar.get('home.localhost')?.get('postern-home')
    const headers = { Cookie: `postern-vendor=${value}` }
    expect((await createVisitor().load(`${vendor}/`, { headers, xhr: true })).status).toBe(401)
  })
  it('an altered, cut or foreign cookie is nobody, and is cleared once', async () => {
    const visitor = createVisitor()
    await signIn(visitor)
    const value = visitor.jar.get('home.localhost')?.get('postern-home') ?? ''
    for (const bad of [
      value.slice(0, -1),
      `${value}A`,
      value.replace(/\.[^.]+$/, '.AAAA'),
      'eyJhbGciOiJub25lIn0.e30.',
      '99999999~x',
      '3~x',
      '~',
      'x'.repeat(6000),
      '',
    ]) {
      const page = await createVisitor().load(`${home}/`, { headers: { Cookie: `postern-home=${bad}` } })
      expect([bad.slice(0, 20), page.status, page.location]).toEqual([bad.slice(0, 20), 302, '/_postern/start/PLAY?return=%2F'])
    }
  })
})

describe('a return address never leaves the portal', () => {
  it.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'https:%5c%5cevil.example',
    '/%09/evil.example',
    '/\t/evil.example',
    '///evil.example',
    'javascript:alert(1)',
    '/_postern/logout',
    '\\\\evil.example',
    '/%2f%2fevil.example',
    '/..//evil.example',
    'http:evil.example',
    '@evil.example',
  ])('%s', async (target) => {
    const visitor = createVisitor()
    const start = await visitor.load(`${home}/_postern/start/PLAY?return=${encodeURIComponent(target)}`)
    const back = await visitor.load(provider.signIn(start.location ?? ''))
    expect(back.status).toBe(303)
    const landed = new URL(back.location ?? '', home)
    expect(landed.origin).toBe(home)
    expect(landed.pathname.startsWith('/_postern')).toBe(false)
  })
})
