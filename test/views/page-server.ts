// Serves rendered pages on loopback, each at `/NAME`, and writes down what else the browser asked for.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Rendered } from '../../src/views/pages.ts'

export interface PageServer {
  readonly origin: string
  /** `METHOD path`, and `origin` where the browser sent one. */
  readonly asked: { readonly line: string; readonly origin?: string }[]
  close(): Promise<void>
}

/** @param pages looked at anew on each request */
export async function servePages(pages: Readonly<Record<string, Rendered>>): Promise<PageServer> {
  const asked: { line: string; origin?: string }[] = []
  const server = createServer((request, response) => {
    const { origin } = request.headers
    asked.push({ line: `${request.method} ${request.url}`, ...(origin ? { origin } : {}) })
    const page = pages[(request.url ?? '/').slice(1)]
    if (!page) return void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>elsewhere</title>')
    response.writeHead(page.status, page.headers as string[]).end(page.body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
