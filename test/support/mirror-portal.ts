// A portal that answers with what reached it, as JSON: the question of every attack is what the portal saw.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

export interface Seen {
  readonly method: string
  readonly target: string
  /** Flat name, value, as on the wire. */
  readonly headers: readonly string[]
  readonly body: string
}
export interface MirrorPortal {
  readonly url: string
  readonly seen: Seen[]
  close(): Promise<void>
}

/** @param options `webSockets`: `/socket` takes them */
export async function startMirrorPortal(options: { readonly webSockets?: boolean } = {}): Promise<MirrorPortal> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request).catch(() => undefined)
    if (body === undefined) return // whoever asked went away in the middle
    const one = { method: request.method ?? '', target: request.url ?? '', headers: request.rawHeaders, body }
    seen.push(one)
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(one))
  })
  if (options.webSockets)
    new WebSocketServer({ server, path: '/socket' }).on('connection', (socket) => socket.on('error', () => socket.terminate()))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

/** All values of a header that reached the portal under exactly this name in any case. */
export const valuesOf = (seen: Seen, name: string): readonly string[] =>
  seen.headers.flatMap((candidate, i) =>
    i % 2 === 0 && candidate.toLowerCase() === name.toLowerCase() ? [seen.headers[i + 1] as string] : [],
  )

/** Names that reached the portal and fold to the same CGI variable as `name`. */
export const namesLike = (seen: Seen, name: string): readonly string[] => {
  const fold = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '_')
  return seen.headers.filter((candidate, i) => i % 2 === 0 && fold(candidate) === fold(name))
}
