// Owns the way to the portal and back: headers, bodies, time limits, upgrades. Takes an Allow and nothing else; knows
// no rule, no session, no page. What is refused before the first byte is answered by the door.
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Portal } from '../types.ts'
import type { Engine } from './engine.ts'
import type { Exchange, UpstreamOptions } from './exchange.ts'
import { httpProxyEngine } from './http-proxy-engine.ts'
import { createOpenConnections } from './open-connections.ts'
import { Passage, type Ways } from './passage.ts'
import { type PortalAddress, readAddress } from './portal-address.ts'
import { readRequestHead } from './request-headers.ts'
import { undiciEngine } from './undici-engine.ts'
import { answerUpgrade } from './upgrade.ts'

export type { Exchange, Outcome, UpstreamOptions } from './exchange.ts'

export interface Forwarder {
  /** Streams the request to the portal and the answer back. Never throws. */
  forward(exchange: Exchange, response: ServerResponse): void
  /** The same for a WebSocket; an answer other than 101 is passed on as an ordinary one. Never throws. */
  upgrade(exchange: Exchange, socket: Duplex, head: Buffer): void
  /** Takes no new request; resolves when the running ones have ended. Open WebSockets are their door's to close. */
  close(): Promise<void>
}

const engines: Readonly<Record<UpstreamOptions['engine'], (connectTimeout: number) => Engine>> = {
  undici: undiciEngine,
  'http-proxy': httpProxyEngine,
}

export function createForwarder(options: UpstreamOptions): Forwarder {
  const connections = createOpenConnections(options)
  const ways: Ways = { engine: engines[options.engine](options.timeouts.connect), options, connections }
  const addresses = new WeakMap<Portal, PortalAddress>()
  const addressOf = (portal: Portal): PortalAddress => {
    const address = addresses.get(portal) ?? readAddress(portal)
    addresses.set(portal, address)
    return address
  }
  return {
    forward: (exchange, response) => forward(ways, exchange, response, addressOf(exchange.allow.portal)),
    upgrade: (exchange, socket, head) => answerUpgrade(ways, exchange, socket, head, addressOf(exchange.allow.portal)),
    close: () => {
      connections.close()
      return ways.engine.close()
    },
  }
}

function forward(ways: Ways, exchange: Exchange, response: ServerResponse, address: PortalAddress): void {
  const head = readRequestHead(exchange, ways.options, address)
  const isHead = 'headers' in head
  const passage = new Passage(ways, exchange, response, address, isHead && head.wantsTrailers)
  if (!isHead) return passage.refuse(head.reason, head.detail)
  const trouble = unsendable(exchange)
  if (trouble) return passage.refuse(trouble, 'the request line cannot be sent on')
  passage.send(head)
}

/** The door has looked at both; an engine that is given one of these throws, or tunnels. */
function unsendable({ request: { method, path, query } }: Exchange): 'method-refused' | 'path-refused' | undefined {
  if (method === 'CONNECT' || method === 'TRACE') return 'method-refused'
  return /^\/[\x21-\xff]*$/.test(path) && !/[^\x21-\xff]/.test(query) ? undefined : 'path-refused'
}
