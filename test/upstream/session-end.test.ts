// Signed out is out: what a session has opened does not outlive it, on either engine.
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { Allow, Session } from '../../src/types.ts'
import { always, type EchoPortal, type Script, startEchoPortal } from '../support/echo-portal.ts'
import { connectRaw, request } from '../support/raw-http.ts'
import { type DoorSettings, engines, startTestDoor, type TestDoor } from './test-door.ts'

const host = 'Host: home.company.com'
const get = request('GET /events', host)
const shake = request('GET /ws', host, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const chunked = (type: string) => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`
const events = chunked('text/event-stream; charset=utf-8')
const session = { id: 'anna', endsAt: 10_000_000 } as Session

describe.each(engines)('when a session ends (%s)', (engine) => {
  let portal: EchoPortal
  let door: TestDoor
  const revoked = new Set<string>()
  const listeners = new Set<() => void>()
  const time = { now: 1_000_000 }
  const revoke = () => {
    revoked.add('anna')
    for (const listener of listeners) listener()
  }
  afterEach(async () => {
    await door.close()
    await portal.close()
    revoked.clear()
    listeners.clear()
  })
  async function start(script: Script, allow: Partial<Allow> = {}, settings: Partial<DoorSettings> = {}) {
    portal = await startEchoPortal(script)
    door = await startTestDoor({
      engine,
      upstream: portal.url,
      allow: { session, endsAt: 9_000_000, ...allow },
      clock: () => time.now,
      watch: {
        isRevoked: ({ id }) => revoked.has(id),
        onRevocation: (listener) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
        ...settings.watch,
      },
    })
    return connectRaw(door.port)
  }
  const closed = (socket: { readonly destroyed: boolean }) =>
    socket.destroyed ? undefined : once(socket as unknown as NodeJS.EventEmitter, 'close')

  it('before its time, its WebSocket is closed on both sides', async () => {
    const client = await start(always(switched))
    client.send(shake)
    expect((await client.response()).status).toBe(101)
    const socket = await portal.connection()
    revoke()
    await Promise.all([client.closed, closed(socket)])
    expect(await door.outcome()).toMatchObject({ status: 101, detail: 'its person was signed out' })
  })

  it('while its WebSocket is being opened, that is not', async () => {
    let answer = (): void => {}
    const client = await start({
      request: (_request, socket) => {
        answer = () => socket.write(switched)
      },
    })
    client.send(shake)
    await portal.request(0)
    revoke()
    answer()
    await client.closed
    expect(await door.outcome()).toMatchObject({ detail: 'its person was signed out' })
  })

  it('before its time, its event stream breaks off, and the portal’s side with it', async () => {
    const client = await start(always(events))
    client.send(get)
    await once(client.socket, 'data')
    const socket = await portal.connection()
    const answer = client.response()
    revoke()
    expect(await answer).toMatchObject({ status: 200, isComplete: false })
    await Promise.all([client.closed, closed(socket)])
    const outcome = await door.outcome()
    expect(outcome).toMatchObject({ status: 200, detail: 'its person was signed out' })
    expect(outcome.failure).toBeUndefined()
  })

  it('by its time, its event stream breaks off', async () => {
    const client = await start(always(events), { endsAt: time.now + 1000 })
    client.send(get)
    await once(client.socket, 'data')
    time.now += 1000
    expect((await client.response()).isComplete).toBe(false)
    expect(await door.outcome()).toMatchObject({ detail: 'its session is over' })
  })

  it('later than it seemed, its WebSocket goes on until then', async () => {
    const end = time.now + 100
    const asked: string[] = []
    let wake = (): void => {}
    const wasAsked = new Promise<void>((resolve) => (wake = resolve))
    const stillOpen = async ({ id }: Session) => {
      asked.push(id)
      wake()
      return asked.length === 1 ? end + 200 : undefined
    }
    const client = await start(always(switched), { endsAt: end }, { watch: { stillOpen } })
    client.send(shake)
    expect((await client.response()).status).toBe(101)
    time.now = end
    await wasAsked
    ;(await portal.connection()).write('still there')
    expect((await client.read(11)).toString()).toBe('still there')
    time.now = end + 200
    await client.closed
    expect(asked).toEqual(['anna', 'anna'])
    expect(await door.outcome()).toMatchObject({ bytes: 11, detail: 'its session is over' })
  })

  it.each([
    ['a page', chunked('text/html'), '0\r\n\r\n', 'first'],
    ['a download that says how long it is', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst', 'last', 'firstlast'],
    [
      'an event stream that does',
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\nfirst',
      'last',
      'firstlast',
    ],
  ])('%s is not cut in the middle', async (_what, beginning, rest, body) => {
    const client = await start(always(beginning))
    client.send(get)
    await once(client.socket, 'data')
    revoke()
    ;(await portal.connection()).write(rest)
    const answer = await client.response()
    expect([answer.body.toString(), answer.isComplete]).toEqual([body, true])
    client.close()
  })

  it('an answer without end is cut ten seconds after it began', async () => {
    const client = await start(always(chunked('text/plain')))
    client.send(get)
    await once(client.socket, 'data')
    revoke()
    time.now += 10_000
    expect((await client.response()).isComplete).toBe(false)
  })

  it('by this very request, its answer is not cut', async () => {
    const client = await start(always(events), { endsSession: true })
    client.send(get)
    await once(client.socket, 'data')
    revoke()
    ;(await portal.connection()).write('0\r\n\r\n')
    expect((await client.response()).isComplete).toBe(true)
    client.close()
  })

  it('of somebody else, everything stays', async () => {
    const client = await start(always(switched), { session: { ...session, id: 'ben' } })
    client.send(shake)
    expect((await client.response()).status).toBe(101)
    revoke()
    ;(await portal.connection()).write('still there')
    expect((await client.read(11)).toString()).toBe('still there')
    client.close()
  })
})
