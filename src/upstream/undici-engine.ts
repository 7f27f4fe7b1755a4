// The default engine: undici's dispatch, which sends paths byte for byte and frames every body. Its traps: it throws on
// hop-by-hop names (they are gone before), a bounded pool wedges, and it takes the TLS name from Host.

import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { Reason } from '../errors.ts'
import type { Portal } from '../types.ts'
import {
  type Call,
  detailOf,
  type Engine,
  idleConnection,
  maxAnswerHead,
  type Outgoing,
  type RawHeaders,
  type Sink,
} from './engine.ts'

/** One portal's connections, and what undici does not tell of them. */
interface Lane {
  readonly pool: Pool
  readonly serverName: string | undefined
  /** Holds while undici writes the first request on a connection just made. */
  isFresh: boolean
  /** Holds while undici hears that a connection broke: it then takes an answer without length for whole. */
  isBreaking: boolean
}

/** @param connectTimeout milliseconds */
export function undiciEngine(connectTimeout: number): Engine {
  const lanes = new Map<string, Lane>()
  const known = new WeakMap<Portal, Lane>()
  let closing: Promise<void> | undefined
  const laneOf = (portal: Portal): Lane => {
    let lane = known.get(portal)
    if (!lane) {
      const key = JSON.stringify([portal.upstream.origin, portal.upstreamTls])
      lane = lanes.get(key) ?? openLane(portal, connectTimeout)
      lanes.set(key, lane)
      known.set(portal, lane)
    }
    return lane
  }
  return {
    send(request, sink) {
      const lane = laneOf(request.portal)
      const call = new UndiciCall(lane, sink)
      lane.pool.dispatch(dispatchOptions(request, lane), call)
      return call
    },
    close: () => {
      closing ??= Promise.all([...lanes.values()].map(({ pool }) => pool.close())).then(() => undefined)
      return closing
    },
  }
}

function openLane({ upstream, upstreamTls }: Portal, connectTimeout: number): Lane {
  const hostname = upstream.hostname.replace(/^\[|\]$/g, '')
  // the portal's own name, never the client's Host, decides SNI and which certificate is accepted
  const serverName = upstreamTls?.serverName ?? (isIP(hostname) === 0 ? hostname : undefined)
  const connect = buildConnector({
    allowH2: false,
    timeout: connectTimeout,
    ...(upstreamTls?.ca === undefined ? undefined : { ca: upstreamTls.ca }),
    ...(upstreamTls?.cert === undefined ? undefined : { cert: upstreamTls.cert }),
    ...(upstreamTls?.key === undefined ? undefined : { key: upstreamTls.key }),
  })
  const pool = new Pool(upstream.origin, {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: maxAnswerHead,
    keepAliveTimeout: idleConnection,
    // time is kept by the passage, the same for both engines
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) =>
      connect({ ...options, ...(upstream.protocol === 'https:' ? { servername: serverName ?? '' } : undefined) }, (...result) => {
        watchBreaking(lane, result[1])
        lane.isFresh = true
        try {
          callback(...result)
        } finally {
          lane.isFresh = false
        }
      }),
  })
  const lane: Lane = { pool, serverName, isFresh: false, isBreaking: false }
  return lane
}

/** Heard before undici's own listener, and over when all of them have been told. */
function watchBreaking(lane: Lane, socket: Duplex | null): void {
  socket?.on('error', () => {
    lane.isBreaking = true
    queueMicrotask(() => {
      lane.isBreaking = false
    })
  })
}

function dispatchOptions({ portal, method, path, headers, body, upgrade }: Outgoing, lane: Lane): Dispatcher.DispatchOptions {
  const options: Dispatcher.DispatchOptions = { path, method, headers: headers as string[], body, upgrade }
  // one constant name: undici reconnects whenever it changes, and would read it from Host
  return portal.upstream.protocol === 'https:' ? Object.assign(options, { servername: lane.serverName ?? 'portal' }) : options
}

class UndiciCall implements Dispatcher.DispatchHandler, Call {
  readonly #lane: Lane
  readonly #sink: Sink
  #controller: Dispatcher.DispatchController | null = null
  #isAborted = false
  #isReused = false
  #isAnswered = false

  constructor(lane: Lane, sink: Sink) {
    this.#lane = lane
    this.#sink = sink
  }

  resume(): void {
    this.#controller?.resume()
  }
  abort(): void {
    this.#isAborted = true
    this.#controller?.abort(new Error('given up'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isAborted) return controller.abort(new Error('given up'))
    this.#isReused = !this.#lane.isFresh
    this.#sink.started()
  }
  onResponseStarted(): void {
    this.#isAnswered = true
  }
  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, statusText?: string): void {
    const raw = controller.rawHeaders as RawHeaders
    if (status < 200) this.#sink.information(status, raw)
    else this.#sink.head(status, bytesOf(statusText ?? ''), raw)
  }
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#sink.data(chunk)) controller.pause()
  }
  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#lane.isBreaking) return this.#sink.failed('portal-broke-off', 'the connection broke within the answer', false)
    this.#sink.end((controller.rawTrailers ?? []) as RawHeaders)
  }
  onRequestUpgrade(controller: Dispatcher.DispatchController, _status: number, _headers: unknown, socket: Duplex): void {
    this.#sink.upgraded(controller.rawHeaders as RawHeaders, socket)
  }
  onResponseError(_controller: unknown, error: Error): void {
    if (this.#isAborted) return
    const { code = '' } = error as { code?: string }
    const stale = this.#isReused && !this.#isAnswered && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
    this.#sink.failed(reasonOf(code, error.message), detailOf(error), this.#controller !== null && stale)
  }
}

/** undici reads the reason phrase as UTF-8; what was none is lost, what was some goes out as it came. */
function bytesOf(statusText: string): string {
  if (/^[\t\x20-\x7e]*$/.test(statusText)) return statusText
  return statusText.includes('\ufffd') ? '' : Buffer.from(statusText).toString('latin1')
}

/** What undici says where the answer was not one that it takes. */
const badAnswers = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'])

function reasonOf(code: string, message: string): Reason {
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'internal'
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') return 'shutting-down'
  if (code.startsWith('HPE_') || badAnswers.has(code) || message.startsWith('bad ')) return 'portal-failed'
  return 'portal-unreachable'
}
