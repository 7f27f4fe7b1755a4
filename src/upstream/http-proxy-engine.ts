// The selectable engine: http-proxy 1.18.1, with its traps closed (docs/decisions/upstream-engines.md). It is given a request
// of our own making instead of the client's, so nothing of the client's head can come around the header policy; the answer
// is written by us. A handshake goes through node:http, because http-proxy writes the 101 to the client itself.

import { EventEmitter } from 'node:events'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import httpProxy from 'http-proxy'
import type { Portal } from '../types.ts'
import { type Engine, idleConnection, maxAnswerHead, type Outgoing } from './engine.ts'
import { HttpCall, Running } from './http-call.ts'

interface Lane {
  readonly agent: HttpAgent
  readonly serverName: string
}

/** @param connectTimeout milliseconds */
export function httpProxyEngine(connectTimeout: number): Engine {
  const lanes = new Map<string, Lane>()
  const running = new Running()
  const proxy = httpProxy.createProxyServer({})
  unmakeDeleteLength(proxy)
  proxy.on('proxyReq', (outgoing, courier) => (courier as unknown as Courier).call.take(outgoing))
  proxy.on('proxyRes', (answer, courier) => (courier as unknown as Courier).call.answered(answer))
  return {
    send(request, sink) {
      const call = new HttpCall(request, sink, connectTimeout, running)
      if (running.isClosed) call.fail('shutting-down', 'closed')
      else dispatch(proxy, call, laneOf(request.portal, lanes))
      return call
    },
    async close() {
      await running.close()
      for (const { agent } of lanes.values()) agent.destroy()
    },
  }
}

/** node:http throws on what it will not write. */
function dispatch(proxy: httpProxy, call: HttpCall, lane: Lane): void {
  try {
    if (call.request.upgrade !== null) handshake(call, lane)
    else sendThrough(proxy, call, lane)
  } catch (error) {
    call.fail('internal', `the request cannot be written: ${(error as { code?: string }).code}`)
  }
}

/** It answers chunked DELETE and OPTIONS by dropping the framing and sending the body anyway: the portal then reads the
 * body as a second request (CVE-2026-29057). */
function unmakeDeleteLength(proxy: httpProxy): void {
  const internals = proxy as unknown as { webPasses: { readonly name: string }[] }
  internals.webPasses = internals.webPasses.filter((pass) => pass.name !== 'deleteLength')
}

function laneOf({ upstream, upstreamTls }: Portal, lanes: Map<string, Lane>): Lane {
  const key = JSON.stringify([upstream.origin, upstreamTls])
  let lane = lanes.get(key)
  if (!lane) {
    const hostname = upstream.hostname.replace(/^\[|\]$/g, '')
    const keeping = { keepAlive: true, timeout: idleConnection, maxFreeSockets: 1024 }
    const agent = upstream.protocol === 'https:' ? new HttpsAgent({ ...keeping, ...upstreamTls }) : new HttpAgent(keeping)
    // an empty name keeps node:http from taking it from the client's Host
    lane = { agent, serverName: upstreamTls?.serverName ?? (isIP(hostname) === 0 ? hostname : '') }
    lanes.set(key, lane)
  }
  return lane
}

/** What http-proxy and we need of a request, and nothing of the client's. */
class Courier extends EventEmitter {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string | string[]>
  readonly socket = { destroyed: false }
  readonly call: HttpCall
  constructor(call: HttpCall) {
    super()
    this.method = call.request.method
    this.url = call.request.path
    // http-proxy copies them with util._extend, from the last to the first
    this.headers = Object.fromEntries(Object.entries(headersOf(call.request)).reverse())
    this.call = call
  }
}

/** Repeated names in one entry, under the first spelling: node:http takes an object here. */
function headersOf({ headers, body }: Outgoing): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = Object.create(null)
  const spellings = new Map<string, string>()
  for (let at = 0; at < headers.length; at += 2) {
    const lower = (headers[at] as string).toLowerCase()
    const name = spellings.get(lower) ?? (headers[at] as string)
    spellings.set(lower, name)
    const before = record[name]
    record[name] = before === undefined ? (headers[at + 1] as string) : [before, headers[at + 1] as string].flat()
  }
  // node:http sends the body of DELETE, GET and OPTIONS unframed unless it is told
  if (body && !spellings.has('content-length')) record['Transfer-Encoding'] = 'chunked'
  return record
}

function sendThrough(proxy: httpProxy, call: HttpCall, lane: Lane): void {
  const { body, portal } = call.request
  // the path is set in the socket event, so nothing may be written before it
  const buffer = { pipe: (to: ClientRequest) => to.once('socket', () => (body ? body.pipe(to) : to.end())) }
  const options = {
    target: { protocol: portal.upstream.protocol, host: hostOf(portal), hostname: hostOf(portal), port: portOf(portal) },
    agent: lane.agent,
    selfHandleResponse: true,
    toProxy: true,
    prependPath: false,
    secure: true,
    buffer,
    // merged into the options of the request; a fresh object, because http-proxy writes into it
    ssl: { servername: lane.serverName, maxHeaderSize: maxAnswerHead },
  }
  proxy.web(
    new Courier(call) as unknown as IncomingMessage,
    { finished: false } as unknown as ServerResponse,
    options as unknown as httpProxy.ServerOptions,
    (error) => call.broken(error),
  )
}

const hostOf = ({ upstream }: Portal): string => upstream.hostname.replace(/^\[|\]$/g, '')
const portOf = ({ upstream }: Portal): string => upstream.port || (upstream.protocol === 'https:' ? '443' : '80')

function handshake(call: HttpCall, lane: Lane): void {
  const { portal, path, upgrade } = call.request
  const send = portal.upstream.protocol === 'https:' ? httpsRequest : httpRequest
  const options: RequestOptions & { readonly servername: string } = {
    host: hostOf(portal),
    port: portOf(portal),
    method: 'GET',
    path,
    headers: { ...headersOf(call.request), Connection: 'Upgrade', Upgrade: upgrade ?? '' },
    agent: lane.agent,
    servername: lane.serverName,
    maxHeaderSize: maxAnswerHead,
  }
  const outgoing = send(options)
  outgoing.on('error', (error) => call.broken(error))
  outgoing.on('response', (answer) => call.answered(answer))
  outgoing.once('socket', () => call.take(outgoing))
  outgoing.end()
}
