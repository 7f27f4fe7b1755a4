// A Redis of our own on a free port, for one test file.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** On the same port with the same files. */
  start(): Promise<void>
  /** For good. */
  end(): Promise<void>
}

/** undefined: there is none on this machine, which is an error where CI is set. */
export function findRedis(): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  for (const directory of directories) {
    try {
      const file = join(directory, 'redis-server')
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // the next one
    }
  }
  if (process.env['CI']) throw new Error('redis-server is not installed: the Redis stores stay untested')
  console.warn('\n!!! redis-server is not installed: the Redis stores are NOT tested here\n')
  return undefined
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

export async function startRedis(binary: string, extra: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'postern-redis-'))
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...extra]
  let running: ChildProcess
  async function start(): Promise<void> {
    running = spawn(binary, options, { stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const chunk of running.stdout?.setEncoding('utf8') ?? []) if (/Ready to accept/.test(String(chunk))) break
    if (running.exitCode !== null) throw new Error('redis-server did not start')
  }
  async function kill(): Promise<void> {
    if (running.exitCode !== null || running.signalCode !== null) return
    running.kill('SIGKILL')
    await once(running, 'exit')
  }
  await start()
  const end = async () => {
    await kill()
    rmSync(directory, { recursive: true, force: true })
  }
  return { url: `redis://127.0.0.1:${port}`, port, kill, start, end }
}
