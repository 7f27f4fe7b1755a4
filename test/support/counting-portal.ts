// A portal that says whose page it is, remembers every order it was given and by whom, and talks over WebSockets.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface CountingPortal {
  readonly url: string
  /** Order id -> how often it arrived, and whose it was. */
  readonly orders: ReadonlyMap<string, { readonly times: number; readonly account: string }>
  readonly sockets: ReadonlySet<WebSocket>
  close(): Promise<void>
}

const pageOf = (account: string, token: string): string => `<!doctype html><title>Home</title><p>page of ${account} with ${token}`

export async function startCountingPortal(): Promise<CountingPortal> {
  const orders = new Map<string, { times: number; account: string }>()
  const server = createServer((request, response) => {
    const account = String(request.headers['iv-user'] ?? 'nobody')
    const order = new URL(request.url ?? '/', 'http://portal').searchParams.get('order')
    if (request.method === 'POST' && order !== null) orders.set(order, { times: (orders.get(order)?.times ?? 0) + 1, account })
    request.resume()
    request.once('end', () => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(pageOf(account, request.headers['x-forwarded-access-token'] === undefined ? 'no token' : 'a token'))
    })
  })
  const doors = new WebSocketServer({ server })
  doors.on('connection', (socket, request) => {
    const account = String(request.headers['iv-user'] ?? 'nobody')
    socket.on('error', () => undefined)
    socket.on('message', (text) => socket.send(`${account}: ${text}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    orders,
    sockets: doors.clients,
    close: async () => {
      for (const socket of doors.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
