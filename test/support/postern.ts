// Starts the whole of Postern in this process, from configuration text, on free ports, with a clock of the test's.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServeOptions, type Serving, serve } from '../../src/commands/serve.ts'
import { freePort } from './free-port.ts'

export interface LogLine {
  readonly time: string
  readonly level: string
  readonly log: string
  readonly msg: string
  readonly [field: string]: unknown
}

export interface RunningPostern extends Serving {
  readonly port: number
  readonly folder: string
  readonly logs: readonly LogLine[]
  /** Everything written to the log, as text. */
  readonly logText: () => string
  /** Writes the configuration anew and loads it. */
  reconfigure(configuration: string): Promise<boolean>
  /** The clock's time, milliseconds; add to it to let time pass. */
  readonly time: { now: number }
  stop(): Promise<void>
}

export const testKey = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

export interface PosternOptions {
  /** Configuration text without `server.listen`, `health`, `admin`: those are set here. A function gets the port it will have. */
  readonly configuration: string | ((port: number) => string)
  readonly env?: Readonly<Record<string, string>>
  /** File name -> text, beside the configuration. */
  readonly files?: Readonly<Record<string, string>>
  readonly now?: number
  /** Where it listens; default: any free one. */
  readonly port?: number
  readonly enforceLocal?: ServeOptions['enforceLocal']
}

/** Adds free ports under `server:` of a configuration. */
const withPorts = (configuration: string, port: number): string => {
  const ports = `  listen: 127.0.0.1:${port}\n  health: 127.0.0.1:0\n  admin: 127.0.0.1:0\n`
  return /^server:\n/m.test(configuration)
    ? configuration.replace(/^server:\n/m, `server:\n${ports}`)
    : `server:\n${ports}${configuration}`
}

export async function startPostern(options: PosternOptions): Promise<RunningPostern> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-test-'))
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(folder, name), text)
  const file = join(folder, 'postern.yaml')
  const port = options.port ?? (typeof options.configuration === 'function' ? await freePort() : 0)
  const text = typeof options.configuration === 'function' ? options.configuration(port) : options.configuration
  await writeFile(file, withPorts(text, port))
  const chunks: string[] = []
  const time = { now: options.now ?? Date.now() }
  const serving = await serve({
    config: file,
    env: options.env ?? {},
    destination: { write: (text) => void chunks.push(text) },
    clock: () => time.now,
    watch: false,
    ...(options.enforceLocal ? { enforceLocal: options.enforceLocal } : {}),
  })
  return {
    ...serving,
    port: Number(new URL(serving.url).port),
    folder,
    time,
    logText: () => chunks.join(''),
    get logs() {
      return chunks
        .join('')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as LogLine)
    },
    reconfigure: async (configuration) => {
      await writeFile(file, withPorts(configuration, port))
      return serving.reload()
    },
    stop: async () => {
      await serving.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
