// A WebSocket handshake: sent on, and either both sockets become one (tunnel.ts) or the portal's refusal is passed on as an
// ordinary answer. Whether the Origin may connect was decided before.
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, type Reason } from '../errors.ts'
import type { Call, Outgoing, RawHeaders, Sink } from './engine.ts'
import type { Exchange } from './exchange.ts'
import { Passage, type Ways } from './passage.ts'
import type { PortalAddress } from './portal-address.ts'
import { type RequestHead, readRequestHead } from './request-headers.ts'
import { mendResponseHeaders, text } from './response-headers.ts'
import { joinSockets } from './tunnel.ts'

const ignore = (): void => {}

/** The client's connection after an upgrade event, with what it sent beyond the head. */
interface Client {
  readonly socket: Duplex
  readonly head: Buffer
}

export function answerUpgrade(ways: Ways, exchange: Exchange, socket: Duplex, early: Buffer, address: PortalAddress): void {
  // a client that resets before the 101 must not end the process
  socket.on('error', ignore)
  const handshake = new Handshake(ways, exchange, { socket, head: early }, address)
  const head = readRequestHead(exchange, ways.options, address)
  if (!('headers' in head)) return handshake.refuse(head.reason, head.detail)
  // its bytes would be read as WebSocket frames by one side and as a request by the other
  if (head.hasBody) return handshake.refuse('bad-request', 'an upgrade with a body')
  if (exchange.request.method === 'GET' && head.upgrade?.toLowerCase() === 'websocket') return handshake.send(head)
  new Passage(ways, exchange, responseOn(socket, exchange.incoming), address, head.wantsTrailers).send(head)
}

/** The ordinary response on a socket that the server has let go of: the door's, where it has put one there, else a new one. */
function responseOn(socket: Duplex, incoming: IncomingMessage): ServerResponse {
  const response = (socket as Duplex & { readonly _httpMessage?: ServerResponse })._httpMessage ?? newResponse(socket, incoming)
  // nobody tells a response without a server that its socket has drained, or closes the connection with it
  response.shouldKeepAlive = false
  socket.on('drain', () => response.emit('drain'))
  response.on('finish', () => (socket as Socket).destroySoon())
  return response
}

function newResponse(socket: Duplex, incoming: IncomingMessage): ServerResponse {
  const response = new ServerResponse(incoming)
  response.assignSocket(socket as Socket)
  return response
}

class Handshake implements Sink {
  readonly #ways: Ways
  readonly #exchange: Exchange
  readonly #client: Client
  readonly #address: PortalAddress
  readonly #begun: number
  #outgoing: Outgoing | null = null
  #call: Call | null = null
  #isRepeated = false
  #isOver = false
  #passage: Passage | null = null
  #waiting: NodeJS.Timeout | undefined

  constructor(ways: Ways, exchange: Exchange, client: Client, address: PortalAddress) {
    this.#ways = ways
    this.#exchange = exchange
    this.#client = client
    this.#address = address
    this.#begun = ways.options.clock()
  }

  send(head: RequestHead): void {
    const { allow, request } = this.#exchange
    const path = request.path + request.query
    this.#outgoing = { portal: allow.portal, method: 'GET', path, headers: head.headers, body: null, upgrade: head.upgrade }
    this.#client.socket.once('close', this.#clientGone)
    this.#call = this.#ways.engine.send(this.#outgoing, this)
  }

  refuse(reason: Reason, detail: string): void {
    this.#settle()
    const { socket } = this.#client
    const outcome = { status: describe(reason).status, bytes: 0, failure: reason, detail }
    if (socket.destroyed) this.#exchange.done(outcome)
    else socket.once('close', () => this.#exchange.done(outcome))
    this.#exchange.refuse(reason, detail)
  }

  started(): void {
    const limit = this.#ways.options.timeouts.response
    if (limit > 0) this.#waiting = setTimeout(this.#late, limit)
  }
  information(): void {}

  /** Not granted: from here on it is an ordinary answer. */
  head(status: number, statusText: string, raw: RawHeaders): void {
    if (this.#isOver || !this.#call) return
    this.#settle()
    const response = responseOn(this.#client.socket, this.#exchange.incoming)
    this.#passage = new Passage(this.#ways, this.#exchange, response, this.#address, false)
    this.#passage.adopt(this.#call)
    this.#passage.head(status, statusText, raw)
  }
  data(chunk: Buffer): boolean {
    return this.#passage?.data(chunk) ?? false
  }
  end(trailers: RawHeaders): void {
    this.#passage?.end(trailers)
  }

  failed(reason: Reason, detail: string, stale: boolean): void {
    if (this.#passage) return this.#passage.failed(reason, detail, false)
    if (this.#isOver) return
    clearTimeout(this.#waiting)
    if (!stale || this.#isRepeated || !this.#outgoing) return this.refuse(reason, detail)
    this.#isRepeated = true
    this.#call = this.#ways.engine.send(this.#outgoing, this)
  }

  upgraded(raw: RawHeaders, portal: Duplex): void {
    portal.on('error', ignore)
    if (this.#isOver) return void portal.destroy()
    const headers = this.#switchedHeaders(raw)
    if (!headers) {
      portal.destroy()
      return this.refuse('portal-failed', 'the portal switched to another protocol')
    }
    this.#settle()
    const { socket, head } = this.#client
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n`, 'latin1')
    const { options, connections } = this.#ways
    const upstreamMs = options.clock() - this.#begun
    joinSockets(
      {
        client: socket,
        portal,
        early: head,
        silence: options.timeouts.stream,
        watch: (close) => connections.add('stream', this.#exchange.allow, close),
      },
      (end) => this.#exchange.done({ status: 101, upstreamMs, ...end }),
    )
  }

  #switchedHeaders(raw: RawHeaders): string | undefined {
    const upgrade = raw.findIndex((name, at) => at % 2 === 0 && text(name).toLowerCase() === 'upgrade')
    if (upgrade < 0 || text(raw[upgrade + 1] as string).toLowerCase() !== 'websocket') return undefined
    const { allow, request } = this.#exchange
    const { cookiePrefixes } = this.#ways.options
    const flat = mendResponseHeaders(raw, { allow, request, address: this.#address, cookiePrefixes, keepsTrailer: false })
    if (!flat) return undefined
    let lines = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
    for (let at = 0; at < flat.length; at += 2) {
      if ((flat[at] as string).toLowerCase() !== 'content-length') lines += `${flat[at]}: ${flat[at + 1]}\r\n`
    }
    return lines
  }

  readonly #late = (): void => {
    this.#call?.abort()
    this.refuse('portal-timeout', 'no answer in time')
  }
  readonly #clientGone = (): void => {
    this.#settle()
    this.#call?.abort()
    this.#exchange.done({ status: describe('client-gone').status, bytes: 0, failure: 'client-gone' })
  }
  /** Somebody else looks after the sockets now. */
  #settle(): void {
    this.#isOver = true
    clearTimeout(this.#waiting)
    this.#client.socket.off('close', this.#clientGone)
  }
}
