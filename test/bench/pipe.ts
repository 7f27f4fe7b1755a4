// The measure of the bench: the least a proxy can do with undici. No header is read, none is set, nobody is asked.
// `node pipe.ts UPSTREAM` prints its port.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Dispatcher, Pool } from 'undici'

const pool = new Pool(process.argv[2] ?? '', { pipelining: 1 })

class Pipe implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  constructor(response: ServerResponse) {
    this.#response = response
  }
  onRequestStart(): void {}
  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const raw = controller.rawHeaders as Buffer[]
    const headers: string[] = []
    for (let at = 0; at < raw.length; at += 2) {
      const name = (raw[at] as Buffer).toString('latin1')
      if (!/^(?:connection|keep-alive|transfer-encoding)$/i.test(name))
        headers.push(name, (raw[at + 1] as Buffer).toString('latin1'))
    }
    this.#response.writeHead(status, headers)
  }
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }
  onResponseEnd(): void {
    this.#response.end()
  }
  onResponseError(): void {
    this.#response.destroy()
  }
}

const server = createServer((request, response) => {
  const headers: string[] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] as string
    if (!/^(?:connection|keep-alive|transfer-encoding)$/i.test(name)) headers.push(name, request.rawHeaders[at + 1] as string)
  }
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  const { method = 'GET', url: path = '/' } = request
  pool.dispatch({ path, method, headers, body: hasBody ? request : null }, new Pipe(response))
})
server.keepAliveTimeout = 75_000
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
