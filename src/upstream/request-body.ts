// The client's body on its way to an engine. An engine destroys the body it was given whenever its request ends early, and a
// destroyed IncomingMessage takes the client's socket with it, answer and all: so the engine gets this instead. Trailers
// stay behind (CVE-2026-88004).
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Whose turn it is: the client's to send, the portal's to read, or nobody's: all is sent. */
export type Turn = 'client' | 'portal' | 'sent'

const window = 64 * 1024

export class RequestBody extends Readable {
  readonly #incoming: IncomingMessage
  readonly #watch: (turn: Turn) => void

  constructor(incoming: IncomingMessage, watch: (turn: Turn) => void) {
    super({ highWaterMark: window })
    this.#incoming = incoming
    this.#watch = watch
    incoming.pause()
    incoming.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', ignore)
    // engines listen for errors only while they write
    this.on('error', ignore)
    this.once('end', () => watch('sent'))
  }

  override _read(): void {
    this.#watch('client')
    this.#incoming.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.push(chunk)) return
    this.#incoming.pause()
    this.#watch('portal')
  }
  readonly #onEnd = (): void => {
    this.push(null)
  }
  readonly #onClose = (): void => {
    if (!this.#incoming.complete) this.destroy(new Error('the client broke off its upload'))
  }

  /** Given up early: the rest is read and thrown away, so that a client that sends first and reads later gets its answer. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (!this.#incoming.destroyed) this.#incoming.resume()
    callback(error)
  }
}

const ignore = (): void => {}
