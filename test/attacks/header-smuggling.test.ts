// The oldest way past a header-setting gateway: send the header yourself, in a spelling the gateway does not look at and the
// portal does. oauth2-proxy let `X_Forwarded_User` through (CVE-2025-64484), Traefik `x-AUTH-user` and `X.Authenticated.User`
// (CVE-2026-33433, CVE-2026-88011), WebSEAL's own strip list forgets `iv-user-l`; Fabio let `Connection: iv-user` delete what
// it had just set (CVE-2025-48865); mod_auth_openidc cleaned authenticated paths only.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MirrorPortal, namesLike, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern
const trusted = '127.0.0.1' // WebSEAL
const stranger = '127.0.0.2'

const configuration = (upstream: string, engine: string) => `
server:
  publicUrl: http://home.localhost
  engine: ${engine}
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [${trusted}], passThrough: [iv-creds] }
portals:
  - name: home
    host: home.localhost
    upstream: ${upstream}
    providers: [webseal]
    headers: { iv-user: account, iv-groups: groups, X-Department: '"sales"' }
    stripHeaders: [x-internal]
    routes:
      - { path: /public/**, access: public }
      - { path: /optional/**, access: optional }
      - { path: /cors/**, preflight: forward }
`

const seenBy = async (target: string, lines: readonly string[], from: string): Promise<Seen> => {
  const answer = await wire(postern.port, get(target, lines), { from })
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body) as Seen
}

describe.each(['undici', 'http-proxy'])('with the engine %s', (engine) => {
  beforeAll(async () => {
    portal = await startMirrorPortal()
    postern = await startPostern({ configuration: configuration(portal.url, engine) })
  })
  afterAll(async () => {
    await postern.stop()
    await portal.close()
  })

  it('somebody whom WebSEAL names reaches the portal under exactly one iv-user, ours', async () => {
    const seen = await seenBy('/x', ['IV-User: anna', 'iv_user: admin', 'iv.user: admin', 'Iv-GROUPS: "staff"'], trusted)
    expect(namesLike(seen, 'iv-user')).toEqual(['iv-user'])
    expect(valuesOf(seen, 'iv-user')).toEqual(['anna'])
    expect(valuesOf(seen, 'iv-groups')).toEqual(['"staff"'])
  })

  it.each(['/public/x', '/optional/x'])('nobody brings an identity to %s, in any spelling', async (target) => {
    const spellings = [
      'iv-user',
      'IV-USER',
      'iv_user',
      'iv.user',
      'Iv_uSer',
      'iv-user-l',
      'iv_server_name',
      'iv-creds',
      'am-eai-user-id',
      'REMOTE_USER',
      'Auth-User',
      'x-forwarded-user',
      'X_Forwarded_Email',
      'X-Auth-Request-User',
      'OIDC-CLAIM-sub',
      'X_SSL_Client_Cert',
      'SSL-Client-Verify',
      'x-forwarded-client-cert',
      'x-department',
      'X_Department',
      'X-Internal',
      'x.internal',
    ]
    const seen = await seenBy(
      target,
      spellings.map((name) => `${name}: admin`),
      stranger,
    )
    expect(JSON.stringify(seen.headers)).not.toContain('admin')
  })

  it('no character that a CGI folds away hides iv-user', async () => {
    for (const character of "!#$%&'*+.^`|~_") {
      const seen = await seenBy('/public/x', [`iv${character}user: admin`], stranger)
      expect([character, JSON.stringify(seen.headers).includes('admin')]).toEqual([character, false])
    }
  })

  it('a forwarded preflight carries no identity, cookie or credential', async () => {
    const request = [
      'OPTIONS /cors/x HTTP/1.1',
      'Host: home.localhost',
      'Connection: close',
      'Origin: http://other.example',
      'Access-Control-Request-Method: PUT',
      'iv_user: admin',
      'Cookie: a=b',
      'Authorization: Bearer t',
      '',
      '',
    ].join('\r\n')
    const answer = await wire(postern.port, request, { from: stranger })
    const seen = JSON.parse(answer.body) as Seen
    expect(namesLike(seen, 'iv-user')).toEqual([])
    expect(valuesOf(seen, 'cookie')).toEqual([])
    expect(valuesOf(seen, 'authorization')).toEqual([])
    expect(valuesOf(seen, 'origin')).toEqual(['http://other.example'])
  })

  it('Connection cannot name what we set, nor keep what it names', async () => {
    const seen = await seenBy(
      '/x',
      ['iv-user: anna', 'Connection: iv-user, x-department, x-forwarded-for, host, x-secret', 'X-Secret: 1'],
      trusted,
    )
    expect(valuesOf(seen, 'iv-user')).toEqual(['anna'])
    expect(valuesOf(seen, 'x-department')).toEqual(['sales'])
    expect(valuesOf(seen, 'x-forwarded-for')).toEqual([trusted])
    expect(valuesOf(seen, 'host')).toEqual(['home.localhost'])
    expect(valuesOf(seen, 'x-secret')).toEqual([])
  })

  it('trailers of a request are dropped, whatever they are called', async () => {
    const request = [
      'POST /public/x HTTP/1.1',
      'Host: home.localhost',
      'Connection: close',
      'Transfer-Encoding: chunked',
      'Trailer: iv-user',
      '',
      '4',
      'data',
      '0',
      'iv-user: admin',
      'X-Late: 1',
      '',
      '',
    ].join('\r\n')
    const answer = await wire(postern.port, request, { from: stranger })
    expect(answer.status).toBe(200)
    const seen = JSON.parse(answer.body) as Seen
    expect(seen.body).toBe('data')
    expect(answer.body).not.toContain('admin')
    expect(valuesOf(seen, 'trailer')).toEqual([])
  })

  it('X-Forwarded-* and their kin from a stranger are rebuilt or dropped', async () => {
    const lines = [
      'X-Forwarded-For: 10.9.9.9',
      'x_forwarded_for: 10.9.9.9',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Prefix: /evil',
      'X-Forwarded-Server: evil',
      'Forwarded: for=10.9.9.9',
      'X-Original-URL: /admin',
      'X-Rewrite-URL: /admin',
      'X-Forwarded-Uri: /admin',
      'X-Real-IP: 10.9.9.9',
      'Proxy: http://evil.example',
    ]
    const seen = await seenBy('/public/x', lines, stranger)
    expect(JSON.stringify(seen.headers)).not.toMatch(/evil|admin|10\.9\.9\.9/)
    expect(valuesOf(seen, 'x-forwarded-for')).toEqual([stranger])
    expect(valuesOf(seen, 'x-forwarded-proto')).toEqual(['http'])
    expect(valuesOf(seen, 'x-forwarded-host')).toEqual(['home.localhost'])
    expect(valuesOf(seen, 'x-forwarded-port')).toEqual(['80'])
  })

  it('a pass-through header comes from WebSEAL only', async () => {
    expect(valuesOf(await seenBy('/x', ['iv-user: anna', 'iv-creds: Version=1, BAKs'], trusted), 'iv-creds')).toEqual([
      'Version=1, BAKs',
    ])
    expect(namesLike(await seenBy('/optional/x', ['iv-user: anna', 'iv-creds: Version=1, BAKs'], stranger), 'iv-creds')).toEqual(
      [],
    )
  })

  it('our own cookies stay here, the others pass byte for byte', async () => {
    const seen = await seenBy(
      '/public/x',
      ['Cookie: a="b;c"; postern-home=eyJ; __Host-postern-home=eyJ; postern-home.f1=x; z=1'],
      stranger,
    )
    expect(valuesOf(seen, 'cookie')).toEqual(['a="b;c"; z=1'])
  })
})
