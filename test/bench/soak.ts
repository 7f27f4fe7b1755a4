// Two GiB up and two down through each engine, and the memory of the process in between: `npm run soak [-- GIB]`.
// Fails where a byte is missing or memory grows by more than a part of what went through.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { engines, startTestDoor } from '../upstream/test-door.ts'

const size = Math.round(Number(process.argv[2] ?? 2) * 2 ** 30)
const allowed = 192 * 2 ** 20
const piece = Buffer.alloc(64 * 1024, 'x')

function* pieces(total: number): Generator<Buffer> {
  for (let left = total; left > 0; left -= piece.length) yield left < piece.length ? piece.subarray(0, left) : piece
}
async function count(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  return bytes
}

/** Its own process, so that its memory is not taken for the proxy's: uploads are counted, downloads made. */
async function servePortal(): Promise<void> {
  const server = createServer({ requestTimeout: 0 }, async (incoming, response) => {
    if (incoming.method === 'POST') return void response.end(String(await count(incoming)))
    response.writeHead(200, { 'Content-Length': size })
    await pipeline(Readable.from(pieces(size)), response)
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}

/** Its own process as well. Prints how many bytes arrived. */
async function serveClient(port: number, method: string): Promise<void> {
  const headers = { host: 'home.company.com', ...(method === 'POST' ? { 'content-length': size } : {}) }
  const outgoing = request({ port, host: '127.0.0.1', method, path: '/', headers })
  const answered = once(outgoing, 'response')
  if (method === 'POST') await pipeline(Readable.from(pieces(size)), outgoing)
  else outgoing.end()
  const [response] = await answered
  if (method === 'GET') return void process.send?.(await count(response))
  let text = ''
  for await (const chunk of response) text += chunk
  process.send?.(Number(text))
}

async function soak(engine: (typeof engines)[number]): Promise<boolean> {
  const portal = fork(import.meta.filename, [process.argv[2] ?? '2', 'portal'])
  const [upstream] = (await once(portal, 'message')) as [number]
  const door = await startTestDoor({ engine, upstream: `http://127.0.0.1:${upstream}` })
  let isFine = true
  for (const method of ['POST', 'GET']) {
    const before = process.memoryUsage.rss()
    let peak = before
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    }, 20)
    const client = fork(import.meta.filename, [process.argv[2] ?? '2', 'client', String(door.port), method])
    const [bytes] = (await once(client, 'message')) as [number]
    clearInterval(watch)
    const grown = peak - before
    const isWhole = bytes === size && grown < allowed
    isFine &&= isWhole
    const mebi = (n: number) => `${Math.round(n / 2 ** 20)} MiB`
    console.log(
      `${engine} ${method}: ${mebi(bytes)} of ${mebi(size)}, memory grew by ${mebi(grown)} at most: ${isWhole ? 'fine' : 'WRONG'}`,
    )
  }
  await door.close()
  portal.kill()
  return isFine
}

const [, , , role, port, method] = process.argv
if (role === 'portal') await servePortal()
else if (role === 'client') {
  await serveClient(Number(port), method ?? 'GET')
  process.disconnect?.()
} else {
  for (const engine of engines) if (!(await soak(engine))) process.exitCode = 1
}
