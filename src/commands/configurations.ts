// The configuration that is being served and the way to the next one: loaded, compiled, swapped, said. One that does not load leaves
// the old one serving.
import type { CompileContext, CompiledGeneration } from '../config/compile.ts'
import { missingKeysOf } from '../config/incomplete.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { watchFiles } from '../config/reload.ts'
import type { Config, ProviderConfig } from '../config/schema.ts'
import { Served } from '../connection/served.ts'
import { ConfigError, type Problem } from '../errors.ts'
import type { StateStore } from '../state.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import type { States } from './open-state.ts'

export interface Configurations {
  readonly current: () => Current
  /** Portals that answer without a sign-in just now. */
  readonly glassBroken: () => readonly string[]
  /** False where the configuration is wrong and the old one goes on serving. Never rejects; one at a time. */
  reload(): Promise<boolean>
  /** Reloads by itself when a file changes. */
  watch(): Promise<void>
  /** Reloads nothing any more; resolves when this configuration and those before it have let go of all they had. */
  close(): Promise<void>
}
export interface Current {
  /** Counts up from 1. */
  readonly number: number
  readonly config: Config
  readonly compiled: CompiledGeneration
  readonly served: Served
  /** What `server.state` names. */
  readonly state: StateStore | undefined
  /** Of the last load, also where it was refused. */
  readonly problems: readonly Problem[]
}
export interface ConfigurationsOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly states: States
  readonly context: Omit<CompileContext, 'number' | 'state'>
}

/** Throws ConfigError where the first one cannot be served. */
export function createConfigurations(loaded: Loaded, options: ConfigurationsOptions): Configurations {
  const { context, env, file } = options
  let files: readonly string[] = loaded.files
  let watching: ReturnType<typeof watchFiles> | undefined
  let current = compiledFrom(loaded, 1, options)
  const glassBroken = () => brokenIn(current.compiled, context.clock())
  announce(loaded, current, glassBroken(), context)

  const going = new Set<Promise<void>>()
  const retire = ({ served }: Current): void => {
    const gone = served.closed.then(() => void going.delete(gone))
    going.add(gone)
    served.release()
  }
  let reloading: Promise<boolean> = Promise.resolve(true)
  let closed: Promise<void> | undefined

  async function load(): Promise<boolean> {
    if (closed) return false
    try {
      await watching?.note()
      const next = await loadConfig(file, { env })
      const old = current
      current = compiledFrom(next, old.number + 1, options)
      retire(old)
      warnOfRestart(old.config, current.config, context)
      announce(next, current, glassBroken(), context)
      files = next.files
      await watching?.follow(files)
      return true
    } catch (error) {
      current = { ...current, problems: problemsOf(error, file) }
      tellOfRefusal(error, current, context)
      files = (error instanceof ConfigError ? error.files : undefined) ?? files // the file that was missing may come
      await watching?.follow(files)
      return false
    }
  }
  /** What was read first must not win over what was read last: a signal comes while the watcher is at it. */
  function reload(): Promise<boolean> {
    reloading = reloading.then(load)
    return reloading
  }
  async function close(): Promise<void> {
    watching?.close()
    await reloading
    retire(current)
    await Promise.all(going)
  }
  return {
    current: () => current,
    glassBroken,
    reload,
    watch: async () => {
      watching = watchFiles(async () => void (await reload()))
      await watching.follow(files)
    },
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

function compiledFrom(loaded: Loaded, number: number, { states, context }: ConfigurationsOptions): Current {
  const state = states.of(loaded)
  const compiled = compileOrRefuse(loaded, { ...context, number, ...(state === undefined ? {} : { state }) })
  return { number, config: loaded.config, compiled, served: new Served(compiled.parts), state, problems: loaded.warnings }
}

function brokenIn({ parts }: CompiledGeneration, now: number): readonly string[] {
  return [...parts.generation.portals.values()]
    .filter(({ breakGlass }) => breakGlass && (breakGlass.until === undefined || now < breakGlass.until))
    .map(({ name }) => name)
}

type Telling = Pick<CompileContext, 'log' | 'metrics'>

function announce({ warnings }: Loaded, { number, config, compiled }: Current, broken: readonly string[], telling: Telling) {
  const { log, metrics } = telling
  metrics.generation(number)
  metrics.sessions(() => compiled.sessions())
  for (const { key, message, file, line, advice } of warnings) log.server('warn', `${key}: ${message}`, { file, line, advice })
  for (const portal of broken) {
    log.audit('BREAK-GLASS: the portal answers without this sign-in, identity headers stripped, blocked routes open', {
      generation: number,
      portal,
    })
  }
  metrics.breakGlass(broken)
  log.audit('configuration loaded', {
    generation: number,
    portals: config.portals.map((portal) => portal.name),
    providers: config.providers.map((provider) => `${provider.name} (${provider.protocol}, ${stateOf(provider)})`),
  })
}

const problemsOf = (error: unknown, file: string): readonly Problem[] =>
  error instanceof ConfigError
    ? error.problems
    : [
        {
          severity: 'error',
          file,
          line: 1,
          column: 1,
          key: '',
          message: 'the configuration could not be loaded',
          advice: 'see the log',
        },
      ]

function tellOfRefusal(error: unknown, { number, problems }: Current, { log }: Telling): void {
  for (const { severity, key, message, file, line, advice } of problems)
    if (severity === 'error') log.server('error', `${key}: ${message}`, { file, line, advice })
  if (!(error instanceof ConfigError)) log.server('error', error instanceof Error ? error.message : 'unknown error')
  log.audit('configuration refused, the old one goes on serving', { generation: number })
}

/** What is read once. */
const fixedAtStart = [
  'server.listen',
  'server.health',
  'server.admin',
  'server.adminToken',
  'server.tls',
  'server.maxHeaderBytes',
  'session.store',
  'session.storeTls',
  'session.staleness',
] as const

function warnOfRestart(before: Config, after: Config, { log }: Telling): void {
  for (const key of fixedAtStart) {
    const [section, name] = key.split('.') as ['server', keyof Config['server']]
    if (JSON.stringify(before[section][name]) !== JSON.stringify(after[section][name]))
      log.server('warn', `${key} has changed: it takes effect at the next start`)
  }
  if (before.server.state !== after.server.state)
    log.server('warn', 'server.state has changed: account links and what was provisioned are looked for there from now on')
}

/** `disabled` is a choice; `not configured` is a provider that could not be enabled as it stands. */
export const stateOf = (provider: ProviderConfig): string =>
  provider.enabled ? 'enabled' : missingKeysOf(provider).length > 0 ? 'not configured' : 'disabled'
