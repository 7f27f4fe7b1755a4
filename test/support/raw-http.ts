// A client that sends exact bytes and reads answers as they stand on the wire: what a parser would smooth over is the point.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawResponse {
  readonly version: string
  readonly status: number
  readonly statusText: string
  /** As sent: order, case, duplicates; latin1. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Buffer
  readonly trailers: readonly (readonly [string, string])[]
  /** The message ended as its framing promised. */
  readonly isComplete: boolean
  /** Every value under this name, whatever its case. */
  values(name: string): readonly string[]
}

export class RawConnection {
  readonly socket: Socket
  /** How the other side ended it. */
  readonly closed: Promise<'end' | 'reset'>
  #buffer = Buffer.alloc(0)
  #isOver = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    let isReset = false
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      this.#wake()
    })
    socket.on('error', () => {
      isReset = true
    })
    const over = (): void => {
      this.#isOver = true
      this.#wake()
    }
    socket.on('end', over)
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        over()
        resolve(isReset ? 'reset' : 'end')
      })
    })
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** The next answer, interim ones too. @param method of the request: an answer to HEAD has no body */
  async response(method = 'GET'): Promise<RawResponse> {
    const headText = (await this.#upTo('\r\n\r\n')).toString('latin1')
    const [line = '', ...lines] = headText.split('\r\n').filter((text) => text !== '')
    const [, version = '', status = '0', statusText = ''] = /^(HTTP\/\d\.\d) (\d{3}) ?(.*)$/.exec(line) ?? []
    const headers = lines.map(pair)
    const content = await this.#content(method, Number(status), headers)
    const values = (name: string) => headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
    return { version, status: Number(status), statusText, headers, values, ...content }
  }

  async #content(method: string, status: number, headers: readonly (readonly [string, string])[]) {
    const value = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1]
    const none = { body: Buffer.alloc(0), trailers: [] as [string, string][], isComplete: true }
    if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return none
    if (value('transfer-encoding')?.toLowerCase() === 'chunked') return this.#chunked()
    const length = value('content-length')
    if (length === undefined) return { ...none, body: await this.#rest(), isComplete: !this.socket.errored }
    const body = await this.#bytes(Number(length))
    return { ...none, body, isComplete: body.length === Number(length) }
  }

  async #chunked() {
    const chunks: Buffer[] = []
    for (;;) {
      const size = Number.parseInt((await this.#upTo('\r\n')).toString('latin1'), 16)
      if (Number.isNaN(size)) return { body: Buffer.concat(chunks), trailers: [], isComplete: false }
      if (size === 0) break
      const chunk = await this.#bytes(size)
      chunks.push(chunk)
      if (chunk.length < size || (await this.#bytes(2)).length < 2)
        return { body: Buffer.concat(chunks), trailers: [], isComplete: false }
    }
    const trailers: [string, string][] = []
    for (;;) {
      const line = (await this.#upTo('\r\n')).toString('latin1')
      if (line === '\r\n' || line === '') return { body: Buffer.concat(chunks), trailers, isComplete: line !== '' }
      trailers.push(pair(line.trimEnd()))
    }
  }

  /** Bytes up to and including `mark`; what there was where the connection ended before. */
  async #upTo(mark: string): Promise<Buffer> {
    let at = this.#buffer.indexOf(mark)
    while (at < 0 && !this.#isOver) {
      await this.#more()
      at = this.#buffer.indexOf(mark)
    }
    return this.#take(at < 0 ? this.#buffer.length : at + mark.length)
  }

  async #bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count && !this.#isOver) await this.#more()
    return this.#take(Math.min(count, this.#buffer.length))
  }
  /** Exactly so many bytes, or fewer where the connection ended. */
  read(count: number): Promise<Buffer> {
    return this.#bytes(count)
  }
  /** One byte at least has arrived that nobody has read. */
  async #rest(): Promise<Buffer> {
    while (!this.#isOver) await this.#more()
    return this.#take(this.#buffer.length)
  }
  #take(count: number): Buffer {
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(count)
    return taken
  }
  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.socket.destroy()
  }
}

function pair(line: string): [string, string] {
  const at = line.indexOf(':')
  return [line.slice(0, at), line.slice(at + 1).trim()]
}

/** @param allowHalfOpen goes on sending after the other side has ended */
export async function connectRaw(port: number, host = '127.0.0.1', allowHalfOpen = false): Promise<RawConnection> {
  const socket = connect({ port, host, allowHalfOpen })
  const connection = new RawConnection(socket)
  await once(socket, 'connect')
  return connection
}

/** Sends these bytes on a connection of their own and reads the first final answer. */
export async function exchangeRaw(port: number, bytes: string | Buffer): Promise<RawResponse> {
  const connection = await connectRaw(port)
  connection.send(bytes)
  const method = bytes.toString('latin1').split(' ', 1)[0]
  let response = await connection.response(method)
  while (response.status >= 100 && response.status < 200) response = await connection.response(method)
  connection.close()
  return response
}

/** A request head: `GET /path` and header lines, joined as they are. */
export const request = (line: string, ...headers: string[]): string => [`${line} HTTP/1.1`, ...headers, '', ''].join('\r\n')
