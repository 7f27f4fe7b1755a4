// A portal behind TLS is asked by the portal's own name, never by the Host a client sent, and is believed only with a
// certificate for that name.
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { UpstreamTls } from '../../src/types.ts'
import { connectRaw, exchangeRaw, request } from '../support/raw-http.ts'
import { authority, clientCertificate, clientKey, portalCertificate, portalKey } from './certificates.ts'
import { engines, startTestDoor, type TestDoor } from './test-door.ts'

const shake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]

describe.each(engines)('a portal behind TLS (%s)', (engine) => {
  let server: Server
  let door: TestDoor
  let connections = 0
  const names: (string | false | null)[] = []
  const subjects: (string | undefined)[] = []
  afterEach(async () => {
    await door.close()
    server.closeAllConnections()
    server.close()
  })

  async function start(upstreamTls: UpstreamTls | undefined, host = 'localhost'): Promise<void> {
    names.length = 0
    subjects.length = 0
    connections = 0
    server = createServer(
      { cert: portalCertificate, key: portalKey, ca: authority, requestCert: true, rejectUnauthorized: false },
      (incoming, response) => {
        const socket = incoming.socket as TLSSocket
        names.push(socket.servername)
        const { CN } = socket.getPeerCertificate().subject ?? {}
        subjects.push(socket.authorized ? [CN].flat()[0] : undefined)
        response.end(incoming.headers.host)
      },
    )
    server.on('secureConnection', () => connections++)
    server.on('upgrade', (incoming, socket) => {
      names.push((incoming.socket as TLSSocket).servername)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const upstream = `https://${host}:${(server.address() as AddressInfo).port}`
    door = await startTestDoor({ engine, upstream, portal: upstreamTls ? { upstreamTls } : {} })
  }
  const ask = (name: string, ...headers: string[]) => exchangeRaw(door.port, request('GET /', `Host: ${name}`, ...headers))

  it('is asked by its own name whatever Host says, on connections that stay', async () => {
    await start({ ca: authority })
    for (const host of ['home.company.com', 'berlin.company.com', 'evil.example']) {
      const got = await ask(host)
      expect([got.status, got.body.toString()]).toEqual([200, host])
    }
    expect(names).toEqual(['localhost', 'localhost', 'localhost'])
    expect(connections).toBe(1)
  })

  it('is asked by the name that is configured', async () => {
    await start({ ca: authority, serverName: 'portal.internal' }, '127.0.0.1')
    expect((await ask('home.company.com')).status).toBe(200)
    expect(names).toEqual(['portal.internal'])
  })

  it('is asked without a name where it has none', async () => {
    await start({ ca: authority }, '127.0.0.1')
    expect((await ask('home.company.com')).status).toBe(200)
    expect(names).toEqual([false])
  })

  it.each([
    ['an authority that nobody named', undefined, 'localhost'],
    ['another name', { ca: authority, serverName: 'other.internal' }, 'localhost'],
  ])('is not believed with a certificate of %s', async (_what, tls, host) => {
    await start(tls, host)
    expect((await ask('localhost')).status).toBe(502)
    expect((await ask('localhost', ...shake)).status).toBe(502)
    expect((await door.outcome()).failure).toBe('portal-unreachable')
    expect(names).toEqual([])
  })

  it('gets our certificate', async () => {
    await start({ ca: authority, cert: clientCertificate, key: clientKey })
    expect((await ask('home.company.com')).status).toBe(200)
    expect(subjects).toEqual(['postern'])
  })

  it('takes a WebSocket', async () => {
    await start({ ca: authority })
    const client = await connectRaw(door.port)
    client.send(request('GET /', 'Host: home.company.com', ...shake))
    expect((await client.response()).status).toBe(101)
    expect(names).toEqual(['localhost'])
    client.close()
  })
})
