// What a portal is told: nothing that a client made up about identity, address or framing, and everything else byte for byte.
import { afterEach, describe, expect, it } from 'vitest'
import { type EchoPortal, type PortalRequest, startEchoPortal } from '../support/echo-portal.ts'
import { exchangeRaw, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

describe.each(engines)('the head a portal gets (%s)', (engine) => {
  let portal: EchoPortal | undefined
  let door: TestDoor | undefined
  afterEach(async () => {
    await door?.close()
    await portal?.close()
  })

  async function receive(bytes: string, settings: Partial<DoorSettings> = {}): Promise<PortalRequest> {
    portal = await startEchoPortal()
    door = await startTestDoor({ engine, upstream: portal.url, ...settings })
    const answer = await exchangeRaw(door.port, bytes)
    expect(answer.status).toBe(200)
    expect(portal.requests).toHaveLength(1)
    return portal.requests[0] as PortalRequest
  }
  const host = 'Host: home.company.com'

  it('carries exactly one iv-user, ours, whatever the client spelled', async () => {
    const aliases = ['!', '#', '$', '%', '&', "'", '*', '+', '.', '^', '`', '|', '~', '_', '-'].map(
      (mark) => `iv${mark}user: admin`,
    )
    const got = await receive(
      request(
        'GET /',
        host,
        'IV-USER: admin',
        'Iv-User: admin',
        ...aliases,
        'X_Forwarded_User: admin',
        'X-AUTH-request-user: admin',
      ),
    )
    expect(got.values('iv-user')).toEqual(['anna'])
    expect(got.head).not.toContain('admin')
  })

  it('removes a name that only another portal gets, in every fold', async () => {
    const got = await receive(request('GET /', host, 'X_Emp-No: 7', 'x.emp.no: 7'), { ours: ['x-emp-no'] })
    expect(got.head).not.toMatch(/emp/i)
  })

  it('lets no Connection header take ours away, and takes away what it names of the client', async () => {
    const got = await receive(
      request('GET /', host, 'X-Private: 1', 'Connection: close, iv-user, x-forwarded-for, x-private, host', 'Keep-Alive: 300'),
    )
    expect(got.values('iv-user')).toEqual(['anna'])
    expect(got.values('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(got.values('host')).toEqual(['home.company.com'])
    expect(got.head).not.toMatch(/x-private|300/i)
  })

  it('keeps hop-by-hop fields at this hop', async () => {
    const got = await receive(
      request(
        'GET /',
        host,
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABk',
        'TE: trailers',
        'Trailer: iv-user',
        'Proxy-Authorization: Basic eA==',
        'Proxy-Connection: keep-alive',
      ),
    )
    expect(got.head).not.toMatch(/^(upgrade|http2-settings|te|trailer|proxy-.*):/im)
  })

  it('keeps the case, order and duplicates of what is the client’s own', async () => {
    const got = await receive(
      request('GET /', host, 'X-oDd-CaSe: 1', 'Accept: a/b', 'X-Two: x', 'Accept-Language: de', 'X-Two: y'),
    )
    const names = got.headers.map(([name]) => name)
    expect(names).toContain('X-oDd-CaSe')
    expect(got.values('x-two')).toEqual(['x', 'y'])
    const own = names.filter((name) => /^(X-oDd-CaSe|Accept|Accept-Language)$/.test(name))
    expect(own).toEqual(['X-oDd-CaSe', 'Accept', 'Accept-Language'])
  })

  it('sends bytes above 0x7f as they came', async () => {
    const got = await receive(request('GET /', host, 'X-Name: J\xc3\xbcrgen \xff'))
    expect(got.values('x-name')).toEqual(['J\xc3\xbcrgen \xff'])
  })

  it.each([
    ['/a%41b/%2e%2E?q=%2f&q=1', 'percent signs'],
    ["/a/b;x='y'!$&()*+,=:@~", 'sub-delimiters'],
    ['/r/http:/x//y?u=http://a//b?c', 'a URL within'],
    ['/a?', 'an empty query'],
    ['/a?x=[1]|{2}^`"<>', 'what a URL parser would escape'],
    ['//a/\\b', 'what a URL parser would take for a host'],
  ])('forwards %s byte for byte (%s)', async (target) => {
    const got = await receive(request(`GET ${target}`, host))
    expect(got.head.split('\r\n')[0]).toBe(`GET ${target} HTTP/1.1`)
  })

  it.each(['PROPFIND', 'REPORT', 'M-SEARCH', 'PURGE', 'OPTIONS', 'DELETE'])('forwards the method %s', async (method) => {
    expect((await receive(request(`${method} /x`, host))).method).toBe(method)
  })

  it('rebuilds the forwarding fields and drops their kin from an untrusted peer', async () => {
    const got = await receive(
      request(
        'GET /',
        host,
        'X-Forwarded-For: 10.0.0.1',
        'X-Forwarded-Proto: http',
        'X_Forwarded_Host: evil',
        'X-Forwarded-Port: 1',
        'X-Forwarded-Prefix: /evil',
        'Forwarded: for=10.0.0.1',
        'X-Real-IP: 10.0.0.1',
        'X-Original-URL: /admin',
        'X-Rewrite-Url: /admin',
        'X-Request-Id: mine',
      ),
    )
    expect(got.values('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(got.values('x-forwarded-proto')).toEqual(['https'])
    expect(got.values('x-forwarded-host')).toEqual(['home.company.com'])
    expect(got.values('x-forwarded-port')).toEqual(['443'])
    expect(got.values('x-request-id')).toEqual(['request-1'])
    expect(got.head).not.toMatch(/evil|10\.0\.0\.1|admin|mine/)
  })

  it('extends the chain of a trusted peer as far as it reads as addresses', async () => {
    const got = await receive(
      request(
        'GET /',
        host,
        'X-Forwarded-For: 192.0.2.9, <script>',
        'X-Forwarded-For: 203.0.113.7, ::1',
        'X-Forwarded-Prefix: /a',
      ),
      { isTrusted: true },
    )
    expect(got.values('x-forwarded-for')).toEqual(['203.0.113.7, ::1, 127.0.0.1'])
    expect(got.values('x-forwarded-prefix')).toEqual(['/a'])
    expect(got.values('x-forwarded-proto')).toEqual(['https'])
  })

  it('names the host that was asked where the portal has many', async () => {
    const got = await receive(request('GET /', 'Host: berlin.company.com:8443'), {
      portal: { origin: 'https://*.company.com:8443' },
    })
    expect(got.values('x-forwarded-host')).toEqual(['berlin.company.com:8443'])
    expect(got.values('x-forwarded-port')).toEqual(['8443'])
  })

  it('sends the client’s Host, or the portal’s own where that is wanted', async () => {
    expect((await receive(request('GET /', 'Host: Home.Company.com:443'))).values('host')).toEqual(['Home.Company.com:443'])
    await door?.close()
    await portal?.close()
    const got = await receive(request('GET /', host), { portal: { preserveHost: false } })
    expect(got.values('host')).toEqual([new URL(portal?.url ?? '').host])
  })

  it('takes our cookies out and leaves the others as they are', async () => {
    const got = await receive(
      request('GET /', host, 'Cookie: a=1; __Host-postern-home=SECRET; b="x; y"; postern-flow-1=S2', 'Cookie: postern-home.1=S3'),
    )
    expect(got.values('cookie')).toEqual(['a=1; b="x; y"'])
    expect(got.head).not.toMatch(/SECRET|S2|S3/)
  })

  it('passes Authorization on, unless it was ours or the portal shall not see any', async () => {
    const bytes = request('GET /', host, 'Authorization: Bearer T')
    for (const [settings, expected] of [
      [{}, ['Bearer T']],
      [{ allow: { consumedAuthorization: true } }, []],
      [{ portal: { authorization: 'strip' } }, []],
      [{ allow: { bare: true } }, []],
    ] as [Partial<DoorSettings>, string[]][]) {
      expect((await receive(bytes, settings)).values('authorization')).toEqual(expected)
      await door?.close()
      await portal?.close()
    }
  })

  it('sends a bare preflight without cookies or body', async () => {
    const bytes = `${request('OPTIONS /x', host, 'Cookie: a=1', 'Origin: https://o', 'Content-Length: 5')}hello`
    const got = await receive(bytes, { allow: { bare: true, headers: [] } })
    expect(got.body.length).toBe(0)
    expect(got.head).not.toMatch(/cookie|content-length: 5|iv-user/i)
    expect(got.values('origin')).toEqual(['https://o'])
  })

  it('hands on the headers of a trusted source, but never beside our own', async () => {
    const bytes = request('GET /', host, 'iv-creds: C', 'iv_creds: forged', 'IV-User: x')
    const got = await receive(bytes, { allow: { passThrough: ['iv-creds', 'iv-user'] } })
    expect(got.values('iv-creds')).toEqual(['C'])
    expect(got.values('iv-user')).toEqual(['anna'])
    expect(got.head).not.toContain('forged')
  })

  it.each([
    ['a value above U+00FF', ['iv-user', 'Ανна']],
    ['a line break', ['iv-user', 'a\r\nX-Evil: 1']],
    ['a name that is none', ['iv user', 'anna']],
    ['a second Host', ['Host', 'x']],
    ['framing', ['Content_Length', '0']],
    ['half a pair', ['iv-user']],
  ])('refuses a plan with %s and goes on serving', async (_what, headers) => {
    portal = await startEchoPortal()
    door = await startTestDoor({ engine, upstream: portal.url, allow: { headers } })
    for (let turn = 0; turn < 3; turn++) expect((await exchangeRaw(door.port, request('GET /', host))).status).toBe(500)
    expect(door.refusals).toEqual(['header-failed', 'header-failed', 'header-failed'])
    expect((await door.outcome()).failure).toBe('header-failed')
    expect(portal.requests).toEqual([])
  })

  it('does not forward a request with two Host lines', async () => {
    portal = await startEchoPortal()
    door = await startTestDoor({ engine, upstream: portal.url })
    expect((await exchangeRaw(door.port, request('GET /', host, 'Host: evil.example'))).status).toBe(400)
    expect(portal.requests).toEqual([])
  })

  it.each(['OPTIONS *', 'TRACE /', 'GET http://evil.example/x'])('does not forward %s', async (line) => {
    portal = await startEchoPortal()
    door = await startTestDoor({ engine, upstream: portal.url })
    expect((await exchangeRaw(door.port, request(line, host))).status).toBeGreaterThanOrEqual(400)
    expect(portal.requests).toEqual([])
  })
})
