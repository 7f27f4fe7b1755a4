// Servers: sockets, TLS, time limits, drain. Knows the doors only as functions.

import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, type Reason } from '../errors.ts'
import { renderProblem } from '../views/problem.ts'
import type { ProxyDoor } from './proxy-door.ts'

export interface ListenOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string }
  /** Milliseconds. */
  readonly headersTimeout: number
  /** Bytes. */
  readonly maxHeaderBytes: number
}

export interface Listening {
  /** `127.0.0.1:8080` or `[::1]:8080`. */
  readonly address: string
  readonly port: number
  /** Takes no new connections; idle ones are closed. */
  stopAccepting(): Promise<void>
  destroy(): void
}

/** Keep-alive of ours must outlive the load balancer's, or it meets a closed connection (75 s is above the usual 60). */
const keepAlive = 75_000

/** The listener for people: strict parser, no limit on a body's time, none on its size. */
export async function listenForPeople(
  options: ListenOptions,
  door: ProxyDoor,
  onRefused: (reason: Reason, address: string) => void,
): Promise<Listening> {
  const settings: ServerOptions = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.headersTimeout,
    requestTimeout: 0,
    // the door says so itself, with a sentence and a request id
    requireHostHeader: false,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: 1000,
    noDelay: true,
    // anything but a WebSocket stays an ordinary request: `Upgrade: h2c` must open no tunnel
    shouldUpgradeCallback: (request: IncomingMessage) =>
      request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket',
  } as ServerOptions
  const server = options.tls ? createTlsServer({ ...settings, ...tlsSettings(options.tls) }) : createServer(settings)
  server.on('request', door.request)
  server.on('checkContinue', door.checkContinue)
  server.on('checkExpectation', door.request)
  server.on('upgrade', door.upgrade)
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    if (!door.garbled(socket)) answerRaw(socket, 'method-refused')
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const reason = reasonOf(error)
    onRefused(reason, (socket as Socket).remoteAddress ?? '')
    if (door.garbled(socket)) return // the answer before it is still on its way
    if (socket.writable && (socket as Socket).bytesWritten === 0) answerRaw(socket, reason)
    else socket.destroy()
  })
  return listen(server, options)
}

function tlsSettings({ cert, key, clientCa }: { cert: string; key: string; clientCa?: string }) {
  return { cert, key, minVersion: 'TLSv1.2' as const, ...(clientCa ? { ca: clientCa, requestCert: true } : {}) }
}

const reasonOf = (error: NodeJS.ErrnoException): Reason =>
  error.code === 'HPE_HEADER_OVERFLOW'
    ? 'header-too-large'
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 'request-timeout'
      : 'bad-request'

/** What could not be parsed is answered once, and the connection ends. */
function answerRaw(socket: Duplex, reason: Reason): void {
  const { status, headers, body } = renderProblem({ status: describe(reason).status, reason, requestId: randomUUID() })
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []))
  socket.on('error', () => socket.destroy())
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...pairs,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}

/** A listener for machines (health, admin): an express app or any request handler. */
export async function listenForMachines(
  options: { readonly host: string; readonly port: number },
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listening> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 }, handler)
  return listen(server, options)
}

/** The address is taken, not ours, or not allowed. */
export class CannotListen extends Error {
  readonly address: string
  constructor(address: string, cause: Error) {
    super(`cannot listen on ${address}: ${(cause as NodeJS.ErrnoException).code ?? cause.message}`, { cause })
    this.address = address
  }
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new CannotListen(`${host}:${port}`, error)))
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
  const bound = server.address() as AddressInfo
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (_request, socket: Duplex) => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
  })
  return {
    address: `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    port: bound.port,
    stopAccepting: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
    destroy: () => {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
    },
  }
}
