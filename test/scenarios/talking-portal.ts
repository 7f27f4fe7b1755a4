// A portal that talks to its people over WebSockets and event streams, is told of every end, and shows the headers it gets.
import { once } from 'node:events'
import { createServer, request as httpRequest, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Guest, patience, type World } from './sessions-setup.ts'

export interface Told {
  readonly user: string
  readonly why: string
  readonly portal: string
  /** The same for the same session, however often it is told of. */
  readonly key: string
}
export interface TalkingPortal {
  readonly url: string
  readonly told: readonly Told[]
  /** To every event stream that is open. */
  say(words: string): void
  close(): Promise<void>
}

/** `/socket` and `/events` stay open, `/ended` is for Postern; any other page is the headers that came with its request. */
export async function startTalkingPortal(): Promise<TalkingPortal> {
  const told: Told[] = []
  const streams = new Set<ServerResponse>()
  const server = createServer(async (request, response) => {
    if (request.url === '/ended') {
      const words = JSON.parse(await text(request)) as Omit<Told, 'key'>
      told.push({ ...words, key: String(request.headers['idempotency-key']) })
      return void response.writeHead(204).end()
    }
    if (request.url !== '/events') {
      response.writeHead(200, { 'Content-Type': request.headers.accept?.includes('html') ? 'text/html' : 'application/json' })
      return void response.end(JSON.stringify(request.headers))
    }
    streams.add(response)
    response.on('close', () => streams.delete(response))
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('data: hello\n\n')
  })
  const sockets = new WebSocketServer({ server, path: '/socket' })
  sockets.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (words) => socket.send(String(words)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    told,
    say: (words) => {
      for (const stream of streams) stream.write(`data: ${words}\n\n`)
    },
    close: async () => {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** What somebody has open: each either hears what is said, or is closed. */
export interface Held {
  /** Of each, in order of replicas: its socket, its stream. */
  readonly open: () => readonly boolean[]
  /** Both ends of each still hear each other. */
  areAlive(): Promise<void>
  areClosed(): Promise<void>
  close(): void
}

let saidSoFar = 0

/** A WebSocket and an event stream at each of these replicas. */
export async function hold(world: World, guest: Guest, portal = 'home', replicas: readonly number[] = [0, 1]): Promise<Held> {
  const origin = world.originOf(portal)
  const headers = { Host: new URL(origin).host, Origin: origin, Cookie: guest.visitor.cookieHeader(origin) }
  const ports = replicas.map((replica) => world.pair.replicas[replica as 0].port)
  const held = (await Promise.all(ports.flatMap((port) => [openSocket(port, headers), openStream(port, headers)]))).flat()
  const open = () => held.map((one) => one.isOpen())
  return {
    open,
    areAlive: async () => {
      const words = `words ${saidSoFar++}`
      for (const one of held) one.say(words)
      world.portal.say(words)
      await vi.waitFor(() => expect(held.map((one) => one.heard().includes(words))).toEqual(held.map(() => true)), patience)
      expect(open()).toEqual(held.map(() => true))
    },
    areClosed: () => vi.waitFor(() => expect(open()).toEqual(held.map(() => false)), patience),
    close: () => {
      for (const one of held) one.close()
    },
  }
}

interface Line {
  readonly isOpen: () => boolean
  readonly heard: () => string
  say(words: string): void
  close(): void
}
type Headers = Readonly<Record<string, string>>

async function openSocket(port: number, headers: Headers): Promise<Line> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers })
  let heard = ''
  socket.on('message', (words) => (heard += String(words)))
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    heard: () => heard,
    say: (words) => socket.send(words, () => undefined),
    close: () => socket.terminate(),
  }
}

async function openStream(port: number, headers: Headers): Promise<Line> {
  const accept = {
    Accept: 'text/event-stream',
    'Sec-Fetch-Mode': 'cors',
    'Sec-Fetch-Dest': 'empty',
    'Sec-Fetch-Site': 'same-origin',
  }
  const asking = httpRequest({ host: '127.0.0.1', port, path: '/events', headers: { ...headers, ...accept }, agent: false })
  asking.end()
  const [answer] = (await once(asking, 'response')) as [import('node:http').IncomingMessage]
  if (answer.statusCode !== 200) throw new Error(`the event stream was answered ${answer.statusCode}`)
  let [heard, isOpen] = ['', true]
  answer.on('data', (chunk) => (heard += chunk))
  answer.on('error', () => undefined)
  asking.on('error', () => undefined)
  answer.on('close', () => {
    isOpen = false
  })
  await once(answer, 'data')
  return { isOpen: () => isOpen, heard: () => heard, say: () => undefined, close: () => asking.destroy() }
}
