// `postern serve`: configuration -> listeners, reloads, drain. Wires; decides nothing.
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { CompiledGeneration } from '../config/compile.ts'
import { missingKeysOf } from '../config/incomplete.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { watchFiles } from '../config/reload.ts'
import type { ProviderConfig } from '../config/schema.ts'
import { createAdmin } from '../connection/admin.ts'
import { createHealth } from '../connection/health.ts'
import { type Listening, listenForMachines, listenForPeople } from '../connection/listen.ts'
import { createProxyDoor } from '../connection/proxy-door.ts'
import { Served } from '../connection/served.ts'
import { ConfigError, type Problem } from '../errors.ts'
import { explain } from '../explanation/explain.ts'
import { questionOf } from '../explanation/question.ts'
import { createRefusals, explainRefusal } from '../explanation/refusals.ts'
import { createAccountLinks } from '../identity/accounts/account-links.ts'
import { provisioningFailures } from '../identity/accounts/provisioning.ts'
import { createFlowMemory } from '../identity/signing-in/flow.ts'
import { createKeptRequests } from '../identity/signing-in/kept-request.ts'
import { createLog, type Log, type LogDestination } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import { egressProxyFrom } from './egress-proxy.ts'
import { type OpenSessions, openSessions } from './open-sessions.ts'
import { createStates, type States } from './open-state.ts'

export interface ServeOptions {
  readonly config: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where the log goes; default nowhere. */
  readonly destination?: LogDestination
  readonly clock?: Clock
  /** Off only where the bench compares. */
  readonly accessLog?: boolean
  /** Break-glass from the command line: these portals, or all. Throws UnknownPortal. */
  readonly enforceLocal?: ReadonlySet<string> | 'all'
  /** Watching needs no timer in tests that reload by hand. */
  readonly watch?: boolean
}

export interface Serving {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly healthUrl: string
  readonly adminUrl: string
  /** Loads again; false where the configuration is wrong and the old one goes on serving. */
  reload(): Promise<boolean>
  /** Graceful: `/readyz` 503 at once, `drainDelay`, then no new connections, then `drain` for what runs. */
  drain(): Promise<void>
  /** At once. */
  close(): Promise<void>
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
] as const

/** Milliseconds for calls of ours that are under way when the process ends. */
const lastWords = 5000

/** How often redirections nobody came back from are looked for, milliseconds. */
const sweepEvery = 5000

/** Starts everything. Throws ConfigError where the configuration is wrong, and what listening throws. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const clock = options.clock ?? Date.now
  const log = createLog(options.destination ?? { write: () => undefined }, clock)
  const states = createStates({ clock, log })
  const opened: OpenSessions[] = []
  try {
    return await start(options, { clock, log, states, opened })
  } catch (error) {
    // a connection left behind would keep a process alive that serves nobody
    for (const sessions of opened) sessions.close()
    await states.close()
    throw error
  }
}

interface Opened {
  readonly clock: Clock
  readonly log: Log
  readonly states: States
  /** Put here as soon as it is there, for whoever has to close it. */
  readonly opened: OpenSessions[]
}

async function start(options: ServeOptions, { clock, log, states, opened: closing }: Opened): Promise<Serving> {
  const metrics = createMetrics()
  const file = resolve(options.config)
  const loaded = await loadConfig(file, { env: options.env })
  refuseUnknown(options.enforceLocal, loaded)
  let number = 1
  let config = loaded.config
  const sessions = openSessions(config, { clock, log, keys: () => config.session.keys })
  closing.push(sessions)
  const { backing } = sessions
  const sharing = backing.board ? { board: backing.board } : {}
  const context = {
    log,
    metrics,
    clock,
    backing,
    memory: createFlowMemory(sharing),
    kept: createKeptRequests({ clock, ...sharing }),
    ...(options.enforceLocal ? { enforceLocal: options.enforceLocal } : {}),
    egressProxy: egressProxyFrom(options.env),
  }
  metrics.store(sessions.isUp, () => backing.revocations.size)
  let state = states.of(loaded)
  let compiled = compileOrRefuse(loaded, { ...context, number, ...withState(state) })
  let served = new Served(compiled.parts)
  let problems: readonly Problem[] = loaded.warnings
  let draining = false
  announce(loaded, number)

  function glassBroken(): readonly string[] {
    const inForce = (until: number | undefined) => until === undefined || clock() < until
    return [...compiled.parts.generation.portals.values()]
      .filter(({ breakGlass }) => breakGlass && inForce(breakGlass.until))
      .map(({ name }) => name)
  }

  function announce(from: Loaded, generation: number): void {
    metrics.generation(generation)
    metrics.sessions(() => compiled.sessions())
    for (const warning of from.warnings)
      log.server('warn', `${warning.key}: ${warning.message}`, { file: warning.file, line: warning.line, advice: warning.advice })
    const providers = from.config.providers.map((provider) => `${provider.name} (${provider.protocol}, ${stateOf(provider)})`)
    for (const portal of glassBroken()) {
      log.audit('BREAK-GLASS: the portal answers without this sign-in, identity headers stripped, blocked routes open', {
        generation,
        portal,
      })
    }
    metrics.breakGlass(glassBroken())
    log.audit('configuration loaded', { generation, portals: from.config.portals.map((portal) => portal.name), providers })
  }

  async function reload(): Promise<boolean> {
    try {
      const next = await loadConfig(file, { env: options.env })
      const nextState = states.of(next)
      const compiledNext: CompiledGeneration = compileOrRefuse(next, { ...context, number: number + 1, ...withState(nextState) })
      number++
      state = nextState
      const old = served
      compiled = compiledNext
      served = new Served(compiled.parts)
      void old.release()
      warnOfRestart(config, next.config)
      config = next.config
      problems = next.warnings
      announce(next, number)
      await watching?.follow(next.files)
      return true
    } catch (error) {
      problems =
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
      for (const problem of problems.filter(({ severity }) => severity === 'error')) {
        log.server('error', `${problem.key}: ${problem.message}`, {
          file: problem.file,
          line: problem.line,
          advice: problem.advice,
        })
      }
      if (!(error instanceof ConfigError)) log.server('error', error instanceof Error ? error.message : 'unknown error')
      log.audit('configuration refused, the old one goes on serving', { generation: number })
      if (error instanceof ConfigError && error.files) await watching?.follow(error.files) // the file that was missing may come
      return false
    }
  }

  function warnOfRestart(before: typeof config, after: typeof config): void {
    for (const key of fixedAtStart) {
      const [section, name] = key.split('.') as ['server', keyof typeof config.server]
      if (JSON.stringify(before[section][name]) !== JSON.stringify(after[section][name]))
        log.server('warn', `${key} has changed: it takes effect at the next start`)
    }
    if (before.server.state !== after.server.state)
      log.server('warn', 'server.state has changed: account links and what was provisioned are looked for there from now on')
  }

  const watching = options.watch === false ? undefined : watchFiles(async () => void (await reload()))
  await watching?.follow(loaded.files)

  await sessions.ready
  const refusals = createRefusals()
  const door = createProxyDoor({
    onRefusal: refusals.note,
    current: () => served,
    log,
    metrics,
    clock,
    ticks: () => performance.now(),
    draining: () => draining,
    accessLog: options.accessLog ?? true,
  })
  const { server } = config
  const people = await listenForPeople(
    {
      ...server.listen,
      ...(server.tls ? { tls: server.tls } : {}),
      headersTimeout: server.timeouts.headers,
      maxHeaderBytes: server.maxHeaderBytes,
    },
    door,
    (reason, address) => log.server('warn', 'a request could not be read', { reason, address }),
  )
  const portals = () => served.parts.generation.portals
  const opened: Listening[] = [people]
  let health: Listening
  let admin: Listening
  try {
    health = await listenForMachines(
      server.health,
      createHealth({ draining: () => draining, portals, metrics, breakGlass: glassBroken, storeIsUp: sessions.isUp }),
    )
    opened.push(health)
    admin = await listenForMachines(
      server.admin,
      createAdmin({
        ...(server.adminToken ? { token: server.adminToken } : {}),
        generation: () => number,
        portals,
        problems: () => problems,
        explaining: {
          ask: async (asked) => explain(questionOf(asked, clock()), { generation: served.parts.generation, trim: compiled.trim }),
          refusal: async (id) => {
            const found = refusals.find(id)
            return found && explainRefusal(found, served.parts.generation)
          },
          recent: refusals.recent,
        },
        sessions: () => compiled.register,
        links: () => (state ? createAccountLinks({ store: state, log, clock }) : undefined),
        provisioning: async () => (state ? provisioningFailures(state) : []),
        providers: () =>
          config.providers.map((provider) => ({
            name: provider.name,
            protocol: provider.protocol,
            enabled: provider.enabled,
            configuration: stateOf(provider),
            ...withProvider(compiled.providers.get(provider.name)),
          })),
      }),
    )
    opened.push(admin)
  } catch (error) {
    for (const listening of opened) {
      void listening.stopAccepting()
      listening.destroy()
    }
    watching?.close()
    throw error
  }
  let broken = glassBroken().join()
  const sweep = setInterval(() => {
    compiled.signIn.sweep(clock())
    const now = glassBroken()
    if (now.join() === broken) return
    broken = now.join()
    metrics.breakGlass(now)
    log.audit('break-glass has changed', { portals: now })
  }, sweepEvery)
  sweep.unref()
  log.server('info', 'listening', { people: people.address, health: health.address, admin: admin.address, generation: number })

  async function close(): Promise<void> {
    draining = true
    clearInterval(sweep)
    watching?.close()
    const stopped = Promise.all(opened.map((listening) => listening.stopAccepting()))
    for (const listening of opened) listening.destroy()
    await stopped
    // what portals and providers are being told just now
    const enough = new AbortController()
    await Promise.race([served.release(), pause(lastWords, enough.signal)])
    enough.abort()
    sessions.close()
    await states.close()
    log.flush()
  }

  async function drain(): Promise<void> {
    if (draining) return
    draining = true
    const { drainDelay, drain: patience } = config.server.timeouts
    log.server('info', 'stopping: new requests are still served for a moment', { drainDelay })
    await pause(drainDelay)
    // a connection kept alive after its last answer would hold the listener open: close() ends those
    void people.stopAccepting()
    log.server('info', 'stopping: waiting for running requests', { active: door.active(), drain: patience })
    const patienceOver = new AbortController()
    await Promise.race([allGone(door.active, patienceOver.signal), pause(patience, patienceOver.signal)])
    patienceOver.abort()
    if (door.active() > 0) log.server('warn', 'requests were cut', { active: door.active() })
    await close()
  }

  const scheme = server.tls ? 'https' : 'http'
  return {
    url: `${scheme}://${people.address}`,
    healthUrl: `http://${health.address}`,
    adminUrl: `http://${admin.address}`,
    reload,
    drain,
    close,
  }
}

/** `--enforce-local=NAME` where NAME is no portal: the person's input is wrong. */
export class UnknownPortal extends Error {}

function refuseUnknown(names: ServeOptions['enforceLocal'], { config }: Loaded): void {
  if (names === undefined || names === 'all') return
  const portals = config.portals.map((portal) => portal.name)
  for (const name of names) {
    if (!portals.includes(name))
      throw new UnknownPortal(`--enforce-local=${name}: there is no such portal  → write one of ${portals.join(', ')}`)
  }
}

/** `disabled` is a choice; `not configured` is a provider that could not be enabled as it stands. */
const stateOf = (provider: ProviderConfig): string =>
  provider.enabled ? 'enabled' : missingKeysOf(provider).length > 0 ? 'not configured' : 'disabled'

const withState = (state: StateStore | undefined) => (state === undefined ? {} : { state })
const withProvider = <P>(provider: P | undefined) => (provider === undefined ? {} : { provider })

/** Whoever no longer waits leaves no timer behind that would keep the process alive. */
const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined)

async function allGone(active: () => number, signal: AbortSignal): Promise<void> {
  while (active() > 0 && !signal.aborted) await pause(20)
}
