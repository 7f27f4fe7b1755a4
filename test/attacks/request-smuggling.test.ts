// One connection, two readings of where a request ends (IBM Verify Access CVE-2026-1491, CVE-2026-2862; http-proxy
// CVE-2026-29057: a chunked DELETE was sent unframed, and its body became the next request, with an identity of its own).
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern

const smuggled = 'GET /public/smuggled HTTP/1.1\r\nHost: home.localhost\r\niv-user: admin\r\n\r\n'

describe.each(['undici', 'http-proxy'])('with the engine %s', (engine) => {
  beforeAll(async () => {
    portal = await startMirrorPortal()
    postern = await startPostern({
      configuration: `
server:
  publicUrl: http://home.localhost
  engine: ${engine}
  maxHeaderBytes: 8KiB
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.9] }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [webseal], routes: [{ path: /public/**, access: public }] }
`,
    })
  })
  afterAll(async () => {
    await postern.stop()
    await portal.close()
  })

  it.each([
    [
      'Content-Length and Transfer-Encoding together',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'two Content-Lengths',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ],
    ['a Content-Length with a sign', `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nContent-Length: +5\r\n\r\nhello`],
    ['a list as Content-Length', `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nContent-Length: 5, 5\r\n\r\nhello`],
    [
      'an unknown transfer coding',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'chunked that is not last',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'two Transfer-Encodings',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'Transfer-Encoding in HTTP/1.0',
      `POST /public/x HTTP/1.0\r\nHost: home.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a blank before the colon',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a folded header',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ['bare line feeds', `GET /public/x HTTP/1.1\nHost: home.localhost\n\n${smuggled}`],
    ['a bare carriage return in a value', `GET /public/x HTTP/1.1\r\nHost: home.localhost\r\nX-A: b\riv-user: admin\r\n\r\n`],
    ['a NUL in a value', `GET /public/x HTTP/1.1\r\nHost: home.localhost\r\nX-A: b\0c\r\n\r\n`],
    [
      'a chunk size that overflows',
      `POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${smuggled}`,
    ],
    ['a header without a name', `GET /public/x HTTP/1.1\r\nHost: home.localhost\r\n: b\r\n\r\n`],
    ['an unknown version', `GET /public/x HTTP/3.7\r\nHost: home.localhost\r\n\r\n`],
    ['nonsense', `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`],
  ])('%s: 400 or the end of the connection, and nothing smuggled', async (_what, bytes) => {
    const answer = await wire(postern.port, bytes, { patience: 300 })
    expect([400, 0]).toContain(answer.status === 200 ? 200 : answer.status)
    expect(answer.text.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1)
    expect(portal.seen.filter(({ target }) => target === '/public/smuggled')).toEqual([])
    expect(answer.text).not.toContain('node:internal')
    if (answer.status === 400) expect(JSON.parse(answer.body)).toMatchObject({ status: 400, requestId: expect.any(String) })
  })

  it.each(['DELETE', 'OPTIONS', 'GET', 'PUT', 'PATCH'])('a chunked body of %s stays a body', async (method) => {
    const bytes = `${method} /public/x HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
    const before = portal.seen.length
    const answer = await wire(postern.port, bytes)
    expect(answer.status).toBe(200)
    expect(portal.seen.slice(before).map(({ target, body }) => [target, body])).toEqual([['/public/x', smuggled]])
  })

  it('pipelined requests take their turn, and an absurd number of them ends the connection', async () => {
    const one = 'GET /public/turn HTTP/1.1\r\nHost: home.localhost\r\n\r\n'
    const three = await wire(postern.port, one + one + get('/public/last'))
    expect(three.text.match(/HTTP\/1\.1 200 /g)?.length).toBe(3)
    const before = portal.seen.length
    await wire(postern.port, one.repeat(500), { patience: 300 })
    expect(portal.seen.length - before).toBeLessThan(50)
    expect((await wire(postern.port, get('/public/after'))).status).toBe(200)
  })

  it('nonsense behind a request does not take its answer', async () => {
    const answer = await wire(postern.port, 'GET /public/first HTTP/1.1\r\nHost: home.localhost\r\n\r\nBAD REQ\r\n\r\n', {
      patience: 500,
    })
    expect(answer.status).toBe(200)
  })

  it('headers above the limit are 431 with a sentence and a request id', async () => {
    const answer = await wire(postern.port, get('/public/x', [`X-Big: ${'x'.repeat(9000)}`]))
    expect(answer.status).toBe(431)
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 431,
      requestId: expect.any(String),
      detail: expect.stringContaining('cookies'),
    })
  })

  it('Upgrade: h2c opens no tunnel', async () => {
    const answer = await wire(
      postern.port,
      `GET /public/x HTTP/1.1\r\nHost: home.localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
      { patience: 500 },
    )
    expect(answer.status).toBe(200)
    expect(JSON.stringify(portal.seen.at(-1)?.headers)).not.toMatch(/upgrade|http2/i)
  })

  it('an upgrade with a body that is a request is not tunnelled to a portal that does not upgrade', async () => {
    const bytes = `GET /public/x HTTP/1.1\r\nHost: home.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`
    await wire(postern.port, bytes, { patience: 500 })
    expect(portal.seen.filter(({ target }) => target === '/public/smuggled')).toEqual([])
  })

  it('a client that vanishes in the middle of a body ends its own request only', async () => {
    await new Promise<void>((gone) => {
      const socket = connect(postern.port, '127.0.0.1', () => {
        socket.write('POST /public/x HTTP/1.1\r\nHost: home.localhost\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy())
      })
      socket.on('close', () => gone())
    })
    expect((await wire(postern.port, get('/public/after'))).status).toBe(200)
    expect(portal.seen.filter(({ body }) => body === 'half')).toEqual([])
  })
})
