// One request on node:http's client, whoever made it: events of the ClientRequest become calls of the sink.
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Reason } from '../errors.ts'
import { type Call, detailOf, type Outgoing, type Sink } from './engine.ts'

export class HttpCall implements Call {
  readonly request: Outgoing
  readonly #sink: Sink
  readonly #connectTimeout: number
  readonly #running: Running
  #outgoing: ClientRequest | null = null
  #answer: IncomingMessage | null = null
  #connecting: NodeJS.Timeout | undefined
  #readBefore = 0
  #isOver = false

  constructor(request: Outgoing, sink: Sink, connectTimeout: number, running: Running) {
    this.request = request
    this.#sink = sink
    this.#connectTimeout = connectTimeout
    this.#running = running
    running.begin()
  }

  resume(): void {
    this.#answer?.resume()
  }
  abort(): void {
    this.#finish()
    this.#outgoing?.destroy()
  }

  /** The request has a socket; its head is not yet written. */
  take(outgoing: ClientRequest): void {
    this.#outgoing = outgoing
    if (this.#isOver) return void outgoing.destroy()
    // http-proxy collapses `//` and rewrites `http:/` in what the rules have seen
    outgoing.path = this.request.path
    outgoing.on('information', ({ statusCode, rawHeaders }) => this.#sink.information(statusCode, rawHeaders))
    outgoing.on('upgrade', (answer, socket, head) => this.#switched(answer, socket, head))
    const socket = outgoing.socket as Socket
    this.#readBefore = socket.bytesRead
    if (!socket.connecting) return this.#start()
    this.#connecting = setTimeout(() => outgoing.destroy(new Error('connect timeout')), this.#connectTimeout)
    socket.once(this.request.portal.upstream.protocol === 'https:' ? 'secureConnect' : 'connect', () => this.#start())
  }

  #start(): void {
    clearTimeout(this.#connecting)
    if (!this.#isOver) this.#sink.started()
  }

  answered(answer: IncomingMessage): void {
    if (this.#isOver) return void answer.destroy()
    this.#answer = answer
    answer.on('data', (chunk: Buffer) => {
      if (!this.#isOver && !this.#sink.data(chunk)) answer.pause()
    })
    answer.on('end', () => this.#ended(answer))
    answer.on('error', (error) => this.broken(error))
    answer.on('close', () => this.fail('portal-broke-off', 'the connection closed within the answer'))
    this.#sink.head(answer.statusCode ?? 0, answer.statusMessage ?? '', answer.rawHeaders)
  }

  #ended(answer: IncomingMessage): void {
    if (this.#isOver) return
    this.#finish()
    // answered before all was sent: the rest of the body must not follow on a connection that is kept
    if (!this.#outgoing?.writableFinished) this.#outgoing?.destroy()
    this.request.body?.destroy()
    this.#sink.end(answer.rawTrailers)
  }

  #switched(answer: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.#isOver) return void socket.on('error', () => {}).destroy()
    this.#finish()
    if (head.length > 0) socket.unshift(head)
    this.#sink.upgraded(answer.rawHeaders, socket)
  }

  broken(error: Error): void {
    const { code = '' } = error as { code?: string }
    const isReset = code === 'ECONNRESET' || code === 'EPIPE'
    const isUnanswered = this.#outgoing?.socket?.bytesRead === this.#readBefore
    const stale = isReset && isUnanswered && this.#outgoing?.reusedSocket === true
    this.fail(code.startsWith('HPE_') ? 'portal-failed' : 'portal-unreachable', detailOf(error), stale)
  }

  fail(reason: Reason, detail: string, stale = false): void {
    if (this.#isOver) return
    this.#finish()
    this.#outgoing?.destroy()
    this.request.body?.destroy()
    this.#sink.failed(reason, detail, stale)
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#connecting)
    this.#running.end()
  }
}

/** Counts what runs, so that closing waits for it. */
export class Running {
  isClosed = false
  #count = 0
  #resolve: (() => void) | undefined
  begin(): void {
    this.#count++
  }
  end(): void {
    if (--this.#count === 0) this.#resolve?.()
  }
  close(): Promise<void> {
    this.isClosed = true
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => (this.#resolve = resolve))
  }
}
