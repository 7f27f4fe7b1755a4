// Two sockets joined after a 101: bytes both ways with backpressure; what ends or breaks one side ends the other; the end of
// the session ends both.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Reason } from '../errors.ts'

export interface Tunnel {
  readonly client: Duplex
  readonly portal: Duplex
  /** What the client sent with its handshake. */
  readonly early: Buffer
  /** Milliseconds without a byte either way; 0: no limit. */
  readonly silence: number
  /** Ends it with the session that opened it, by calling `close`. Gives how to look no longer. */
  readonly watch: (close: (why: string) => void) => () => void
}
export interface TunnelEnd {
  /** Towards the client. */
  readonly bytes: number
  readonly failure?: Reason
  readonly detail?: string
}

/** One side has said its last word: so long the other may go on, milliseconds. */
const afterHalf = 30_000

export function joinSockets(tunnel: Tunnel, done: (end: TunnelEnd) => void): void {
  const { client, portal } = tunnel
  for (const socket of [client, portal] as Socket[]) {
    socket.allowHalfOpen = true
    socket.setTimeout?.(0)
    socket.setNoDelay?.(true)
    socket.setKeepAlive?.(true, 60_000)
  }
  const watch = new Watch(tunnel, done)
  if (tunnel.early.length > 0) portal.write(tunnel.early)
  client.on('data', watch.alive)
  portal.on('data', watch.received)
  client.pipe(portal)
  portal.pipe(client)
  client.once('end', watch.half).on('error', watch.clientFailed).once('close', watch.clientClosed)
  portal.once('end', watch.half).on('error', watch.portalFailed).once('close', watch.portalClosed)
  if (client.destroyed) watch.clientClosed()
  else watch.begin()
}

class Watch {
  readonly #tunnel: Tunnel
  readonly #done: (end: TunnelEnd) => void
  readonly #silence: NodeJS.Timeout | undefined
  #lookAway: (() => void) | undefined
  #half: NodeJS.Timeout | undefined
  #bytes = 0
  #open = 2
  #failure: { readonly failure?: Reason; readonly detail: string } | undefined

  constructor(tunnel: Tunnel, done: (end: TunnelEnd) => void) {
    this.#tunnel = tunnel
    this.#done = done
    if (tunnel.silence > 0) this.#silence = setTimeout(this.#destroyBoth, tunnel.silence)
  }

  begin(): void {
    this.#lookAway = this.#tunnel.watch((why) => {
      this.#failure ??= { detail: why }
      this.#destroyBoth()
    })
  }

  readonly alive = (): void => {
    this.#silence?.refresh()
  }
  readonly received = (chunk: Buffer): void => {
    this.#silence?.refresh()
    this.#bytes += chunk.length
  }
  readonly half = (): void => {
    this.#half ??= setTimeout(this.#destroyBoth, afterHalf).unref()
  }
  readonly clientFailed = (error: Error): void => this.#failed('client-gone', error)
  readonly portalFailed = (error: Error): void => this.#failed('portal-broke-off', error)
  readonly clientClosed = (): void => this.#closed(this.#tunnel.portal)
  readonly portalClosed = (): void => this.#closed(this.#tunnel.client)

  #failed(failure: Reason, error: Error): void {
    this.#failure ??= { failure, detail: (error as { code?: string }).code ?? 'socket error' }
    this.#destroyBoth()
  }

  /** A side that has been ended through the pipe still writes what it holds; any other has nothing to wait for. */
  #closed(other: Duplex): void {
    if (!other.writableEnded) other.destroy()
    if (--this.#open > 0) return
    clearTimeout(this.#silence)
    this.#lookAway?.()
    clearTimeout(this.#half)
    this.#done({ bytes: this.#bytes, ...this.#failure })
  }

  readonly #destroyBoth = (): void => {
    this.#tunnel.client.destroy()
    this.#tunnel.portal.destroy()
  }
}
