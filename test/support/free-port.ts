// A port for a server whose address must be known before it listens, or which comes back on the same one. Below the range that systems
// take for outgoing connections (32768 and up on Linux): a crowd of those would sit on it in between. Workers do not share any.
import { once } from 'node:events'
import { createServer } from 'node:net'

const first = 11_000
const perWorker = 1000
const worker = Number(process.env['VITEST_POOL_ID'] ?? process.pid) % 20
let next = process.pid % perWorker

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < perWorker; tries++) {
    next = (next + 1) % perWorker
    const port = first + worker * perWorker + next
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
