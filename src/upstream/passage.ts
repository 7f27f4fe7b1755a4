// One request's way through: the engine tells what the portal says, this writes it to the client. Whole or visibly broken:
// an answer that the portal did not finish is never ended as if it were whole.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, type Reason } from '../errors.ts'
import { kindOf } from './answer-kind.ts'
import { linksOf } from './early-hints.ts'
import type { Call, Engine, Outgoing, RawHeaders, Sink } from './engine.ts'
import type { Exchange, Outcome, UpstreamOptions } from './exchange.ts'
import type { OpenConnections } from './open-connections.ts'
import type { PortalAddress } from './portal-address.ts'
import { RequestBody, type Turn } from './request-body.ts'
import type { RequestHead } from './request-headers.ts'
import { mendResponseHeaders, mendTrailers, text } from './response-headers.ts'

/** What all requests share. */
export interface Ways {
  readonly engine: Engine
  readonly options: UpstreamOptions
  readonly connections: OpenConnections
}

/** RFC 9110 section 9.2.2; sent again once, and only where there is no body and the portal may never have seen them. */
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
/** An upload that outlives its answer is read and thrown away for so long, milliseconds: RFC 9112 section 9.6. */
const lingering = 10_000

type Stage = 'asking' | 'answering' | 'over'

export class Passage implements Sink {
  readonly #ways: Ways
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  readonly #address: PortalAddress
  readonly #wantsTrailers: boolean
  readonly #begun: number
  #outgoing: Outgoing | null = null
  #call: Call | null = null
  #stage: Stage = 'asking'
  #isDone = false
  #isRepeated = false
  #keepsTrailer = false
  #awaitsDrain = false
  #bytes = 0
  #upstreamMs: number | undefined
  #failure: Reason | undefined
  #detail: string | undefined
  #waiting: NodeJS.Timeout | undefined
  #silence: NodeJS.Timeout | undefined
  #lookAway: (() => void) | undefined
  #isCut = false

  constructor(ways: Ways, exchange: Exchange, response: ServerResponse, address: PortalAddress, wantsTrailers: boolean) {
    this.#ways = ways
    this.#exchange = exchange
    this.#response = response
    this.#address = address
    this.#wantsTrailers = wantsTrailers && exchange.incoming.httpVersionMinor === 1
    this.#begun = ways.options.clock()
    response.on('close', this.#closed).on('error', ignore)
  }

  /** Sends the request; everything else follows from what the engine tells. */
  send(head: RequestHead): void {
    const { allow, request, incoming } = this.#exchange
    const body = head.hasBody ? new RequestBody(incoming, this.#turn) : null
    const path = request.path + request.query
    this.#outgoing = { portal: allow.portal, method: request.method, path, headers: head.headers, body, upgrade: null }
    if (this.#ways.options.timeouts.stream > 0) this.#silence = setTimeout(this.#silent, this.#ways.options.timeouts.stream)
    this.#call = this.#ways.engine.send(this.#outgoing, this)
  }

  /** Goes on with an answer that began as something else (an upgrade that was not granted). */
  adopt(call: Call): void {
    this.#call = call
  }

  /** Before the first byte: the door answers. */
  refuse(reason: Reason, detail: string): void {
    this.#stopTimers()
    this.#stage = 'over'
    this.#failure = reason
    this.#detail = detail
    this.#exchange.refuse(reason, detail)
  }

  started(): void {
    if (!this.#outgoing?.body) this.#turn('sent')
  }

  information(status: number, headers: RawHeaders): void {
    if (status !== 103 || this.#stage !== 'asking' || this.#exchange.incoming.httpVersionMinor !== 1) return
    const link = linksOf(headers)
    if (link.length === 0) return
    try {
      this.#response.writeEarlyHints({ link })
    } catch {
      // a hint that cannot be written is no loss
    }
  }

  head(status: number, statusText: string, raw: RawHeaders): void {
    if (this.#stage !== 'asking') return
    this.#stopWaiting()
    this.#upstreamMs = this.#ways.options.clock() - this.#begun
    this.#keepsTrailer = this.#wantsTrailers && status !== 204 && status !== 304 && this.#exchange.request.method !== 'HEAD'
    const headers = mendResponseHeaders(raw, {
      allow: this.#exchange.allow,
      request: this.#exchange.request,
      address: this.#address,
      cookiePrefixes: this.#ways.options.cookiePrefixes,
      keepsTrailer: this.#keepsTrailer && isChunked(raw),
    })
    if (!headers) return this.#break('portal-failed', 'the answer has a transfer coding that was not asked for')
    try {
      this.#response.writeHead(status, writableReason(statusText), headers)
    } catch (error) {
      return this.#break('portal-failed', `the head of the answer cannot be written: ${(error as { code?: string }).code}`)
    }
    this.#stage = 'answering'
    process.nextTick(flush, this.#response)
    this.#watch(status, raw)
  }

  /** A portal's own sign-out is not cut by the end that it brings about. */
  #watch(status: number, raw: RawHeaders): void {
    const { allow, request } = this.#exchange
    if (status === 204 || status === 304 || request.method === 'HEAD' || allow.endsSession) return
    const kind = kindOf(raw)
    if (kind) this.#lookAway = this.#ways.connections.add(kind, allow, this.#sessionOver)
  }

  data(chunk: Buffer): boolean {
    const response = this.#response
    if (this.#stage !== 'answering' || response.destroyed) return false
    this.#bytes += chunk.length
    this.#silence?.refresh()
    if (response.write(chunk)) return true
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true
      response.on('drain', () => this.#call?.resume())
    }
    return false
  }

  end(trailers: RawHeaders): void {
    if (this.#stage !== 'answering') return
    this.#stage = 'over'
    this.#stopTimers()
    if (this.#keepsTrailer && trailers.length > 0 && this.#response.chunkedEncoding) {
      this.#response.addTrailers(mendTrailers(trailers))
    }
    this.#response.end()
  }

  /** Nobody asked for one here. */
  upgraded(_headers: RawHeaders, socket: Duplex): void {
    socket.on('error', ignore).destroy()
    this.#break('portal-failed', 'the portal switched protocols unasked')
  }

  failed(reason: Reason, detail: string, stale: boolean): void {
    if (this.#stage === 'over') return
    const outgoing = this.#outgoing
    if (stale && this.#stage === 'asking' && !this.#isRepeated && outgoing && !outgoing.body && repeatable.has(outgoing.method)) {
      this.#isRepeated = true
      this.#stopWaiting()
      this.#call = this.#ways.engine.send(outgoing, this)
      return
    }
    this.#call = null
    this.#break(this.#stage === 'asking' ? reason : 'portal-broke-off', detail)
  }

  #break(reason: Reason, detail: string): void {
    this.#call?.abort()
    if (this.#stage === 'asking') return this.refuse(reason, detail)
    this.#failure = reason
    this.#cutOff(detail)
  }
  #cutOff(detail: string): void {
    this.#stopTimers()
    this.#stage = 'over'
    this.#isCut = true
    this.#detail = detail
    cut(this.#response)
  }

  readonly #sessionOver = (why: string): void => {
    if (this.#stage !== 'answering') return
    this.#call?.abort()
    this.#cutOff(why)
  }
  readonly #turn = (turn: Turn): void => {
    this.#silence?.refresh()
    if (this.#stage !== 'asking') return
    if (turn === 'client') return this.#stopWaiting()
    const limit = this.#ways.options.timeouts.response
    if (limit > 0) this.#waiting ??= setTimeout(this.#late, limit)
  }
  readonly #late = (): void => {
    if (this.#stage === 'asking') this.#break('portal-timeout', 'no answer in time')
  }
  /** While the portal's answer is awaited the other limit counts. */
  readonly #silent = (): void => {
    if (this.#stage === 'over') return
    if (this.#stage === 'asking' && this.#waiting) return void this.#silence?.refresh()
    this.#break(this.#stage === 'asking' ? 'request-timeout' : 'portal-broke-off', 'silence inside a body')
  }
  #stopWaiting(): void {
    clearTimeout(this.#waiting)
    this.#waiting = undefined
  }
  #stopTimers(): void {
    this.#stopWaiting()
    clearTimeout(this.#silence)
  }

  /** The response is finished or its client is gone: nothing more will be written. */
  readonly #closed = (): void => {
    if (this.#isDone) return
    this.#isDone = true
    this.#stopTimers()
    this.#lookAway?.()
    if (!this.#response.writableFinished && !this.#isCut) this.#failure ??= 'client-gone'
    if (this.#stage !== 'over') {
      this.#stage = 'over'
      this.#call?.abort()
    }
    this.#outgoing?.body?.destroy()
    linger(this.#exchange.incoming)
    this.#exchange.done(this.#outcome())
  }

  #outcome(): Outcome {
    return {
      status: this.#response.headersSent ? this.#response.statusCode : describe(this.#failure ?? 'internal').status,
      bytes: this.#bytes,
      ...(this.#failure === undefined ? undefined : { failure: this.#failure }),
      ...(this.#detail === undefined ? undefined : { detail: this.#detail }),
      ...(this.#upstreamMs === undefined ? undefined : { upstreamMs: this.#upstreamMs }),
    }
  }
}

const ignore = (): void => {}

const nothing = Buffer.alloc(0)

/** An event stream's head must not wait for its first event. Not flushHeaders: that writes a latin1 head as UTF-8. */
const flush = (response: ServerResponse): void => {
  if (!response.writableEnded && !response.destroyed) response.write(nothing)
}

const isChunked = (raw: RawHeaders): boolean =>
  raw.some((name, at) => at % 2 === 0 && name.length === 17 && text(name).toLowerCase() === 'transfer-encoding')

/** A phrase means nothing to a program; one that cannot be written is left out. */
const writableReason = (reason: string): string => (/[^\t\x20-\x7e\x80-\xff]/.test(reason) ? '' : reason)

/** Where only the end of the connection ends the body, a plain close would say "whole": then a reset says it is not. */
function cut(response: ServerResponse): void {
  const socket = response.socket as (Socket & { readonly encrypted?: boolean }) | null
  if (socket && !response.chunkedEncoding && !response.hasHeader('content-length') && !socket.encrypted) socket.resetAndDestroy()
  else response.destroy()
}

/** Early answer: closing with unread bytes would reset the connection and could take the answer with it. */
function linger(incoming: Exchange['incoming']): void {
  if (incoming.complete || incoming.destroyed) return
  const timer = setTimeout(() => incoming.socket.destroy(), lingering)
  timer.unref()
  const stop = (): void => clearTimeout(timer)
  incoming.once('end', stop).once('close', stop)
}
