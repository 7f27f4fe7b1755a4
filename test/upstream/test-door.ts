// The least door there can be: everything is allowed, so that what reaches the portal and the client is upstream's doing.
import { once } from 'node:events'
import { createServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { canonicalAddress } from '../../src/addresses.ts'
import { describe, type Reason } from '../../src/errors.ts'
import { compileNames } from '../../src/header-names.ts'
import type { Allow, Portal, RequestView } from '../../src/types.ts'
import { createForwarder, type Exchange, type Outcome, type UpstreamOptions } from '../../src/upstream/forward.ts'
import type { SessionWatch } from '../../src/upstream/open-connections.ts'

export interface DoorSettings {
  readonly engine: UpstreamOptions['engine']
  readonly upstream: string
  readonly portal?: Partial<Portal>
  readonly allow?: Partial<Allow>
  readonly isTrusted?: boolean
  readonly timeouts?: Partial<UpstreamOptions['timeouts']>
  readonly clock?: () => number
  readonly watch?: Partial<SessionWatch>
  /** Identity header names of the generation. */
  readonly ours?: readonly string[]
  /** Upgrades come without a response on their socket. */
  readonly hasBareSockets?: boolean
}
export interface TestDoor {
  readonly port: number
  /** The next exchange that is over, in order. */
  outcome(): Promise<Outcome>
  readonly refusals: readonly Reason[]
  closeForwarder(): Promise<void>
  /** As at the end of a drain: upgraded connections are destroyed. */
  dropUpgraded(): void
  close(): Promise<void>
}

export const engines: readonly UpstreamOptions['engine'][] = ['undici', 'http-proxy']

function viewOf(incoming: IncomingMessage, isTrusted: boolean): RequestView {
  const target = incoming.url ?? '/'
  const cut = target.indexOf('?')
  const lines = (name: string): string[] =>
    incoming.rawHeaders.filter((_value, at) => at % 2 === 1 && incoming.rawHeaders[at - 1]?.toLowerCase() === name)
  return {
    id: 'request-1',
    method: incoming.method ?? '',
    host: (incoming.headers.host ?? '').replace(/:\d+$/, '').toLowerCase(),
    path: cut < 0 ? target : target.slice(0, cut),
    query: cut < 0 ? '' : target.slice(cut),
    cookies: '',
    lines,
    peer: {
      address: canonicalAddress(incoming.socket.remoteAddress ?? '') ?? '',
      isTrustedProxy: isTrusted,
      certificateNames: [],
    },
    clientAddress: null,
    navigation: false,
  }
}

export async function startTestDoor(settings: DoorSettings): Promise<TestDoor> {
  const forwarder = createForwarder({
    engine: settings.engine,
    timeouts: { connect: 5_000, response: 20_000, stream: 0, ...settings.timeouts },
    classify: compileNames(settings.ours ?? []),
    cookiePrefixes: ['__Host-postern', 'postern'],
    clock: settings.clock ?? Date.now,
    ...settings.watch,
  })
  const portal = {
    name: 'home',
    origin: 'https://home.company.com',
    upstream: new URL(settings.upstream),
    preserveHost: true,
    authorization: 'pass',
    ...settings.portal,
  } as Portal
  const allow = {
    kind: 'allow',
    reason: 'allowed',
    portal,
    cookies: [],
    headers: ['iv-user', 'anna', 'iv-groups', '"staff"'],
    consumedAuthorization: false,
    bare: false,
    passThrough: [],
    ...settings.allow,
  } as unknown as Allow

  const ended: Outcome[] = []
  const waiting: ((outcome: Outcome) => void)[] = []
  const refusals: Reason[] = []
  const upgraded = new Set<Duplex>()
  const exchange = (incoming: IncomingMessage, answer: (status: number) => void): Exchange => {
    let isDone = false
    return {
      allow,
      request: viewOf(incoming, settings.isTrusted ?? false),
      incoming,
      refuse: (reason) => {
        refusals.push(reason)
        answer(describe(reason).status)
      },
      done: (outcome) => {
        if (isDone) throw new Error('done was called twice')
        isDone = true
        const next = waiting.shift()
        if (next) next(outcome)
        else ended.push(outcome)
      },
    }
  }
  const server = createServer({
    requestTimeout: 0,
    shouldUpgradeCallback: (incoming) => incoming.method === 'GET' && incoming.headers.upgrade?.toLowerCase() === 'websocket',
  })
  server.on('request', (incoming, response) => {
    forwarder.forward(
      exchange(incoming, (status) => response.writeHead(status, { 'Content-Length': 7 }).end('refused')),
      response,
    )
  })
  server.on('checkContinue', (incoming, response) => {
    response.writeContinue()
    server.emit('request', incoming, response)
  })
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket)
    const response = new ServerResponse(incoming)
    const refuse = (status: number): void => {
      if (settings.hasBareSockets) socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      else response.writeHead(status, { 'Content-Length': 7 }).end('refused')
    }
    response.shouldKeepAlive = false
    if (!settings.hasBareSockets) response.assignSocket(socket as Socket)
    response.once('finish', () => socket.end())
    forwarder.upgrade(exchange(incoming, refuse), socket, head)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    refusals,
    closeForwarder: () => forwarder.close(),
    dropUpgraded: () => {
      for (const socket of upgraded) socket.destroy()
    },
    outcome: () => {
      const first = ended.shift()
      return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve))
    },
    close: async () => {
      server.close()
      server.closeAllConnections()
      await forwarder.close()
    },
  }
}
