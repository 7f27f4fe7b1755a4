// A portal without an HTTP library: it keeps the exact bytes it got and answers the exact bytes it is told to. Bytes left
// over after a request are read as the next one, as a real server would: that is how smuggling shows.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'

export interface PortalRequest {
  readonly method: string
  readonly target: string
  /** The head as sent, latin1, with its blank line. */
  readonly head: string
  readonly headers: readonly (readonly [string, string])[]
  /** Framing removed. */
  readonly body: Buffer
  readonly trailers: readonly string[]
  /** Which connection brought it, from 0. */
  readonly connection: number
  values(name: string): readonly string[]
}
export interface Script {
  /** The head is there; the body may not be. Return true where this was the answer. */
  head?(request: PortalRequest, socket: Socket): boolean | undefined
  /** The whole request is there. Default: 200 with `ok`. */
  request?(request: PortalRequest, socket: Socket): unknown
  /** Bytes are not read as HTTP from here on. */
  raw?(chunk: Buffer, socket: Socket): void
}

export class EchoPortal {
  readonly requests: PortalRequest[] = []
  readonly sockets: Socket[] = []
  script: Script
  readonly #server: Server
  #waiting: (() => void)[] = []

  constructor(script: Script) {
    this.script = script
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket))
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The request with this number, as soon as it has arrived. */
  async request(index = 0): Promise<PortalRequest> {
    return this.#until(() => this.requests[index])
  }
  /** The connection with this number, as soon as it is there. */
  async connection(index = 0): Promise<Socket> {
    return this.#until(() => this.sockets[index])
  }
  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #serve(socket: Socket): void {
    const reader = new RequestReader(this.sockets.push(socket) - 1)
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('data', (chunk: Buffer) => {
      if (this.script.raw) return this.script.raw(chunk, socket)
      reader.push(chunk)
      for (;;) {
        const head = reader.newHead()
        if (head) reader.isAnswered = this.script.head?.(head, socket) === true
        const request = reader.whole()
        if (!request) break
        this.requests.push(request)
        if (!reader.isAnswered) this.#answer(request, socket)
      }
      this.#tell()
    })
    this.#tell()
  }

  #answer(request: PortalRequest, socket: Socket): void {
    if (this.script.request) this.script.request(request, socket)
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

class RequestReader {
  isAnswered = false
  readonly #connection: number
  #buffer = Buffer.alloc(0)
  #head: PortalRequest | undefined
  constructor(connection: number) {
    this.#connection = connection
  }

  push(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
  }

  newHead(): PortalRequest | undefined {
    const end = this.#buffer.indexOf('\r\n\r\n')
    if (this.#head || end < 0) return undefined
    const head = this.#buffer.subarray(0, end + 4).toString('latin1')
    this.#buffer = this.#buffer.subarray(end + 4)
    const [line = '', ...lines] = head.trimEnd().split('\r\n')
    const [method = '', target = ''] = line.split(' ')
    const headers = lines.map((text): [string, string] => [
      text.slice(0, text.indexOf(':')),
      text.slice(text.indexOf(':') + 1).trim(),
    ])
    const values = (name: string) => headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
    this.#head = { method, target, head, headers, values, body: Buffer.alloc(0), trailers: [], connection: this.#connection }
    return this.#head
  }

  whole(): PortalRequest | undefined {
    const head = this.#head
    if (!head) return undefined
    const isChunked = head.values('transfer-encoding').some((value) => value.toLowerCase() === 'chunked')
    const rest = isChunked ? this.#chunked() : this.#counted(Number(head.values('content-length')[0] ?? 0))
    if (!rest) return undefined
    this.#head = undefined
    return { ...head, ...rest }
  }

  #counted(length: number) {
    if (this.#buffer.length < length) return undefined
    const body = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return { body, trailers: [] as string[] }
  }

  #chunked() {
    const chunks: Buffer[] = []
    let at = 0
    for (;;) {
      const lineEnd = this.#buffer.indexOf('\r\n', at)
      if (lineEnd < 0) return undefined
      const size = Number.parseInt(this.#buffer.subarray(at, lineEnd).toString('latin1'), 16)
      at = lineEnd + 2
      if (size === 0) break
      if (this.#buffer.length < at + size + 2) return undefined
      chunks.push(this.#buffer.subarray(at, at + size))
      at += size + 2
    }
    const trailers: string[] = []
    for (;;) {
      const lineEnd = this.#buffer.indexOf('\r\n', at)
      if (lineEnd < 0) return undefined
      const line = this.#buffer.subarray(at, lineEnd).toString('latin1')
      at = lineEnd + 2
      if (line === '') break
      trailers.push(line)
    }
    this.#buffer = this.#buffer.subarray(at)
    return { body: Buffer.concat(chunks), trailers }
  }
}

export const startEchoPortal = (script: Script = {}): Promise<EchoPortal> => new EchoPortal(script).listen()

/** Script that answers every request with these bytes. */
export const always = (answer: string | Buffer): Script => ({
  request: (_request, socket) => void socket.write(typeof answer === 'string' ? Buffer.from(answer, 'latin1') : answer),
})
