// Redis servers of our own on free ports: one alone, a master with Sentinels, a Cluster. Nothing of them is left behind.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from './free-port.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** On the same port with the same files. */
  start(): Promise<void>
  /** For good. */
  close(): Promise<void>
}

/** The name of the program; undefined: there is none on this machine, which is an error where CI is set. */
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

/** `--appendonly yes --appendfsync always`: what was confirmed outlives a kill -9. */
export const persistent = ['--appendonly', 'yes', '--appendfsync', 'always'] as const

/** @param extra options of redis-server; @param ready what it prints when it takes connections */
export async function startRedis(extra: readonly string[] = [], ready = /Ready to accept/): Promise<RedisServer> {
  const binary = findRedis()
  if (binary === undefined) throw new Error('redis-server is not installed')
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'postern-redis-'))
  const options = ['--bind', '127.0.0.1', '--dir', directory, '--save', '', ...extra]
  const own = extra.includes('--tls-port') ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)]
  const sentinel = extra.includes('--sentinel')
  writeFileSync(join(directory, 'redis.conf'), sentinel ? `${extra[extra.indexOf('--sentinel') + 1]}\n` : '')
  const given = sentinel
    ? [join(directory, 'redis.conf'), '--sentinel', ...own, '--bind', '127.0.0.1', '--dir', directory]
    : [...options.filter((option) => option !== '--tls-port'), ...own]
  let running: ChildProcess
  async function start(): Promise<void> {
    running = spawn(binary as string, given, { stdio: ['ignore', 'pipe', 'inherit'] })
    const child = running
    let text = ''
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`redis-server did not start: ${text.slice(-500)}`)))
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(-10_000)
        if (ready.test(text)) resolve()
      })
    })
  }
  async function kill(): Promise<void> {
    if (running.exitCode !== null || running.signalCode !== null) return
    running.kill('SIGKILL')
    await once(running, 'exit')
  }
  async function close(): Promise<void> {
    await kill()
    rmSync(directory, { recursive: true, force: true })
  }
  await start()
  const url = `${extra.includes('--tls-port') ? 'rediss' : 'redis'}://127.0.0.1:${port}`
  return {
    url,
    port,
    get pid() {
      return running.pid as number
    },
    kill,
    start,
    close,
  }
}

export interface RedisSentinels {
  readonly url: string
  readonly servers: readonly RedisServer[]
  readonly close: () => Promise<void>
}
/** A master, a replica, three Sentinels that take a master for dead after half a second. `servers[0]` is the first master. */
export async function startSentinels(): Promise<RedisSentinels> {
  const master = await startRedis(['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(
    ['--replicaof', `127.0.0.1 ${master.port}`],
    /Finished with success|MASTER <-> REPLICA sync: Finished/,
  )
  const conf = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 2000',
  ].join('\n')
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis(['--sentinel', conf], /\+monitor/)))
  const servers = [master, replica]
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`,
    servers,
    close: async () => void (await Promise.all([...sentinels, ...servers].map((server) => server.close()))),
  }
}

export interface RedisCluster {
  readonly url: string
  readonly servers: readonly RedisServer[]
  readonly close: () => Promise<void>
}
/** Three masters that share the slots. */
export async function startCluster(): Promise<RedisCluster> {
  const busPort = async () => [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    '2000',
    '--cluster-port',
    String(await freePort()),
  ]
  const servers = await Promise.all([1, 2, 3].map(async () => startRedis(await busPort())))
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`)
  execFileSync('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes'], { stdio: 'pipe' })
  return {
    url: `redis+cluster://${nodes.join(',')}`,
    servers,
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
  }
}
