// Reverse-proxy mode: reads a request, or refuses what cannot be read, and hands it to a Visit. Every request that enters leaves.
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isRefused, type Refused, readRequest } from './request-view.ts'
import type { Served } from './served.ts'
import { createTurns } from './turns.ts'
import { type Upgrade, Visit, type VisitContext } from './visit.ts'

export interface DoorContext extends VisitContext {
  readonly current: () => Served
  /** True while the process is being stopped: answers close their connection. */
  readonly draining: () => boolean
}

export interface ProxyDoor {
  request(incoming: IncomingMessage, response: ServerResponse): void
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** `Expect: 100-continue`: the body is asked for only when the decision is allow. */
  checkContinue(incoming: IncomingMessage, response: ServerResponse): void
  /** Requests and upgraded connections under way. */
  readonly active: () => number
  /** What came next on this connection could not be read. True: an answer is still on its way, the end comes after it. */
  garbled(socket: Duplex): boolean
}

export function createProxyDoor(context: DoorContext): ProxyDoor {
  let active = 0
  const turns = createTurns()
  const leave = (served: Served): void => {
    active--
    served.release()
  }

  function enter(incoming: IncomingMessage, response: ServerResponse, expectsContinue: boolean, upgrade?: Upgrade): void {
    const served = context.current()
    active++
    served.hold()
    if (context.draining()) response.shouldKeepAlive = false
    const { trust, healthPath } = served.parts
    if (healthPath !== '' && incoming.url === healthPath && !upgrade) return healthy(served, incoming, response)
    const read = readRequest(incoming, trust, upgrade !== undefined)
    if (isRefused(read)) return refuse(read, served, incoming, response)
    if (read.unheardUpgrade) response.shouldKeepAlive = false
    new Visit(context, served, read, { incoming, response, upgrade }, leave).begin(expectsContinue)
  }

  function refuse(refused: Refused, served: Served, incoming: IncomingMessage, response: ServerResponse): void {
    turns.spoil(incoming.socket)
    const sent = served.parts.reply.refused(refused, response)
    context.onRefusal?.({
      id: refused.id,
      at: context.clock(),
      generation: served.parts.generation.number,
      method: incoming.method ?? '',
      host: '',
      path: refused.path,
      clientIp: refused.peer.address,
      portal: '',
      reason: refused.reason,
      detail: refused.detail,
    })
    context.metrics.request('', 'deny', sent.status, 0)
    if (context.accessLog) {
      const { id, path, reason } = refused
      const nobody = { portal: '', provider: '', credentials: '', rule: '', account: '' }
      context.log.access({
        ...nobody,
        id,
        path,
        reason,
        method: incoming.method ?? '',
        status: sent.status,
        ms: 0,
        bytes: sent.bytes,
        decision: 'deny',
        clientIp: refused.peer.address,
      })
    }
    leave(served)
  }

  /** For load balancers that can only ask the traffic port: an exact path, never a User-Agent (CVE-2026-34457). */
  function healthy(served: Served, incoming: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, ['Content-Type', 'text/plain', 'Cache-Control', 'no-store', 'Content-Length', '2'])
    response.end(incoming.method === 'HEAD' ? undefined : 'ok')
    leave(served)
  }

  return {
    active: () => active,
    request: (incoming, response) => turns.take(incoming.socket, response, () => enter(incoming, response, false)),
    checkContinue: (incoming, response) => turns.take(incoming.socket, response, () => enter(incoming, response, true)),
    garbled: (socket) => {
      turns.spoil(socket)
      return turns.isBusy(socket)
    },
    upgrade: (incoming, socket, head) => {
      const response = turns.isBusy(socket) ? undefined : responseOn(incoming, socket)
      if (response) return enter(incoming, response, false, { socket, head })
      // the socket still carries an answer: a second one cannot be put on it
      socket.on('error', () => socket.destroy())
      turns.spoil(socket)
    },
  }
}

/** An upgrade that is refused is answered like any request, on the bare socket node hands over; undefined: it carries an answer. */
function responseOn(incoming: IncomingMessage, socket: Duplex): ServerResponse | undefined {
  const response = new ServerResponse(incoming)
  response.shouldKeepAlive = false
  try {
    response.assignSocket(socket as Socket)
  } catch {
    return undefined // an answer of node's own is still on it
  }
  response.once('finish', () => socket.end())
  socket.once('error', () => socket.destroy())
  return response
}
