// How things end when they do not end well. A client must never take half an answer for a whole one, a portal never a
// request twice that it may have acted on, and nobody waits for ever.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { always, type EchoPortal, type Script, startEchoPortal } from '../support/echo-portal.ts'
import { connectRaw, exchangeRaw, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

const host = 'Host: home.company.com'
const get = request('GET /', host)
const okAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe.each(engines)('endings (%s)', (engine) => {
  let portal: EchoPortal
  let door: TestDoor
  afterEach(async () => {
    await door.close()
    await portal.close()
  })
  async function start(script: Script = {}, settings: Partial<DoorSettings> = {}): Promise<void> {
    portal = await startEchoPortal(script)
    door = await startTestDoor({ engine, upstream: portal.url, ...settings })
  }

  it.each([
    ['a counted', 'Content-Length: 10\r\n\r\n01234', 'end'],
    ['a counted', 'Content-Length: 10\r\n\r\n01234', 'reset'],
    ['a chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n', 'end'],
    ['a chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n', 'reset'],
  ])('breaks %s answer off where the portal does (%s: %s)', async (_what, head, how) => {
    await start(always(`HTTP/1.1 200 OK\r\n${head}`))
    const connection = await connectRaw(door.port)
    connection.send(get)
    const socket = await portal.connection()
    const reading = connection.response()
    await portal.request(0)
    // the first half is on its way before the end is
    await once(connection.socket, 'data')
    if (how === 'end') socket.end()
    else socket.resetAndDestroy()
    const got = await reading
    expect([got.status, got.isComplete]).toEqual([200, false])
    await connection.closed
    const outcome = await door.outcome()
    expect([outcome.status, outcome.failure, outcome.bytes]).toEqual([200, 'portal-broke-off', 5])
  })

  it('resets where only the end of the connection would end the body', async () => {
    await start(always('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n'))
    const connection = await connectRaw(door.port)
    connection.send('GET / HTTP/1.0\r\nHost: home.company.com\r\n\r\n')
    await once(connection.socket, 'data')
    ;(await portal.connection()).end()
    expect(await connection.closed).toBe('reset')
  })

  it('does not take an answer without length for whole where the connection broke', async () => {
    await start(always('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf'))
    const connection = await connectRaw(door.port)
    connection.send(get)
    await once(connection.socket, 'data')
    ;(await portal.connection()).resetAndDestroy()
    expect((await connection.response()).isComplete).toBe(false)
    expect((await door.outcome()).failure).toBe('portal-broke-off')
  })

  it('passes an answer without length on whole', async () => {
    await start({
      request: (_request, socket) => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end'),
    })
    const got = await exchangeRaw(door.port, get)
    expect([got.body.toString(), got.isComplete]).toEqual(['until the end', true])
    expect((await door.outcome()).failure).toBeUndefined()
  })

  it('does not read on where the portal says more than it announced', async () => {
    await start({
      request: (_request, socket) =>
        void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
    })
    const connection = await connectRaw(door.port)
    connection.send(get)
    expect((await connection.response()).body.toString()).toBe('ok')
    portal.script = {}
    connection.send(request('GET /next', host))
    expect((await connection.response()).body.toString()).toBe('ok')
    expect((await portal.request(1)).connection).toBe(1)
    connection.close()
  })

  it('answers 502 where nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await start({}, { upstream: `http://127.0.0.1:${port}` })
    const got = await exchangeRaw(door.port, `${request('POST /', host, 'Content-Length: 4')}body`)
    expect(got.status).toBe(502)
    const outcome = await door.outcome()
    expect([outcome.status, outcome.failure]).toEqual([502, 'portal-unreachable'])
    expect(outcome.detail).toContain('ECONNREFUSED')
  })

  it.each(['end', 'reset'])('answers 502 where the portal goes away without a word (%s)', async (how) => {
    await start({ request: (_request, socket) => void (how === 'end' ? socket.end() : socket.resetAndDestroy()) })
    expect((await exchangeRaw(door.port, get)).status).toBe(502)
    expect(portal.requests).toHaveLength(1)
    expect(door.refusals).toEqual(['portal-unreachable'])
  })

  describe('a kept connection that has died', () => {
    /** Answers the first request on each connection and dies at the second without a word. */
    const dying = (): Script => {
      const seen = new Set<number>()
      return {
        request: ({ connection, method }, socket) => {
          if (seen.has(connection)) socket.resetAndDestroy()
          else socket.write(method === 'HEAD' ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' : okAnswer)
          seen.add(connection)
        },
      }
    }
    it.each(['GET', 'HEAD', 'DELETE'])('is no matter for a %s: it is sent once more', async (method) => {
      await start(dying())
      await exchangeRaw(door.port, get)
      expect((await exchangeRaw(door.port, request(`${method} /again`, host))).status).toBe(200)
      expect(portal.requests.map(({ target, connection }) => [target, connection])).toEqual([
        ['/', 0],
        ['/again', 0],
        ['/again', 1],
      ])
    })
    it('is told for a POST, and for anything with a body', async () => {
      await start(dying())
      await exchangeRaw(door.port, get)
      expect((await exchangeRaw(door.port, request('POST /once', host, 'Content-Length: 0'))).status).toBe(502)
      await exchangeRaw(door.port, get)
      expect((await exchangeRaw(door.port, `${request('PUT /once', host, 'Content-Length: 2')}hi`)).status).toBe(502)
      expect(portal.requests.filter(({ target }) => target === '/once')).toHaveLength(2)
    })
    it('is tried once more, not for ever', async () => {
      // two connections are kept
      await start({ request: () => portal.requests.length === 2 && portal.sockets.map((socket) => socket.write(okAnswer)) })
      await Promise.all([exchangeRaw(door.port, get), exchangeRaw(door.port, get)])
      expect(portal.sockets).toHaveLength(2)
      portal.script = { request: (_request, socket) => void socket.resetAndDestroy() }
      expect((await exchangeRaw(door.port, request('GET /again', host))).status).toBe(502)
      const again = portal.requests.filter(({ target }) => target === '/again')
      expect(again.map(({ connection }) => connection).sort()).toEqual([0, 1])
    })
    it('is not tried again once a byte of an answer came', async () => {
      await start()
      await exchangeRaw(door.port, get)
      portal.script = { request: (_request, socket) => void socket.end('HTTP/1.1 2') }
      expect((await exchangeRaw(door.port, request('GET /again', host))).status).toBe(502)
      expect(portal.requests.filter(({ target }) => target === '/again')).toHaveLength(1)
    })
  })

  it('answers 504 where the portal does not answer, and lets its connection go', async () => {
    await start({ request: () => {} }, { timeouts: { response: 50 } })
    expect((await exchangeRaw(door.port, get)).status).toBe(504)
    const socket = await portal.connection()
    if (!socket.destroyed) await once(socket, 'close')
    expect((await door.outcome()).failure).toBe('portal-timeout')
  })

  it('answers 504 where the portal does not read', async () => {
    await start({}, { timeouts: { response: 50 } })
    portal.script = { raw: (_chunk, socket) => void socket.pause() }
    const connection = await connectRaw(door.port)
    const size = 64 * 1024 * 1024
    connection.send(request('POST /', host, `Content-Length: ${size}`))
    connection.send(Buffer.alloc(size))
    expect((await connection.response()).status).toBe(504)
    connection.close()
  })

  it('does not count the time that the client takes to send', async () => {
    await start(
      { request: ({ method }, socket) => void (method === 'POST' && socket.write(okAnswer)) },
      { timeouts: { response: 40 } },
    )
    const connection = await connectRaw(door.port)
    connection.send(`${request('POST /', host, 'Content-Length: 4')}ab`)
    await portal.connection()
    // another one's limit begins later and runs out: the first one's would have too
    expect((await exchangeRaw(door.port, get)).status).toBe(504)
    expect(door.refusals).toEqual(['portal-timeout'])
    connection.send('cd')
    expect((await connection.response()).status).toBe(200)
    connection.close()
  })

  it.each([
    ['an answer', get, 200],
    ['an upload', `${request('POST /', host, 'Content-Length: 10')}half`, 408],
  ])('ends silence inside %s', async (_what, bytes, status) => {
    await start(always('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234'), { timeouts: { stream: 50, response: 10_000 } })
    const connection = await connectRaw(door.port)
    connection.send(bytes)
    const got = await connection.response()
    expect([got.status, got.isComplete]).toEqual([status, status === 408])
    connection.close()
    expect((await door.outcome()).failure).toBe(status === 200 ? 'portal-broke-off' : 'request-timeout')
  })

  it('lets the portal’s request go with its client', async () => {
    await start({ request: () => {} })
    const connection = await connectRaw(door.port)
    connection.send(get)
    await portal.request(0)
    const socket = await portal.connection()
    const closed = once(socket, 'close')
    connection.close()
    await closed
    expect(await door.outcome()).toMatchObject({ status: 499, failure: 'client-gone', bytes: 0 })
  })

  it('tells what went well', async () => {
    let now = 1_000
    await start({}, { clock: () => now })
    portal.script = {
      request: (_request, socket) => {
        now += 7
        socket.write('HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nyes')
      },
    }
    await exchangeRaw(door.port, get)
    expect(await door.outcome()).toEqual({ status: 201, bytes: 3, upstreamMs: 7 })
  })

  it('serves what runs and takes nothing new once it is closed', async () => {
    await start({ request: () => {} })
    const connection = await connectRaw(door.port)
    connection.send(get)
    await portal.request(0)
    const closing = door.closeForwarder()
    expect((await exchangeRaw(door.port, get)).status).toBe(503)
    expect(door.refusals).toEqual(['shutting-down'])
    ;(await portal.connection()).write(okAnswer)
    expect((await connection.response()).status).toBe(200)
    await closing
    await door.closeForwarder()
    connection.close()
  })
})
