// Some other company's API: answers as it is told, and remembers what it was asked.
import { text } from 'node:stream/consumers'
import { listenOnLoopback } from './loopback.ts'

export interface Asked {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}
export interface Reply {
  readonly status?: number
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}
export interface Service {
  readonly url: string
  readonly asked: readonly Asked[]
  /** 'nothing': never answers; 'break': cuts the connection. */
  answer: (asked: Asked, count: number) => Reply | 'nothing' | 'break' | Promise<Reply>
  close(): Promise<void>
}

export async function startService(answer: Service['answer'] = () => ({ body: {} })): Promise<Service> {
  const asked: Asked[] = []
  const server = await listenOnLoopback(async (request, response) => {
    const one = { method: request.method ?? '', target: request.url ?? '', headers: request.headers, body: await text(request) }
    asked.push(one)
    const reply = await service.answer(one, asked.length)
    if (reply === 'nothing') return
    if (reply === 'break') return void response.destroy()
    const { status = 200, body, headers = {} } = reply
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const service: Service = { url: server.origin, asked, answer, close: () => server.close() }
  return service
}
