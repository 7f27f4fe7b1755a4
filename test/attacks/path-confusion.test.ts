// Two readings of one path: the gateway allows /public/../admin as public and the portal serves /admin (Oathkeeper
// GHSA-p224-6x5r-fjpm, LemonLDAP CVE-2026-95811, Pomerium CVE-2023-33189); oauth2-proxy matched path and query together
// (CVE-2025-54576) or took the path from a header (CVE-2026-40575), or let a fragment widen a pattern (CVE-2026-41059).
// Here the path that is matched is the path that is forwarded, and what has two readings is 400.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MirrorPortal, type Seen, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern

beforeAll(async () => {
  portal = await startMirrorPortal()
  postern = await startPostern({
    configuration: `
server:
  publicUrl: http://home.localhost
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.9] }
portals:
  - name: home
    host: home.localhost
    upstream: ${portal.url}
    providers: [webseal]
    routes:
      - { path: /public/**, access: public }
      - { path: /health, access: public }
      - { path: /files/**, access: public, encodedSlash: allow }
      - { path: /reset, methods: [POST], access: blocked }
      - { path: /reset, access: public }
      - { path: /index.fcgi/**, access: blocked }
      - { path: /odata/$batch, access: blocked }
      - { path: "/users:purge", access: blocked }
      - { path: "/@admin/**", access: blocked }
  - name: windows
    host: windows.localhost
    upstream: ${portal.url}
    providers: [webseal]
    pathCase: insensitive
    routes:
      - { path: /Admin/**, access: blocked }
      - { path: /**, access: public }
`,
  })
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
})

const ask = (target: string, lines: readonly string[] = [], host?: string) => wire(postern.port, get(target, lines, host))

describe('a path reaches the portal only as it was judged', () => {
  it.each([
    '/public/../admin',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin',
    '/public/..;/admin',
    '/public/%252e%252e/admin',
    '/public\\..\\admin',
    '/public/..%5cadmin',
    '//admin',
    '/public//admin',
    '/./admin',
    '/public/%00',
    '/public/%c0%ae%c0%ae/admin',
    '/public/%u002e%u002e/admin',
    '/public/a;x=/../../admin',
    '/public#/../admin',
    '/public/x#y',
  ])('%s is 400 and reaches nobody', async (target) => {
    const before = portal.seen.length
    const answer = await ask(target)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')?.[0]).toContain('application/problem+json')
    expect(JSON.parse(answer.body)).toMatchObject({ status: 400, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(portal.seen.length).toBe(before)
  })

  it.each([
    '/admin',
    '/%61dmin',
    '/%70ublic%2e/x',
    '/publicx',
    '/public.',
    '/PUBLIC/x',
    '/x?/public/',
    '/x?a=/health',
    '/health/..x',
    '/healthz',
    '/health/',
  ])('%s is not public', async (target) => {
    expect((await ask(target)).status).toBe(401)
  })

  it.each([
    ['/public', '/public'],
    ['/public/', '/public/'],
    ['/public/a%20b/%C3%BC?q=%2e%2e/x&r=//', '/public/a%20b/%C3%BC?q=%2e%2e/x&r=//'],
    ['/%70ublic/x', '/public/x'],
    ['/files/a%2Fb', '/files/a%2Fb'],
    ['/public/x?', '/public/x?'],
  ])('%s is public and arrives as %s', async (target, arrives) => {
    const answer = await ask(target)
    expect(answer.status).toBe(200)
    expect((JSON.parse(answer.body) as Seen).target).toBe(arrives)
  })

  it('an encoded slash is 400 where the route does not allow it, and never hides a dot segment', async () => {
    expect((await ask('/public/a%2fb')).status).toBe(400)
    expect((await ask('/files/..%2fadmin')).status).toBe(400)
    expect((await ask('/files/a%2f..%2f..%2fadmin')).status).toBe(400)
  })

  it('a blocked route is met however its characters are written, and with a closing slash', async () => {
    for (const target of [
      '/odata/$batch',
      '/odata/%24batch',
      '/odata/%24batch/',
      '/users%3Apurge',
      '/users:purge/',
      '/%40admin/x',
      '/index%2Efcgi/x',
    ]) {
      expect([target, (await ask(target)).status]).toEqual([target, 403])
    }
    const post = (target: string) =>
      wire(postern.port, `POST ${target} HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    expect((await post('/reset/')).status).toBe(403)
  })

  it('no header tells the portal another method than the one that was judged', async () => {
    const lines = ['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X_Method_Override: DELETE']
    expect((await ask('/public/x', lines)).body).not.toContain('DELETE')
  })

  it('headers that name another path or method change nothing', async () => {
    for (const header of [
      'X-Original-URL: /public/x',
      'X-Forwarded-Uri: /public/x',
      'X-Rewrite-Url: /public/x',
      'X-Envoy-Original-Path: /public/x',
    ]) {
      expect((await ask('/admin', [header])).status).toBe(401)
    }
  })

  it('path info doubled after a script escapes no prefix', async () => {
    expect((await ask('/index.fcgi/index.fcgi')).status).toBe(403)
  })

  it('on a case-insensitive portal no other name of the file escapes', async () => {
    for (const target of ['/admin/x', '/ADMIN/x', '/aDmIn'])
      expect([target, (await ask(target, [], 'windows.localhost')).status]).toEqual([target, 403])
    for (const target of ['/admin./x', '/ADMIN~1/x', '/admin%20/x', '/admin::$INDEX_ALLOCATION/x'])
      expect([target, (await ask(target, [], 'windows.localhost')).status]).toEqual([target, 400])
    expect((await ask('/other', [], 'windows.localhost')).status).toBe(200)
  })

  it('a method in another case does not pass a route that names it', async () => {
    const post = (method: string) =>
      wire(postern.port, `${method} /reset HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    expect((await post('POST')).status).toBe(403)
    expect((await post('post')).status).toBe(400)
    expect((await post('Post')).status).toBe(400)
    expect((await post('PUT')).status).toBe(200)
  })
})

describe('the host decides the portal', () => {
  it.each(['HOME.LOCALHOST', 'home.localhost.', 'home.localhost:8080'])('%s is home', async (host) =>
    expect((await ask('/public/x', [], host)).status).toBe(200),
  )
  it.each(['unknown.localhost', 'xhome.localhost', 'home.localhost.evil.example', '127.0.0.1'])('%s is nobody', async (host) =>
    expect((await ask('/public/x', [], host)).status).toBe(404),
  )
  it('none, two, or an absurd one is 400', async () => {
    const hostless = await wire(postern.port, 'GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n')
    expect([hostless.status, JSON.parse(hostless.body)]).toEqual([
      400,
      expect.objectContaining({ requestId: expect.any(String) }),
    ])
    expect((await wire(postern.port, 'GET /public/x HTTP/1.0\r\n\r\n')).status).toBe(400)
    expect((await ask('/public/x', ['Host: home.localhost'])).status).toBe(400)
    expect((await ask('/public/x', [], 'home.localhost/evil')).status).toBe(400)
    expect((await ask('/public/x', [], 'a@home.localhost')).status).toBe(400)
    expect((await ask('/public/x', [], '')).status).toBe(400)
  })
  it('an absolute target, an asterisk and CONNECT are no way in', async () => {
    expect((await ask('http://home.localhost/public/x')).status).toBe(400)
    const line = (first: string) => wire(postern.port, `${first} HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\n\r\n`)
    expect((await line('OPTIONS *')).status).toBe(405)
    expect((await line('TRACE /public/x')).status).toBe(405)
    expect((await line('CONNECT home.localhost:443')).status).toBe(405)
  })
})
