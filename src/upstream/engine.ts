// The seam between "what is forwarded" and "which HTTP client carries it". An engine frames, connects and parses; it knows
// no Allow, no client socket and no header policy. Both engines run the same conformance suite.
import type { Duplex } from 'node:stream'
import type { Reason } from '../errors.ts'
import type { Portal } from '../types.ts'
import type { RequestBody } from './request-body.ts'

/** Flat name, value, name, value as the portal sent them: latin1 text, or its bytes. */
export type RawHeaders = readonly (string | Buffer)[]

export interface Outgoing {
  readonly portal: Portal
  readonly method: string
  /** Path and query, to be sent byte for byte. */
  readonly path: string
  /** Flat; no hop-by-hop field and no Transfer-Encoding among them. At most one Host and one Content-Length. */
  readonly headers: readonly string[]
  /** Chunked where `headers` hold no Content-Length. */
  readonly body: RequestBody | null
  /** The protocol to upgrade to. */
  readonly upgrade: string | null
}

/** What became of a request. Called in this order; exactly one of end, upgraded and failed comes last. */
export interface Sink {
  /** Connected: the request goes out now. */
  started(): void
  information(status: number, headers: RawHeaders): void
  head(status: number, statusText: string, headers: RawHeaders): void
  /** False: send no more until `resume`. */
  data(chunk: Buffer): boolean
  end(trailers: RawHeaders): void
  /** What the portal said after its 101 is already back in `socket`. */
  upgraded(headers: RawHeaders, socket: Duplex): void
  /** `stale`: a kept-alive connection died before any byte of an answer, so the portal may never have seen the request. */
  failed(reason: Reason, detail: string, stale: boolean): void
}

export interface Call {
  resume(): void
  /** Nothing is called after it. */
  abort(): void
}

export interface Engine {
  send(request: Outgoing, sink: Sink): Call
  /** Takes no new request, resolves when the running ones have ended. Upgraded sockets are no longer the engine's. */
  close(): Promise<void>
}

/** The largest head a portal may answer with, bytes. */
export const maxAnswerHead = 64 * 1024
/** An idle connection is given up after this many milliseconds: below the 5 s after which Node, Jetty and others close theirs. */
export const idleConnection = 4_000

/** One line for the log, without a stack. */
export function detailOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return code && !message?.includes(code) ? `${code}: ${message}` : String(message ?? error)
}
