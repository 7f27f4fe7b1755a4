// What a client is told: the portal's answer as it is, without this hop's fields, the inner address, or cookies that only
// Postern may set.
import { afterEach, describe, expect, it } from 'vitest'
import { always, type EchoPortal, startEchoPortal } from '../support/echo-portal.ts'
import { connectRaw, exchangeRaw, type RawResponse, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

describe.each(engines)('the head a client gets (%s)', (engine) => {
  let portal: EchoPortal | undefined
  let door: TestDoor | undefined
  afterEach(async () => {
    await door?.close()
    await portal?.close()
  })

  const get = request('GET /', 'Host: home.company.com')
  /** `{inner}` in the answer stands for the portal's own host and port. */
  async function answer(head: readonly string[], settings: Partial<DoorSettings> = {}, asked = get): Promise<RawResponse> {
    portal = await startEchoPortal()
    const bytes = [...head, '', ''].join('\r\n').replaceAll('{inner}', `127.0.0.1:${portal.port}`)
    portal.script = always(bytes)
    door = await startTestDoor({ engine, upstream: portal.url, ...settings })
    return exchangeRaw(door.port, asked)
  }
  const ok = ['HTTP/1.1 200 OK', 'Content-Length: 0']

  it('keeps status, status text, case, order and duplicates', async () => {
    const got = await answer([
      'HTTP/1.1 299 Quite All Right',
      'X-oDd: 1',
      'Set-Cookie: a=1',
      'set-cookie: b=2; Path=/',
      'Content-Length: 0',
    ])
    expect([got.status, got.statusText]).toEqual([299, 'Quite All Right'])
    expect(got.values('set-cookie')).toEqual(['a=1', 'b=2; Path=/'])
    expect(got.headers.map(([name]) => name).slice(0, 4)).toEqual(['X-oDd', 'Set-Cookie', 'set-cookie', 'Content-Length'])
  })

  it('passes bytes above 0x7f, and survives a status text that cannot be written', async () => {
    const got = await answer(['HTTP/1.1 200 Für alle', ...ok.slice(1), 'X-Name: J\xc3\xbcrgen'])
    expect(got.status).toBe(200)
    expect(got.values('x-name')).toEqual(['J\xc3\xbcrgen'])
  })

  it('keeps a status text in UTF-8', async () => {
    const got = await answer(['HTTP/1.1 200 F\xc3\xbcr alle', ...ok.slice(1)])
    expect(got.statusText).toBe('F\xc3\xbcr alle')
  })

  it('removes hop-by-hop fields and what Connection nominates', async () => {
    const got = await answer([
      ...ok,
      'Connection: keep-alive, X-Hop, content-length',
      'X-Hop: 1',
      'Keep-Alive: timeout=77',
      'Upgrade: h2',
      'TE: x',
    ])
    expect(got.headers.some(([name]) => /^(x-hop|upgrade|te)$/i.test(name))).toBe(false)
    expect(got.values('keep-alive')).not.toContain('timeout=77')
    expect(got.values('content-length')).toEqual(['0'])
  })

  it.each([
    ['http://{inner}/x?y=http://{inner}/', /^https:\/\/home\.company\.com\/x\?y=http:\/\/127/],
    ['https://{inner}', /^https:\/\/home\.company\.com$/],
    ['//{inner}/x', /^https:\/\/home\.company\.com\/x$/],
    ['HTTP://{inner}/x', /^https:\/\/home\.company\.com\/x$/],
    ['/local', /^\/local$/],
    ['http://{inner}.evil.example/', /^http:\/\/127\.0\.0\.1:\d+\.evil\.example\/$/],
    ['http://a@{inner}/', /^http:\/\/a@/],
    ['http://127.0.0.1:1/', /^http:\/\/127\.0\.0\.1:1\/$/],
    ['javascript://{inner}/%0aalert(1)', /^javascript:/],
  ])('mends a Location of %s', async (location, expected) => {
    const got = await answer(['HTTP/1.1 302 Found', 'Content-Length: 0', `Location: ${location}`])
    expect(got.values('location')[0]).toMatch(expected)
  })

  it('mends Content-Location and Refresh, and names the host that was asked', async () => {
    const got = await answer(
      [...ok, 'Content-Location: http://{inner}/c', 'Refresh: 5; URL="http://{inner}/r"'],
      { portal: { origin: 'https://*.company.com' } },
      request('GET /', 'Host: berlin.company.com'),
    )
    expect(got.values('content-location')).toEqual(['https://berlin.company.com/c'])
    expect(got.values('refresh')).toEqual(['5; URL="https://berlin.company.com/r"'])
  })

  it('takes the inner host out of Set-Cookie and leaves every other domain', async () => {
    const got = await answer([...ok, 'Set-Cookie: a=1; Domain=127.0.0.1; Path=/', 'Set-Cookie: b=domain; domain=company.com'])
    expect(got.values('set-cookie')).toEqual(['a=1; Path=/', 'b=domain; domain=company.com'])
  })

  it('lets no portal set our cookies or speak to a WebSEAL in front', async () => {
    const got = await answer([...ok, 'Set-Cookie: postern-home=forged', 'set-cookie: __Host-postern-a=x', 'am-eai-user-id: root'])
    expect(got.headers.some(([name, value]) => /postern|root/.test(value) || name.startsWith('am-eai'))).toBe(false)
  })

  it('adds our cookies and keeps shared caches away from them', async () => {
    const settings = { allow: { cookies: ['postern-home=S; Path=/', 'postern-home.1=T'] } }
    const got = await answer([...ok, 'Set-Cookie: a=1'], settings)
    expect(got.values('set-cookie')).toEqual(['a=1', 'postern-home=S; Path=/', 'postern-home.1=T'])
    expect(got.values('cache-control')).toEqual(['private'])
  })

  it.each(['public, max-age=60', 'max-age=0, S-MaxAge=60'])('keeps our cookies back from an answer with %s', async (caching) => {
    const got = await answer([...ok, `Cache-Control: ${caching}`], { allow: { cookies: ['postern-home=S'] } })
    expect(got.values('set-cookie')).toEqual([])
    expect(got.values('cache-control')).toEqual([caching])
  })

  it('does not say private twice', async () => {
    const got = await answer([...ok, 'Cache-Control: no-store'], { allow: { cookies: ['postern-home=S'] } })
    expect(got.values('cache-control')).toEqual(['no-store'])
    expect(got.values('set-cookie')).toEqual(['postern-home=S'])
  })

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK', '1234'],
    ['GET', 'HTTP/1.1 304 Not Modified', '1234'],
  ])('answers %s with %s without a body and with its length', async (method, line, length) => {
    portal = await startEchoPortal(always(`${line}\r\nContent-Length: ${length}\r\nETag: "x"\r\n\r\n`))
    door = await startTestDoor({ engine, upstream: portal.url })
    const connection = await connectRaw(door.port)
    for (let turn = 0; turn < 2; turn++) {
      connection.send(request(`${method} /`, 'Host: home.company.com'))
      const got = await connection.response(method)
      expect(got.values('content-length')).toEqual([length])
      expect(got.values('transfer-encoding')).toEqual([])
    }
    connection.close()
  })

  it('passes 204 on without inventing a body', async () => {
    const got = await answer(['HTTP/1.1 204 No Content'])
    expect([got.status, got.values('transfer-encoding'), got.body.length]).toEqual([204, [], 0])
  })

  it('hands early hints on and swallows other interim answers', async () => {
    portal = await startEchoPortal(
      always(
        'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style, </b.js>; rel=preload\r\nX-A: 1\r\n\r\n' +
          'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      ),
    )
    door = await startTestDoor({ engine, upstream: portal.url })
    const connection = await connectRaw(door.port)
    connection.send(get)
    const hint = await connection.response()
    expect(hint.status).toBe(103)
    expect(hint.values('link').join()).toMatch(/a\.css.*b\.js/)
    const final = await connection.response()
    expect([final.status, final.body.toString()]).toEqual([200, 'ok'])
    connection.close()
  })

  it('gives an HTTP/1.0 client no interim answer and no chunks', async () => {
    portal = await startEchoPortal(
      always(
        'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      ),
    )
    door = await startTestDoor({ engine, upstream: portal.url })
    const connection = await connectRaw(door.port)
    connection.send('GET / HTTP/1.0\r\nHost: home.company.com\r\n\r\n')
    const got = await connection.response()
    expect([got.status, got.values('transfer-encoding'), got.body.toString()]).toEqual([200, [], 'ok'])
    expect(await connection.closed).toBe('end')
  })

  describe('trailers', () => {
    const chunked = [
      'HTTP/1.1 200 OK',
      'Trailer: X-Sum, Set-Cookie',
      'Transfer-Encoding: chunked',
      '',
      '2',
      'ok',
      '0',
      'X-Sum: 1',
      'Set-Cookie: postern-home=forged',
      'Location: http://evil.example/',
    ]
    it('are dropped unless the client takes them', async () => {
      const got = await answer(chunked)
      expect([got.body.toString(), got.trailers, got.values('trailer')]).toEqual(['ok', [], []])
    })
    it('are passed on after TE: trailers, without those that must not stand there', async () => {
      const got = await answer(
        chunked,
        {},
        request('GET /', 'Host: home.company.com', 'TE: gzip;q=0.5, trailers', 'Connection: TE'),
      )
      expect(got.body.toString()).toBe('ok')
      expect(got.trailers).toEqual([['X-Sum', '1']])
    })
    it('do no harm where an answer announces them and has none', async () => {
      const te = request('GET /', 'Host: home.company.com', 'TE: trailers')
      const got = await answer(['HTTP/1.1 200 OK', 'Trailer: X-Sum', 'Content-Length: 0'], {}, te)
      expect([got.status, got.values('trailer')]).toEqual([200, []])
    })
  })

  it.each([
    ['not HTTP', ['220 mail.example ESMTP']],
    ['a broken header', ['HTTP/1.1 200 OK', 'Bad Name: x', 'Content-Length: 0']],
    ['a header without end', ['HTTP/1.1 200 OK', `X-Big: ${'x'.repeat(80 * 1024)}`]],
    ['a coding nobody asked for', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked', '', '0']],
    ['two lengths', ['HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2']],
    ['an unasked switch of protocols', ['HTTP/1.1 101 Switching Protocols', 'Connection: upgrade', 'Upgrade: websocket']],
  ])('answers 502 where the portal sends %s', async (_what, head) => {
    const got = await answer(head)
    expect(got.status).toBe(502)
    expect((await door?.outcome())?.status).toBe(502)
  })
})
