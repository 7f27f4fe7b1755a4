// Where the provider is: it may be down when Postern starts, move, lie about itself, or stand behind a proxy.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OidcOptions } from '../../../src/identity/providers/oidc.ts'
import { createCertificate } from '../../support/certificate.ts'
import { type CrookedProvider, startCrookedProvider, type Trouble } from '../../support/crooked-provider.ts'
import { startIdentityProvider } from '../../support/identity-provider.ts'
import { requestOf } from './fixtures.ts'
import { callback, clientId, clientSecret, createSubject, signIn } from './oidc-setup.ts'

let idp: CrookedProvider
beforeEach(async () => {
  idp = await startCrookedProvider({
    clientId,
    clientSecret,
    claims: { email: 'ann@company.com', email_verified: true, groups: [] },
  })
})
afterEach(() => idp.close())

const subject = (options: Partial<OidcOptions> = {}) => createSubject({ issuer: idp.issuer, callTimeout: 20_000, ...options })
const start = { state: 's', callback }
const discoveries = () => idp.asked.filter((one) => one.includes('.well-known')).length
const hour = 60 * 60 * 1000
/** What happens in the background is looked for until it has. */
const soon = { timeout: 20_000 }

describe('discovery', () => {
  it('waits for the first sign-in, is made once for many at once, and is then known', async () => {
    const { provider } = subject()
    expect(provider.status?.()).toEqual({ state: 'not-asked-yet' })
    expect(discoveries()).toBe(0)
    await Promise.all(Array.from({ length: 20 }, () => provider.login!.begin(start)))
    await provider.login!.begin(start)
    expect(discoveries()).toBe(1)
    expect(provider.status?.()).toMatchObject({
      state: 'ready',
      endpoints: { issuer: idp.issuer, token_endpoint: `${idp.issuer}/token` },
    })
  })

  it('can be asked for before', async () => {
    expect(await subject().provider.probe?.()).toMatchObject({ state: 'ready' })
  })

  it('heals with the next request when the provider is back', async () => {
    const real = await startIdentityProvider({ clients: [{ client_id: 'c', redirect_uris: [callback] }], accounts: {} })
    await real.pause()
    const { provider, log } = subject({ issuer: real.issuer })
    for (let i = 0; i < 3; i++) {
      await expect(provider.login!.begin(start)).rejects.toMatchObject({
        reason: 'provider-unavailable',
        detail: expect.stringMatching(/ECONNREFUSED/),
      })
    }
    expect(provider.status?.()).toMatchObject({ state: 'unavailable', detail: expect.stringMatching(/ECONNREFUSED/) })
    await real.resume()
    expect((await provider.login!.begin(start)).show.kind).toBe('redirect')
    expect(provider.status?.()).toMatchObject({ state: 'ready' })
    expect(log.lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      'warn identity provider is not available',
      'info identity provider is back',
    ])
    await real.close()
  })

  it('a sign-in that comes back while nothing is known and the provider is down is unavailable, not refused', async () => {
    const { provider } = subject({ issuer: 'http://127.0.0.1:1' })
    const flow = { nonce: 'n', verifier: 'v' }
    expect(await provider.login!.complete(requestOf({ query: '?code=c&state=s' }), flow, start)).toMatchObject({
      kind: 'unavailable',
    })
  })

  it.each(['error-500', 'hang', 'break', 'garbage', 'html', 'redirect', 'unauthorized', 'bomb'] as Trouble[])(
    'that ends in %s is unavailable',
    async (trouble) => {
      idp.discoveryTrouble = trouble
      const { provider } = subject(trouble === 'hang' ? { callTimeout: 800 } : {})
      const failure = await provider.login!.begin(start).catch((error: unknown) => error)
      expect(failure).toMatchObject({ reason: 'provider-unavailable' })
      expect(String(failure)).not.toMatch(/secret.words/)
    },
  )

  it.each([
    ['another issuer', { issuer: 'https://evil.example' }],
    ['no issuer', { issuer: undefined }],
    ['no token end point', { token_endpoint: undefined }],
    ['no keys', { jwks_uri: undefined }],
    ['plain http off loopback', { token_endpoint: 'http://idp.example/token' }],
    ['another scheme', { jwks_uri: 'file:///etc/passwd' }],
    ['no URL', { authorization_endpoint: 'javascript:alert(1)' }],
    ['a number', { userinfo_endpoint: 7 }],
  ])('that names %s is not used', async (_, lie) => {
    idp.discovery = lie
    await expect(subject().provider.login!.begin(start)).rejects.toMatchObject({ reason: 'provider-unavailable' })
  })

  it('that names a pattern for an issuer, every tenant of the world, is not used', async () => {
    idp.discovery = { issuer: 'https://login.example/{tenantid}/v2.0' }
    const { provider } = createSubject({ discoveryUri: `${idp.issuer}/.well-known/openid-configuration` })
    await expect(provider.login!.begin(start)).rejects.toMatchObject({ detail: expect.stringMatching(/no single issuer/) })
  })

  it('without a userinfo end point fails where userinfo must be asked', async () => {
    idp.discovery = { userinfo_endpoint: undefined }
    await expect(subject({ userinfo: 'always' }).provider.login!.begin(start)).rejects.toMatchObject({
      detail: expect.stringMatching(/userinfo/),
    })
    expect((await subject().provider.login!.begin(start)).show.kind).toBe('redirect')
  })

  it('may lie anywhere, and then names the issuer', async () => {
    const { provider } = createSubject({ discoveryUri: `${idp.issuer}/.well-known/openid-configuration?tenant=1` })
    const { outcome } = await signIn(provider, (url) => idp.signIn(url))
    expect(outcome).toMatchObject({ kind: 'identified', identity: { issuer: idp.issuer } })
  })

  it('gives way to what is written by hand', async () => {
    const { provider } = subject({
      authorizationEndpoint: 'https://front.example/login?theme=1',
      endSessionEndpoint: 'https://front.example/out',
    })
    const { show } = await provider.login!.begin(start)
    expect(show.kind === 'redirect' && show.to).toMatch(/^https:\/\/front\.example\/login\?theme=1&/)
    expect(provider.status?.().endpoints).toMatchObject({
      end_session_endpoint: 'https://front.example/out',
      token_endpoint: `${idp.issuer}/token`,
    })
  })
})

describe('after an hour', () => {
  const stale = async () => {
    const made = subject()
    await made.provider.login!.begin(start)
    made.time.now += hour
    return made
  }
  const authorizeAt = async ({ provider }: ReturnType<typeof subject>) => {
    const { show } = await provider.login!.begin(start)
    return show.kind === 'redirect' ? new URL(show.to).pathname : ''
  }

  it('the document is read again behind people’s backs', async () => {
    const made = await stale()
    idp.discovery = { authorization_endpoint: `${idp.issuer}/moved` }
    expect(await authorizeAt(made)).toBe('/authorize')
    await expect.poll(() => authorizeAt(made), soon).toBe('/moved')
    expect(discoveries()).toBe(2)
  })

  it.each([
    ['is down', { discoveryTrouble: 'error-500' }],
    ['has become somebody else', { discovery: { issuer: 'https://evil.example' } }],
  ])('what is known stays where the provider %s, and it is asked again a minute later', async (_, change) => {
    const made = await stale()
    Object.assign(idp, change)
    await made.provider.login!.begin(start)
    await expect.poll(() => made.provider.status?.().detail, soon).toBeDefined()
    expect(await authorizeAt(made)).toBe('/authorize')
    expect(made.provider.status?.().state).toBe('ready')
    expect(discoveries()).toBe(2)
    made.time.now += 60_000
    await authorizeAt(made)
    await expect.poll(discoveries, soon).toBe(3)
  })

  it('an issuer that was only discovered cannot change', async () => {
    const made = createSubject({ discoveryUri: `${idp.issuer}/.well-known/openid-configuration` })
    await made.provider.login!.begin(start)
    idp.discovery = { issuer: 'https://evil.example' }
    made.time.now += hour
    await made.provider.login!.begin(start)
    await expect.poll(() => made.provider.status?.().detail, soon).toBe('the issuer changed')
    expect(made.provider.status?.().endpoints?.['issuer']).toBe(idp.issuer)
  })
})

describe('what is written', () => {
  it.each([
    [{ issuer: 'http://idp.example' }],
    [{ issuer: 'idp.example' }],
    [{ issuer: 'ftp://idp.example' }],
    [{ issuer: 'https://user:pw@idp.example' }],
    [{ discoveryUri: 'http://10.0.0.1/.well-known/openid-configuration' }],
    [{ issuer: 'https://idp.example', tokenEndpoint: 'http://idp.example/token' }],
  ])('must be https, or http on loopback: %j', (options) => {
    expect(() => createSubject(options)).toThrow(TypeError)
  })
  it('must name a provider', () => {
    expect(() => createSubject({})).toThrow(/issuer or discoveryUri/)
    expect(() => createSubject({ tokenEndpoint: 'https://idp.example/token' })).toThrow(/issuer or discoveryUri/)
  })
})

describe('a provider with a private certificate', () => {
  const { cert, key } = createCertificate(['idp.invalid', '127.0.0.1'])
  const serve = async () => {
    const server = createTlsServer({ cert, key }, (request, response) => {
      const issuer = `https://${request.headers.host}`
      const metadata = { issuer, authorization_endpoint: `${issuer}/a`, token_endpoint: `${issuer}/t`, jwks_uri: `${issuer}/j` }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: (server.address() as AddressInfo).port, close: () => server.close().closeAllConnections() }
  }

  it('is asked where its CA is given, and not otherwise', async () => {
    const server = await serve()
    const issuer = `https://127.0.0.1:${server.port}`
    const trusting = createSubject({ issuer, tls: { ca: cert } })
    expect(await trusting.provider.probe?.()).toMatchObject({ state: 'ready' })
    expect(await createSubject({ issuer }).provider.probe?.()).toMatchObject({
      state: 'unavailable',
      detail: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/),
    })
    await trusting.provider.close?.()
    server.close()
  })

  it('is reached through the egress proxy, except where noProxy names it', async () => {
    const server = await serve()
    const tunnels: string[] = []
    const proxy = createServer().on('connect', (request: IncomingMessage, socket: Duplex) => {
      tunnels.push(request.url ?? '')
      const far = connect(server.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
      for (const end of [far, socket]) end.on('error', () => {})
      far.pipe(socket).pipe(far)
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const egressProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const options = { issuer: 'https://idp.invalid', tls: { ca: cert }, egressProxy }
    const through = createSubject(options)
    expect(await through.provider.probe?.()).toMatchObject({ state: 'ready' })
    expect(tunnels).toEqual(['idp.invalid:443'])
    expect(await createSubject({ ...options, noProxy: '.invalid' }).provider.probe?.()).toMatchObject({ state: 'unavailable' })
    const onLoopback = createSubject({ ...options, issuer: `https://127.0.0.1:${server.port}` })
    expect(await onLoopback.provider.probe?.()).toMatchObject({ state: 'ready' })
    expect(tunnels).toHaveLength(1)
    await Promise.all([through.provider.close?.(), onLoopback.provider.close?.()])
    proxy.close()
    proxy.closeAllConnections()
    server.close()
  })
})
