// Bodies: framed by the engine alone, streamed both ways without holding anything back, and never one byte more or less than
// was sent. The stories: CVE-2026-29057 (a chunked DELETE whose body became a second request), CVE-2026-88004 (trailers).
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { always, type EchoPortal, startEchoPortal } from '../support/echo-portal.ts'
import { connectRaw, exchangeRaw, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

const host = 'Host: home.company.com'
const okAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe.each(engines)('bodies (%s)', (engine) => {
  let portal: EchoPortal
  let door: TestDoor
  afterEach(async () => {
    await door.close()
    await portal.close()
  })
  async function start(settings: Partial<DoorSettings> = {}): Promise<void> {
    portal = await startEchoPortal()
    door = await startTestDoor({ engine, upstream: portal.url, ...settings })
  }

  const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\niv-user: root\r\n\r\n'
  const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`

  it.each(['DELETE', 'OPTIONS', 'GET', 'POST', 'PATCH', 'PROPFIND'])(
    'frames a chunked %s so that its body stays a body',
    async (method) => {
      await start()
      const connection = await connectRaw(door.port)
      for (let turn = 0; turn < 2; turn++) {
        connection.send(request(`${method} /x`, host, 'Transfer-Encoding: chunked') + chunked(smuggled))
        expect((await connection.response()).status).toBe(200)
      }
      connection.close()
      expect(portal.requests.map(({ target, body }) => [target, body.toString()])).toEqual([
        ['/x', smuggled],
        ['/x', smuggled],
      ])
      expect(portal.requests.every(({ values }) => values('content-length').length === 0)).toBe(true)
    },
  )

  it.each(['DELETE', 'OPTIONS', 'GET', 'POST'])('keeps the Content-Length of a %s', async (method) => {
    await start()
    expect(
      (await exchangeRaw(door.port, `${request(`${method} /x`, host, `Content-Length: ${smuggled.length}`)}${smuggled}`)).status,
    ).toBe(200)
    expect(portal.requests.map(({ body }) => body.toString())).toEqual([smuggled])
    expect(portal.requests[0]?.values('transfer-encoding')).toEqual([])
    expect(portal.requests[0]?.values('content-length')).toEqual([String(smuggled.length)])
  })

  it('sends a POST without a body as one', async () => {
    await start()
    await exchangeRaw(door.port, request('POST /x', host, 'Content-Length: 0'))
    expect(portal.requests[0]?.body.length).toBe(0)
    expect(portal.requests[0]?.values('content-length')).toEqual(['0'])
  })

  it('leaves request trailers behind', async () => {
    await start()
    await exchangeRaw(
      door.port,
      `${request('POST /x', host, 'Trailer: iv-user', 'Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\niv-user: root\r\nX-T: 1\r\n\r\n`,
    )
    expect(portal.requests[0]?.body.toString()).toBe('hi')
    expect(portal.requests[0]?.trailers).toEqual([])
    expect(portal.requests[0]?.head).not.toMatch(/root|trailer/i)
  })

  it('sends the identity and the body of a request that expected 100-continue', async () => {
    await start()
    const connection = await connectRaw(door.port)
    connection.send(request('POST /x', host, 'Expect: 100-continue', 'iv-user: root', 'Content-Length: 2'))
    expect((await connection.response()).status).toBe(100)
    connection.send('hi')
    expect((await connection.response()).status).toBe(200)
    connection.close()
    expect(portal.requests[0]?.values('iv-user')).toEqual(['anna'])
    expect(portal.requests[0]?.values('expect')).toEqual([])
    expect(portal.requests[0]?.body.toString()).toBe('hi')
  })

  it('hands every piece of an upload on before the next one is sent', async () => {
    await start()
    let arrived = (_text: string): void => {}
    let seen = ''
    portal.script = {
      raw: (chunk, socket) => {
        seen += chunk.toString('latin1')
        arrived(seen)
        if (seen.includes('0\r\n\r\n')) socket.write(okAnswer)
      },
    }
    const until = (text: string) =>
      new Promise<void>((resolve) => {
        arrived = (now) => now.includes(text) && resolve()
        arrived(seen)
      })
    const connection = await connectRaw(door.port)
    connection.send(`${request('POST /x', host, 'Transfer-Encoding: chunked')}3\r\none\r\n`)
    await until('one')
    connection.send('3\r\ntwo\r\n')
    await until('two')
    connection.send('0\r\n\r\n')
    expect((await connection.response()).body.toString()).toBe('ok')
    connection.close()
  })

  it('hands every event of a stream on at once, its head before the first', async () => {
    await start()
    portal.script = always('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    const connection = await connectRaw(door.port)
    connection.send(request('GET /events', host))
    const head = (await connection.read(15)).toString()
    expect(head).toBe('HTTP/1.1 200 OK')
    await until(connection, '\r\n\r\n')
    const socket = await portal.connection()
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      socket.write(`9\r\n${event}\r\n`)
      expect((await connection.read(14)).toString()).toBe(`9\r\n${event}\r\n`)
    }
    connection.close()
    expect((await door.outcome()).failure).toBe('client-gone')
  })
  async function until(connection: Awaited<ReturnType<typeof connectRaw>>, mark: string): Promise<void> {
    let text = ''
    while (!text.endsWith(mark)) text += (await connection.read(1)).toString('latin1')
  }

  it('passes an answer on that comes before the upload has ended, and serves the connection on', async () => {
    await start()
    portal.script = {
      head: (_request, socket) => socket.write('HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop'),
    }
    const connection = await connectRaw(door.port)
    connection.send(`${request('POST /x', host, 'Content-Length: 1000000')}some`)
    const early = await connection.response()
    expect([early.status, early.body.toString()]).toEqual([413, 'stop'])
    const outcome = await door.outcome()
    expect([outcome.status, outcome.failure]).toEqual([413, undefined])
    portal.script = {}
    connection.send(Buffer.alloc(1_000_000 - 4))
    connection.send(request('GET /next', host))
    expect((await connection.response()).body.toString()).toBe('ok')
    connection.close()
  })

  it('never reuses the portal’s connection of an upload that was answered early', async () => {
    await start()
    portal.script = { head: (_request, socket) => socket.write(okAnswer) }
    const connection = await connectRaw(door.port)
    connection.send(`${request('POST /x', host, 'Content-Length: 1000')}some`)
    expect((await connection.response()).status).toBe(200)
    portal.script = {}
    await exchangeRaw(door.port, request('GET /next', host))
    expect((await portal.request(0)).target).toBe('/next')
    expect(portal.requests[0]?.connection).toBe(1)
    const first = await portal.connection(0)
    if (!first.destroyed) await new Promise((resolve) => first.once('close', resolve))
    connection.close()
  })

  it.each([
    ['counted', 'Content-Length: 1000', 'some'],
    ['chunked', 'Transfer-Encoding: chunked', '4\r\nsome\r\n'],
  ])('breaks the portal’s request off where the client breaks off its %s upload', async (_how, framing, bytes) => {
    await start()
    const connection = await connectRaw(door.port)
    connection.send(request('POST /x', host, framing) + bytes)
    const socket = await portal.connection()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    connection.close()
    await closed
    expect(portal.requests).toEqual([])
    const outcome = await door.outcome()
    expect([outcome.status, outcome.failure]).toEqual([499, 'client-gone'])
  })

  it('does not blame the portal for a body that is none', async () => {
    await start()
    const connection = await connectRaw(door.port)
    connection.send(`${request('POST /x', host, 'Transfer-Encoding: chunked')}2\r\nhi\r\nZZ\r\n`)
    const socket = await portal.connection()
    if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
    await connection.closed
    expect(portal.requests).toEqual([])
    expect((await door.outcome()).failure).toBe('client-gone')
    expect(door.refusals).toEqual([])
  })

  it('does not hold more of an answer than the sockets do, where the client does not read', async () => {
    await start()
    const chunk = Buffer.alloc(64 * 1024)
    const limit = 256 * 1024 * 1024
    let written = 0
    portal.script = {
      request: (_request, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${limit}\r\n\r\n`)
        const fill = (): void => {
          while (written < limit) {
            written += chunk.length
            if (!socket.write(chunk)) break
          }
        }
        fill()
        socket.on('drain', fill)
      },
    }
    const connection = await connectRaw(door.port)
    connection.socket.pause()
    connection.send(request('GET /big', host))
    await portal.request(0)
    await stillness(() => written)
    expect(written).toBeLessThan(64 * 1024 * 1024)
    connection.close()
    expect((await door.outcome()).failure).toBe('client-gone')
  })

  it('does not hold more of an upload than the sockets do, where the portal does not read', async () => {
    await start()
    portal.script = { raw: (_chunk, socket) => void socket.pause() }
    const connection = await connectRaw(door.port)
    const pieces = 4096
    const piece = Buffer.alloc(64 * 1024)
    connection.send(request('POST /', host, `Content-Length: ${pieces * piece.length}`))
    Readable.from(Array.from({ length: pieces }, () => piece)).pipe(connection.socket)
    await portal.connection()
    await stillness(() => connection.socket.bytesWritten)
    expect(connection.socket.bytesWritten).toBeLessThan((pieces * piece.length) / 4)
    connection.close()
  })
})

/** Resolves when a number has not changed between two looks: whoever holds back holds back now. */
function stillness(look: () => number): Promise<void> {
  return new Promise((resolve) => {
    let before = Number.NaN
    const timer = setInterval(() => {
      const now = look()
      if (now === before) {
        clearInterval(timer)
        resolve()
      }
      before = now
    }, 250)
  })
}
