// Logout tokens that are signed, or nearly: headers that bring their own key, claims of another shape, tokens made for another provider,
// another client, another purpose. Whoever gets one of them through ends anybody's session; whoever gets one refused that counts
// stays signed in. Two providers, of which one would like to sign out the other's people.
import { request as httpRequest } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CrookedProvider, type Lies, startCrookedProvider } from '../support/crooked-provider.ts'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor, type LoadOptions, type Visitor } from '../support/visitor.ts'

let play: CrookedProvider
let rogue: CrookedProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string
let mail: string

beforeAll(async () => {
  portal = await startMirrorPortal()
  const options = { clientId: 'postern', clientSecret: 's3cret', claims: { email: 'ann@company.com', sid: 's1' } }
  play = await startCrookedProvider(options)
  rogue = await startCrookedProvider(options)
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], store: memory }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play.issuer}", clientId: postern, clientSecret: s3cret }
  - { name: ROGUE, protocol: OIDC, issuer: "${rogue.issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [PLAY] }
  - name: mail
    host: mail.localhost
    publicUrl: http://mail.localhost:${port}
    upstream: "${portal.url}"
    providers: [ROGUE]
`,
  })
  home = `http://home.localhost:${postern.port}`
  mail = `http://mail.localhost:${postern.port}`
})
afterAll(async () => {
  await postern?.stop()
  await Promise.all([play, rogue, portal].map((one) => one?.close()))
})

async function signedIn(origin = home, idp = play): Promise<Visitor> {
  postern.time.now += 1 // whoever was signed out in the same millisecond stays so
  const visitor = createVisitor()
  const away = await visitor.follow(`${origin}/`)
  await visitor.follow(idp.signIn(away.location as string))
  expect(await isIn(visitor, origin)).toBe(true)
  return visitor
}
const isIn = async (visitor: Visitor, origin = home): Promise<boolean> =>
  (await visitor.load(`${origin}/x`, { xhr: true })).status === 200

const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
const post = (
  body: string,
  { provider = 'PLAY', origin = home, ...options }: LoadOptions & { provider?: string; origin?: string } = {},
) =>
  createVisitor().load(`${origin}/_postern/backchannel-logout/${provider}`, {
    method: 'POST',
    xhr: true,
    body,
    headers: form,
    ...options,
  })
const seconds = () => Math.floor(Date.now() / 1000)
const event = 'http://schemas.openid.net/event/backchannel-logout'

describe('a token that the provider has signed', () => {
  const wrong: readonly (readonly [string, Lies])[] = [
    ['with events in a list', { claims: { events: [event] } }],
    ['with events as a text', { claims: { events: event } }],
    ['with an event that is a text', { claims: { events: { [event]: 'yes' } } }],
    ['with an event that is null', { claims: { events: { [event]: null } } }],
    ['with an event that is a list', { claims: { events: { [event]: [] } } }],
    ['with another event', { claims: { events: { 'http://schemas.openid.net/event/other': {} } } }],
    ['with a nonce that is null', { claims: { nonce: null } }],
    ['with an empty nonce', { claims: { nonce: '' } }],
    ['with a jti that is a number', { claims: { jti: 7 } }],
    ['with an empty jti', { claims: { jti: '' } }],
    ['with a jti without end', { claims: { jti: 'x'.repeat(600) } }],
    ['with a list of sids', { claims: { sid: ['s1', 's2'] } }],
    ['with an empty sid', { claims: { sid: '' } }],
    ['with an empty sub', { claims: { sid: undefined, sub: '' } }],
    ['with a sub that is a number', { claims: { sid: undefined, sub: 7 } }],
    ['with a sub that is an object', { claims: { sid: undefined, sub: { '*': true } } }],
    ['for a list of others', { claims: { aud: ['one', 'two'] } }],
    ['for nobody', { claims: { aud: undefined } }],
    ['for an empty list', { claims: { aud: [] } }],
    ['for somebody whose name begins like ours', { claims: { aud: 'postern-2' } }],
    ['with an issuer that is a list', { claims: { iss: ['https://evil.example'] } }],
    ['without an issuer', { claims: { iss: undefined } }],
    ['from the future', { claims: { iat: seconds() + 3600 } }],
    ['that is over', { claims: { exp: seconds() - 3600 } }],
    ['whose iat is a text', { claims: { iat: String(seconds()) } }],
    ['whose exp is a text', { claims: { exp: 'never' } }],
    ['that does not count yet', { claims: { nbf: seconds() + 3600 } }],
    ['that is another event token', { header: { typ: 'secevent+jwt' } }],
    ['that is an ID token by its type', { header: { typ: 'id_token+jwt' } }],
    ['whose type is no text', { header: { typ: ['logout+jwt'] } }],
  ]
  it.each(wrong)('is refused %s', async (_, lies) => {
    const visitor = await signedIn()
    expect((await post(`logout_token=${await play.logoutToken(lies)}`)).status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })

  it.each([
    ['a list with us in it', { claims: { aud: ['other', 'postern'] } }],
    ['no type', { header: { typ: undefined } }],
    ['the type of any JWT', { header: { typ: 'JWT' } }],
    ['the type as RFC 7515 writes it in full', { header: { typ: 'application/logout+jwt' } }],
    ['no end', { claims: { exp: undefined } }],
  ] as const)('counts with %s', async (_, lies) => {
    const visitor = await signedIn()
    expect((await post(`logout_token=${await play.logoutToken(lies)}`)).status).toBe(200)
    expect(await isIn(visitor)).toBe(false)
  })
})

describe('a token that brings its own key', () => {
  it.each([
    ['jwk', (jwk: object) => ({ jwk })],
    ['jwk under the known name', (jwk: object) => ({ jwk, kid: 'own' })],
    ['jku', () => ({ jku: `${rogue.issuer}/jwks`, kid: 'own' })],
    ['x5u', () => ({ x5u: `${rogue.issuer}/jwks`, kid: 'own' })],
    ['x5c', () => ({ x5c: ['MIIB'], kid: 'own' })],
    ['no name', () => ({})],
  ])('in %s is refused, and nobody is asked for it', async (_, headerOf) => {
    const visitor = await signedIn()
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = await exportJWK(publicKey)
    const claims = { iss: play.issuer, aud: 'postern', sub: 'ann', sid: 's1', jti: crypto.randomUUID(), events: { [event]: {} } }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'logout+jwt', ...headerOf({ ...jwk, alg: 'RS256' }) } as never)
      .setIssuedAt()
      .setExpirationTime('2m')
      .sign(privateKey)
    const asked = rogue.asked.length
    expect((await post(`logout_token=${token}`)).status).toBe(400)
    expect(rogue.asked).toHaveLength(asked)
    expect(await isIn(visitor)).toBe(true)
  })

  it.each(['none', 'None', 'nOnE', ''])('or none, as %j, is refused', async (alg) => {
    const visitor = await signedIn()
    const [, payload] = (await play.logoutToken()).split('.') as [string, string]
    const header = Buffer.from(JSON.stringify({ alg, typ: 'logout+jwt' })).toString('base64url')
    for (const token of [`${header}.${payload}.`, `${header}.${payload}`, `${header}.${payload}.AA`])
      expect((await post(`logout_token=${token}`)).status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })
})

describe('a token of another provider', () => {
  it('is refused where it was not made for, at whichever portal', async () => {
    const [visitor, other] = [await signedIn(), await signedIn(mail, rogue)]
    for (const origin of [home, mail]) {
      expect((await post(`logout_token=${await rogue.logoutToken()}`, { origin, provider: 'PLAY' })).status).toBe(400)
      const lying = await rogue.logoutToken({ claims: { iss: play.issuer } })
      expect((await post(`logout_token=${lying}`, { origin, provider: 'PLAY' })).status).toBe(400)
      expect((await post(`logout_token=${lying}`, { origin, provider: 'ROGUE' })).status).toBe(400)
    }
    expect([await isIn(visitor), await isIn(other, mail)]).toEqual([true, true])
  })

  it.each([
    ['with the same sid', {}],
    ['with the same sub alone', { claims: { sid: undefined } }],
  ])('ends its own people %s, and nobody else’s', async (_, lies) => {
    const [visitor, other] = [await signedIn(), await signedIn(mail, rogue)]
    expect((await post(`logout_token=${await rogue.logoutToken(lies)}`, { origin: home, provider: 'ROGUE' })).status).toBe(200)
    expect([await isIn(visitor), await isIn(other, mail)]).toEqual([true, false])
  })

  it('in the front channel neither', async () => {
    const visitor = await signedIn()
    const frame = (provider: string, iss: string) =>
      createVisitor().load(`${home}/_postern/frontchannel-logout/${provider}?iss=${encodeURIComponent(iss)}&sid=s1`)
    expect((await frame('PLAY', rogue.issuer)).status).toBe(400)
    expect((await frame('ROGUE', play.issuer)).status).toBe(400)
    expect((await frame('ROGUE', rogue.issuer)).status).toBe(200)
    expect(await isIn(visitor)).toBe(true)
  })
})

describe('a token of another purpose', () => {
  it('is refused: the ID token of a sign-in, and its access token', async () => {
    const visitor = createVisitor()
    const away = await visitor.follow(`${home}/`)
    const request = new URL(away.location as string).searchParams
    const idToken = await play.logoutToken({
      header: { typ: undefined },
      claims: { events: undefined, nonce: request.get('nonce'), auth_time: seconds() },
    })
    const other = await signedIn()
    for (const token of [idToken, crypto.randomUUID(), 'a.b.c', '..', `${idToken}.${idToken}`, '%00', '{"sub":"ann"}'])
      expect((await post(`logout_token=${token}`)).status).toBe(400)
    expect(await isIn(other)).toBe(true)
  })
})

describe('the form', () => {
  it.each([
    ['a name in capitals', (token: string) => `LOGOUT_TOKEN=${token}`],
    ['a list', (token: string) => `logout_token[]=${token}`],
    ['the same one twice', (token: string) => `logout_token=${token}&logout_token=${token}`],
    ['an empty one beside', (token: string) => `logout_token=&logout_token=${token}`],
    ['JSON', (token: string) => JSON.stringify({ logout_token: token })],
    ['nothing', () => ''],
  ])('with %s does not count', async (_, bodyOf) => {
    const visitor = await signedIn()
    expect((await post(bodyOf(await play.logoutToken()))).status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })

  it.each([
    'application/x-www-form-urlencoded, application/json',
    'text/plain; application/x-www-form-urlencoded',
    'application/x-www-form-urlencodedx',
    'multipart/form-data; boundary=x',
    '',
  ])('under the type %j is none', async (type) => {
    const visitor = await signedIn()
    const answer = await post(`logout_token=${await play.logoutToken()}`, { headers: { 'Content-Type': type } })
    expect(answer.status).toBe(400)
    expect(await isIn(visitor)).toBe(true)
  })

  it.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'is not sent by %s, and no other site is told it may',
    async (method) => {
      const visitor = await signedIn()
      const url = `${home}/_postern/backchannel-logout/PLAY?logout_token=${await play.logoutToken()}`
      const headers = {
        Origin: 'https://evil.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'x-y',
      }
      const answer = await createVisitor().load(url, { method, headers })
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([405, undefined])
      expect(await isIn(visitor)).toBe(true)
    },
  )

  it('in pieces counts, and without end it does not', async () => {
    const visitor = await signedIn()
    const small = await inPieces([`logout_token=${'x'.repeat(10)}`, '&a=b'])
    expect(small).toBe(400)
    expect(await inPieces(Array.from({ length: 80 }, () => 'x'.repeat(1024)))).toBe(413)
    expect(await isIn(visitor)).toBe(true)
    const token = await play.logoutToken()
    expect(await inPieces(['logout_token=', token.slice(0, 50), token.slice(50)])).toBe(200)
    expect(await isIn(visitor)).toBe(false)
  })
})

function inPieces(pieces: readonly string[]): Promise<number> {
  const { port } = postern
  const path = '/_postern/backchannel-logout/PLAY'
  return new Promise((resolve, reject) => {
    const headers = { ...form, Host: `home.localhost:${port}`, 'Transfer-Encoding': 'chunked' }
    const asking = httpRequest({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
      asking.destroy()
    })
    asking.on('error', reject)
    for (const piece of pieces) asking.write(piece)
    asking.end()
  })
}
