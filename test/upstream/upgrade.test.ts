// WebSockets: the handshake with our headers and no others, then bytes as they are. One client that resets before the 101 has
// ended whole proxies.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { always, type EchoPortal, type Script, startEchoPortal } from '../support/echo-portal.ts'
import { connectRaw, exchangeRaw, type RawConnection, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

const host = 'Host: home.company.com'
const shake = request(
  'GET /ws?x=%41',
  host,
  'Connection: keep-alive, Upgrade',
  'Upgrade: WebSocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'IV_USER: root',
  'Cookie: a=1; postern-home=SECRET',
)
const switched =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\n'

describe.each(engines)('WebSockets (%s)', (engine) => {
  let portal: EchoPortal
  let door: TestDoor
  afterEach(async () => {
    await door.close()
    await portal.close()
  })
  async function start(script: Script = always(switched), settings: Partial<DoorSettings> = {}): Promise<void> {
    portal = await startEchoPortal(script)
    door = await startTestDoor({ engine, upstream: portal.url, ...settings })
  }
  async function open(settings: Partial<DoorSettings> = {}, allowHalfOpen = false) {
    await start(always(switched), settings)
    const client = await connectRaw(door.port, '127.0.0.1', allowHalfOpen)
    client.send(shake)
    const answer = await client.response()
    const socket = await portal.connection()
    let got = ''
    const wakes: (() => void)[] = []
    portal.script = {
      raw: (chunk) => {
        got += chunk.toString('latin1')
        for (const wake of wakes.splice(0)) wake()
      },
    }
    const received = async (text: string): Promise<void> => {
      while (!got.includes(text)) await new Promise<void>((resolve) => wakes.push(resolve))
    }
    return { client, answer, socket, received }
  }
  const text = async (client: RawConnection, length: number) => (await client.read(length)).toString('latin1')

  it('sends the handshake with our identity and without our cookies', async () => {
    const { client, answer } = await open({ allow: { cookies: ['postern-home=NEW'] } })
    expect([answer.status, answer.values('upgrade'), answer.values('sec-websocket-accept')]).toEqual([
      101,
      ['websocket'],
      ['abc'],
    ])
    expect(answer.values('connection')).toEqual(['Upgrade'])
    expect(answer.values('set-cookie')).toEqual(['postern-home=NEW'])
    const got = await portal.request(0)
    expect([got.method, got.target]).toEqual(['GET', '/ws?x=%41'])
    expect(got.values('iv-user')).toEqual(['anna'])
    expect(got.values('upgrade')).toEqual(['WebSocket'])
    expect(got.values('connection').join().toLowerCase()).toBe('upgrade')
    expect(got.values('sec-websocket-key')).toEqual(['dGhlIHNhbXBsZSBub25jZQ=='])
    expect(got.values('cookie')).toEqual(['a=1'])
    expect(got.head).not.toMatch(/root|SECRET/)
    client.close()
  })

  it('carries bytes both ways, the portal’s first ones in the same packet as its 101', async () => {
    await start(always(`${switched}first`))
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).status).toBe(101)
    expect(await text(client, 5)).toBe('first')
    const arrived = new Promise<string>((resolve) => {
      portal.script = { raw: (chunk) => resolve(chunk.toString('latin1')) }
    })
    client.send('later\x00\xff!')
    expect(await arrived).toBe('later\x00\xff!')
    client.close()
    expect((await door.outcome()).status).toBe(101)
  })

  it('delivers what the client sent in the same packet as its handshake', async () => {
    let got = ''
    let arrived = (): void => {}
    const isThere = new Promise<void>((resolve) => {
      arrived = resolve
    })
    await start({
      request: (_request, socket) => {
        portal.script = {
          raw: (chunk) => {
            got += chunk.toString('latin1')
            if (got.length >= 5) arrived()
          },
        }
        socket.write(switched)
      },
    })
    const client = await connectRaw(door.port)
    client.send(`${shake}early`)
    expect((await client.response()).status).toBe(101)
    await isThere
    expect(got).toBe('early')
    client.close()
  })

  it('keeps the client’s direction open when the portal’s has ended', async () => {
    const { client, socket, received } = await open({}, true)
    socket.end('last words')
    expect(await text(client, 10)).toBe('last words')
    if (!client.socket.readableEnded) await once(client.socket, 'end')
    client.send('answer')
    await received('answer')
    client.socket.end()
    expect(await door.outcome()).toMatchObject({ status: 101, bytes: 10 })
  })

  it('ends the portal’s side when the door destroys the client’s', async () => {
    const { client, socket } = await open()
    const closed = once(socket, 'close')
    door.dropUpgraded()
    await Promise.all([closed, client.closed])
    expect((await door.outcome()).status).toBe(101)
  })

  it('keeps the portal’s direction open when the client’s has ended', async () => {
    const { client, socket, received } = await open()
    client.send('last words')
    client.socket.end()
    await received('last words')
    socket.write('answer')
    expect(await text(client, 6)).toBe('answer')
    socket.end()
    expect(await client.closed).toBe('end')
    expect(await door.outcome()).toMatchObject({ status: 101, bytes: 6 })
  })

  it('ends the client with the portal, and the portal with the client', async () => {
    const first = await open()
    first.socket.resetAndDestroy()
    await first.client.closed
    expect((await door.outcome()).failure).toBe('portal-broke-off')
    await door.close()
    await portal.close()
    const second = await open()
    const closed = once(second.socket, 'close')
    second.client.socket.resetAndDestroy()
    await closed
    expect((await door.outcome()).failure).toBe('client-gone')
  })

  it('survives a client that resets before the 101, and lets the portal’s request go', async () => {
    await start({ request: () => {} })
    const client = await connectRaw(door.port)
    client.send(shake)
    await portal.request(0)
    const socket = await portal.connection()
    const closed = once(socket, 'close')
    client.socket.resetAndDestroy()
    await closed
    expect(await door.outcome()).toMatchObject({ status: 499, failure: 'client-gone' })
  })

  it.each([true, false])('passes a refusal of the portal on as an ordinary answer (bare socket: %s)', async (hasBareSockets) => {
    await start(
      always(
        'HTTP/1.1 403 No\r\nSet-Cookie: postern-home=x\r\nLocation: /l\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n',
      ),
      { hasBareSockets },
    )
    const client = await connectRaw(door.port)
    client.send(shake)
    const answer = await client.response()
    expect([answer.status, answer.statusText, answer.body.toString(), answer.isComplete]).toEqual([403, 'No', 'nope', true])
    expect(answer.values('set-cookie')).toEqual([])
    expect(await client.closed).toBe('end')
    expect(await door.outcome()).toMatchObject({ status: 403, bytes: 4 })
  })

  it('breaks a refusal off where the portal does', async () => {
    await start({ request: (_request, socket) => void socket.end('HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf') })
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).isComplete).toBe(false)
    expect((await door.outcome()).failure).toBe('portal-broke-off')
  })

  it('passes a big refusal on whole', async () => {
    const body = 'x'.repeat(4 * 1024 * 1024)
    await start(always(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`))
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).body.length).toBe(body.length)
    await client.closed
  })

  it.each([
    ['a portal that cannot be reached', 'HTTP', 502],
    ['a refusal in a coding that cannot be passed on', 'HTTP/1.1 403 No\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 502],
    ['another protocol than the one asked for', switched.replace('Upgrade: websocket', 'Upgrade: tcp'), 502],
  ])('refuses %s', async (_what, answer, status) => {
    await start({ request: (_request, socket) => void socket.end(answer) })
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).status).toBe(status)
    await client.closed
    expect((await door.outcome()).status).toBe(status)
  })

  it('answers 504 where the portal does not answer', async () => {
    await start({ request: () => {} }, { timeouts: { response: 50 } })
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).status).toBe(504)
    expect((await door.outcome()).failure).toBe('portal-timeout')
  })

  it('refuses a handshake with a body', async () => {
    await start()
    const client = await connectRaw(door.port)
    client.send(`${shake.slice(0, -2)}Content-Length: 5\r\n\r\nhello`)
    expect((await client.response()).status).toBe(400)
    expect(portal.requests).toEqual([])
  })

  it('forwards any other upgrade as the ordinary request it is', async () => {
    await start()
    portal.script = {}
    const bytes = request('POST /x', host, 'Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 2')
    expect((await exchangeRaw(door.port, `${bytes}hi`)).body.toString()).toBe('ok')
    expect((await exchangeRaw(door.port, request('GET /x', host, 'Connection: Upgrade', 'Upgrade: h2c'))).status).toBe(200)
    expect(portal.requests.map(({ body }) => body.toString())).toEqual(['hi', ''])
    expect(portal.requests.every(({ values }) => values('upgrade').length === 0)).toBe(true)
  })

  it('sends a handshake once more where the kept connection had died', async () => {
    await start({})
    await exchangeRaw(door.port, request('GET /', host))
    portal.script = {
      request: ({ connection }, socket) => void (connection === 0 ? socket.resetAndDestroy() : socket.write(switched)),
    }
    const client = await connectRaw(door.port)
    client.send(shake)
    expect((await client.response()).status).toBe(101)
    client.close()
  })

  it('closes both sides when the session ends that opened it', async () => {
    let now = 1_000
    const { client, socket } = await open({ allow: { endsAt: 1_050 }, clock: () => now })
    now = 1_050
    await Promise.all([client.closed, socket.destroyed ? undefined : once(socket, 'close')])
    expect((await door.outcome()).status).toBe(101)
  })

  it('closes both sides after silence where that is limited', async () => {
    const { client } = await open({ timeouts: { stream: 50 } })
    await client.closed
    expect((await door.outcome()).status).toBe(101)
  })

  it('carries a real WebSocket conversation, big messages included', async () => {
    portal = await startEchoPortal()
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    door = await startTestDoor({ engine, upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const client = new WebSocket(`ws://127.0.0.1:${door.port}/chat`)
    await once(client, 'open')
    const big = Buffer.alloc(8 * 1024 * 1024, 7)
    for (const message of [Buffer.from('hello'), big]) {
      client.send(message)
      const [echo] = (await once(client, 'message')) as [Buffer]
      expect(echo.equals(message)).toBe(true)
    }
    client.close(1000, 'bye')
    const [code] = await once(client, 'close')
    expect(code).toBe(1000)
    expect((await door.outcome()).failure).toBeUndefined()
    sockets.close()
    server.close()
  })
})
