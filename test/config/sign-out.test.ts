// onSignOut and endsSession: what a check says of them, and what becomes of them.
import { describe, expect, it, onTestFinished } from 'vitest'
import { compileSignOut } from '../../src/config/compile-sign-out.ts'
import { identityOf, noon, TestLog } from '../identity/harness.ts'
import { startService } from '../support/service.ts'
import { complaints, key, load, problemsOf } from './configuration.ts'

const text = (portal: string, store = 'memory', providers = '[PLAY]') => `
server: { publicUrl: "https://home.company.com" }
session: { keys: [${key}], store: ${store} }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: portal }
  - { name: WS, protocol: WEBSEAL, trustedSourceIps: [192.0.2.1] }
portals:
  - { name: home, upstream: "http://127.0.0.1:8081", providers: ${providers}, ${portal} }
  - { name: other, path: /other, upstream: "http://127.0.0.1:8082", providers: [PLAY, WS] }
`
async function said(portal: string, store?: string, providers?: string): Promise<readonly string[]> {
  const problems = await problemsOf(text(portal, store, providers))
  return problems.map(({ severity, key: at, message }) => `${severity} ${at}: ${message}`)
}
const call = (rest: string) => `onSignOut: [{ call: { ${rest} } }]`

describe('a call at the end of a session', () => {
  it('may read the person and the reason', async () => {
    expect(
      await said(call('url: "https://api.company.com/out/{account}", body: "{ \\"why\\": reason, \\"id\\": claims.sub }"')),
    ).toEqual([])
  })

  it.each([
    ['request', 'url: "https://api.company.com/{request.path}"'],
    ['client_ip', 'url: "https://api.company.com/", headers: { x-ip: "{client_ip}" }'],
    ['is_client_ip_private', 'url: "https://api.company.com/", body: is_client_ip_private'],
  ])('cannot read %s', async (name, rest) => {
    expect(await said(call(rest))).toEqual([
      expect.stringContaining(`reads ${name}, and no request is behind the end of a session`),
    ])
  })

  it('knows no token, and goes where it is written', async () => {
    expect(await said(call('url: "https://{account}/", headers: { authorization: "Bearer {token.access}" }'))).toEqual([
      expect.stringContaining('error portals[0].onSignOut[0].call.url: takes its scheme or host from a hole'),
      expect.stringContaining('error portals[0].onSignOut[0].call.headers.authorization: reads token'),
    ])
  })

  it('that cannot be made for time-outs is said to be so', async () => {
    expect(await said(call('url: "https://api.company.com/"'), 'cookie')).toEqual([
      expect.stringMatching(/^warning portals\[0\]\.onSignOut: is not called for sessions that time out/),
    ])
  })

  it('may hold secrets in its texts, not in its holes', async () => {
    const secret = call('url: "https://api.company.com/", headers: { authorization: "Bearer ${env:TOKEN}" }')
    const { config } = await load(text(secret), { env: { TOKEN: 'a{b' } })
    expect(config.portals[0]?.onSignOut[0]?.call.headers).toEqual({ authorization: 'Bearer a{{b' })
    const hole = call('url: "https://api.company.com/{${env:TOKEN}}"')
    expect(await complaints(text(hole), { env: { TOKEN: 'account' } })).toContainEqual(
      expect.stringContaining('onSignOut[0].call.url: references are not expanded'),
    )
  })
})

describe('a route that signs out', () => {
  it.each(['authenticated', 'optional'])('is heard where it is %s', async (access) => {
    expect(await said(`routes: [{ path: /logout, access: ${access}, endsSession: true }]`)).toEqual([])
  })
  it.each(['public', 'blocked'])('cannot be %s: nobody is asked there', async (access) => {
    expect(await said(`routes: [{ path: /logout, access: ${access}, endsSession: true }]`)).toEqual([
      expect.stringContaining(`error portals[0].routes[0].endsSession: would end nothing: on a ${access} route`),
    ])
  })
  it('ends nothing where nobody signs in', async () => {
    expect(await said('routes: [{ path: /logout, endsSession: true }]', 'cookie', '[WS]')).toEqual([
      'warning portals[0].routes[0].endsSession: ends nothing: nobody signs in here at this portal',
    ])
  })
})

describe('compiled', () => {
  it('tells every portal that the session opened, with a group once each, and closes when all is told', async () => {
    const service = await startService()
    onTestFinished(() => service.close())
    const of = (name: string) => `
  - name: ${name}
    host: home.company.com
    path: /${name}
    upstream: http://127.0.0.1:8081
    providers: [PLAY]
    session: { group: both }
    onSignOut: [{ call: { url: "${service.url}/${name}/{account}?why={reason}&at={portal}&hd={hd}" } }]`
    const { config } = await load(text('path: /rest').replace(/$/, of('a') + of('b')))
    const context = { log: new TestLog(), clock: () => noon, egressProxy: () => undefined }
    const compiled = compileSignOut(config, context)
    const identity = identityOf('anna', { claims: { hd: 'company.com' } })
    compiled?.onSignOut.ended({ id: 's', audience: 'group:both', identity, endsAt: noon }, 'revoked')
    await compiled?.close()
    expect(service.asked.map(({ target }) => target)).toEqual([
      '/a/anna%40company.com?why=revoked&at=a&hd=company.com',
      '/b/anna%40company.com?why=revoked&at=b&hd=company.com',
    ])
    expect([...(compiled?.reads.get('a')?.claims ?? [])]).toContain('hd')
  })

  it('is nothing where no portal wants to know', async () => {
    const { config } = await load(text('rules: []'))
    expect(compileSignOut(config, { log: new TestLog(), clock: () => noon, egressProxy: () => undefined })).toBeUndefined()
  })
})
