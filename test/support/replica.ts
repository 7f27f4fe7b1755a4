// `postern serve` as a process of its own, which can be killed and started again on the same port.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LogLine } from './postern.ts'

export interface Replica {
  readonly port: number
  /** `http://127.0.0.1:PORT` of this start's listeners. */
  readonly healthUrl: () => string
  readonly adminUrl: () => string
  /** Of all its starts. */
  readonly logs: () => readonly LogLine[]
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

const main = join(import.meta.dirname, '../../src/main.ts')

/** @param configuration without `server.listen`, `health`, `admin`, which are set here; begins with `server:` */
export async function startReplica(port: number, configuration: string): Promise<Replica> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-replica-'))
  const file = join(folder, 'postern.yaml')
  const ports = `server:\n  listen: 127.0.0.1:${port}\n  health: 127.0.0.1:0\n  admin: 127.0.0.1:0\n`
  writeFileSync(file, configuration.replace(/^server:\n/, ports))
  let out = ''
  let listening = { health: '', admin: '' }
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const from = out.length
    const started = spawn(process.execPath, [main, 'serve', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    started.stdout.on('data', (chunk) => (out += chunk))
    started.stderr.on('data', (chunk) => (out += chunk))
    for (;;) {
      const line = out
        .slice(from)
        .split('\n')
        .find((text) => text.includes('"msg":"listening"'))
      if (line !== undefined) {
        listening = JSON.parse(line) as typeof listening
        return
      }
      if (started.exitCode !== null) throw new Error(`postern did not start: ${out.slice(from)}`)
      await Promise.race([once(started.stdout, 'data'), once(started, 'exit')])
    }
  }
  async function kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const dying = child
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return
    const gone = once(dying, 'exit')
    dying.kill(signal)
    await gone
  }
  await start()
  return {
    port,
    healthUrl: () => `http://${listening.health}`,
    adminUrl: () => `http://${listening.admin}`,
    logs: () =>
      out.split('\n').flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as LogLine] : [])),
    kill,
    start,
    close: async () => {
      await kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
