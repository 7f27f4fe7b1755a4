// Logout tokens that mod_auth_openidc and others took without `jti`, `iat` or `events`, or twice; logouts by `sub` that left sessions
// open; front-channel logouts that revoked tokens at the provider. Whoever can end sessions can lock people out, and whoever can keep
// a logout from us stays signed in: each line here goes over the wire, and asks who is signed in afterwards.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../support/crooked-provider.ts'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type LoadOptions, type Visitor } from '../support/visitor.ts'

let idp: CrookedProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string

const configuration =
  (more = '') =>
  (port: number): string =>
    `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${idp.issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [PLAY]${more} }
`

beforeAll(async () => {
  portal = await startMirrorPortal()
  const claims = { email: 'ann@company.com', email_verified: true, sid: 's1' }
  idp = await startCrookedProvider({ clientId: 'postern', clientSecret: 's3cret', claims })
  postern = await startPostern({ configuration: configuration() })
  home = `http://home.localhost:${postern.port}`
})
afterAll(async () => {
  await postern?.stop()
  await idp?.close()
  await portal?.close()
})

async function signedIn(): Promise<Visitor> {
  postern.time.now += 1 // whoever was signed out in the same millisecond stays so
  const visitor = createVisitor()
  const away = await visitor.follow(`${home}/`)
  await visitor.follow(idp.signIn(away.location as string))
  expect(await isIn(visitor)).toBe(true)
  return visitor
}
const isIn = async (visitor: Visitor): Promise<boolean> => (await visitor.load(`${home}/x`, { xhr: true })).status === 200

const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
const post = (body: string, options: LoadOptions = {}, provider = 'PLAY') =>
  createVisitor().load(`${home}/_postern/backchannel-logout/${provider}`, {
    method: 'POST',
    xhr: true,
    body,
    headers: form,
    ...options,
  })
const told = async (lies: Lies = {}) => post(`logout_token=${await idp.logoutToken(lies)}`)
const seconds = () => Math.floor(Date.now() / 1000)

describe('the back channel', () => {
  it('signs out at once, says no more than 200, and is stored by nobody', async () => {
    const visitor = await signedIn()
    const { status, headers, body, setCookies } = await told()
    expect([status, headers['cache-control'], body, setCookies]).toEqual([200, 'no-store', '', []])
    expect(await isIn(visitor)).toBe(false)
  })

  it('takes a person without a session for all of their sessions', async () => {
    const visitors = [await signedIn(), await signedIn(), await signedIn()]
    expect((await told({ claims: { sid: undefined } })).status).toBe(200)
    expect(await Promise.all(visitors.map(isIn))).toEqual([false, false, false])
  })

  const forged: readonly (readonly [string, Lies])[] = [
    ['that nobody signed', { signature: 'none' }],
    ['signed by somebody else', { signature: 'other-key' }],
    ['signed with the client secret', { signature: 'client-secret' }],
    ['signed with the public key', { signature: 'public-key', header: { kid: 'own' } }],
    ['of another provider', { claims: { iss: 'https://evil.example' } }],
    ['for another client', { claims: { aud: 'another' } }],
    ['that is an ID token', { claims: { nonce: 'n', events: undefined }, header: {} }],
    ['with a nonce', { claims: { nonce: 'n' } }],
    ['without events', { claims: { events: undefined } }],
    ['without jti', { claims: { jti: undefined } }],
    ['without iat', { claims: { iat: undefined } }],
    ['of yesterday', { claims: { iat: seconds() - 86_400, exp: seconds() + 86_400 } }],
    ['of nobody', { claims: { sub: undefined, sid: undefined } }],
    ['that is an access token', { header: { typ: 'at+jwt' } }],
  ]
  it.each(forged)('refuses a token %s, in JSON and without the cause', async (_, lies) => {
    const visitor = await signedIn()
    const { status, headers, body } = await told(lies)
    expect([status, headers['cache-control'], headers['content-type']]).toEqual([400, 'no-store', 'application/json'])
    expect(JSON.parse(body)).toEqual({ error: 'invalid_request', error_description: 'the logout token is not accepted' })
    expect(await isIn(visitor)).toBe(true)
  })

  it('takes a token once: whoever recorded it cannot sign people out with it later', async () => {
    const token = `logout_token=${await idp.logoutToken()}`
    expect((await post(token)).status).toBe(200)
    const visitor = await signedIn()
    expect((await post(token)).status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })

  it('does not take the second of two tokens', async () => {
    const visitor = await signedIn()
    const [one, other] = [await idp.logoutToken(), await idp.logoutToken()]
    expect((await post(`logout_token=${one}&logout_token=${other}`)).status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })

  it.each([
    ['JSON', { 'Content-Type': 'application/json' }, 400],
    ['a packed form', { ...form, 'Content-Encoding': 'gzip' }, 400],
    ['a form of another kind', { 'Content-Type': 'multipart/form-data; boundary=x' }, 400],
  ])('takes no %s', async (_, headers, status) => {
    const visitor = await signedIn()
    expect((await post(`logout_token=${await idp.logoutToken()}`, { headers })).status).toBe(status)
    expect(await isIn(visitor)).toBe(true)
  })

  it('reads 64 KiB and no more', async () => {
    expect((await post(`logout_token=${'x'.repeat(70_000)}`)).status).toBe(413)
  })

  it('takes a token in no address, and no token of nobody', async () => {
    const visitor = await signedIn()
    const url = `${home}/_postern/backchannel-logout/PLAY?logout_token=${await idp.logoutToken()}`
    const asked = await createVisitor().load(url)
    expect([asked.status, asked.headers['allow']]).toEqual([405, 'POST'])
    expect((await createVisitor().load(url, { method: 'POST', body: '', headers: form })).status).toBe(400)
    expect((await post('logout_token=x', {}, 'NOBODY')).status).toBe(404)
    expect(await isIn(visitor)).toBe(true)
  })

  it('does not care what a browser would say of the request', async () => {
    const visitor = await signedIn()
    const headers = { ...form, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example', Referer: 'https://evil.example/' }
    expect((await post(`logout_token=${await idp.logoutToken()}`, { headers })).status).toBe(200)
    expect(await isIn(visitor)).toBe(false)
  })

  it('a flood of made-up key ids asks the provider for its keys once', async () => {
    const before = idp.asked.filter((one) => one === 'GET /jwks').length
    const flood = Array.from({ length: 30 }, (_, at) => told({ signature: 'other-key', header: { kid: `made-up-${at}` } }))
    expect(new Set((await Promise.all(flood)).map(({ status }) => status))).toEqual(new Set([400]))
    expect(idp.asked.filter((one) => one === 'GET /jwks').length - before).toBeLessThanOrEqual(1)
  })

  it('writes no token and no cause of it to the client, and no token to the log', async () => {
    const token = await idp.logoutToken({ claims: { nonce: 'secret-nonce' } })
    await post(`logout_token=${token}`)
    expect(postern.logText()).not.toContain(token.slice(0, 40))
    expect(postern.logText()).not.toContain('secret-nonce')
    expect(postern.logs.findLast(({ msg }) => msg === 'logout token refused')).toMatchObject({ detail: 'it holds a "nonce"' })
  })

  it('works while the glass is broken', async () => {
    const visitor = await signedIn()
    expect(await postern.reconfigure(configuration(', enforceLocal: true')(postern.port))).toBe(true)
    expect((await told()).status).toBe(200)
    expect(await postern.reconfigure(configuration()(postern.port))).toBe(true)
    expect(await isIn(visitor)).toBe(false)
  })
})

describe('the front channel', () => {
  const frame = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'cross-site' }
  const load = (query: string) => createVisitor().load(`${home}/_postern/frontchannel-logout/PLAY${query}`, { headers: frame })

  it('ends that session here, may be framed by the provider alone, and asks the provider nothing', async () => {
    const visitor = await signedIn()
    const before = idp.asked.length
    const { status, headers } = await load(`?iss=${encodeURIComponent(idp.issuer)}&sid=s1`)
    expect([status, headers['cache-control'], headers['x-frame-options']]).toEqual([200, 'no-store', undefined])
    expect(headers['content-security-policy']).toBe(`default-src 'none'; frame-ancestors ${idp.issuer}`)
    expect(idp.asked).toHaveLength(before)
    expect(await isIn(visitor)).toBe(false)
  })

  it.each([
    ['without iss', () => '?sid=s1'],
    ['without sid', () => `?iss=${encodeURIComponent(idp.issuer)}`],
    ['of another provider', () => '?iss=https://evil.example&sid=s1'],
    ['with two sids', () => `?iss=${encodeURIComponent(idp.issuer)}&sid=s1&sid=s2`],
  ])('ends nothing %s', async (_, query) => {
    const visitor = await signedIn()
    const { status, headers } = await load(query())
    expect([status, headers['cache-control']]).toEqual([400, 'no-store'])
    expect(headers['content-security-policy']).not.toContain('evil')
    expect(await isIn(visitor)).toBe(true)
  })

  it('ends nothing of another session at the provider', async () => {
    const visitor = await signedIn()
    expect((await load(`?iss=${encodeURIComponent(idp.issuer)}&sid=s2`)).status).toBe(200)
    expect(await isIn(visitor)).toBe(true)
  })
})
