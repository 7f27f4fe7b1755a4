// `postern serve`: configuration -> listeners, reloads, drain. Wires; decides nothing.
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Loaded, loadConfig } from '../config/load.ts'
import { createProxyDoor } from '../connection/proxy-door.ts'
import { createRefusals } from '../explanation/refusals.ts'
import { createFlowMemory } from '../identity/signing-in/flow.ts'
import { createKeptRequests } from '../identity/signing-in/kept-request.ts'
import { createLogoutMemory } from '../identity/signing-out/logout-memory.ts'
import { createLog, type Log, type LogDestination } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import type { Clock } from '../types.ts'
import { type Configurations, createConfigurations } from './configurations.ts'
import { egressProxyFrom } from './egress-proxy.ts'
import { type ListenersOptions, openListeners } from './open-listeners.ts'
import { openSessions } from './open-sessions.ts'
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

/** Milliseconds for calls of ours that are under way when the process ends. */
const lastWords = 5000

/** How often redirections nobody came back from are looked for, milliseconds. */
const sweepEvery = 5000

/** Starts everything. Throws ConfigError where the configuration is wrong, and what listening throws. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const clock = options.clock ?? Date.now
  const log = createLog(options.destination ?? { write: () => undefined }, clock)
  const states = createStates({ clock, log })
  const opened: (() => unknown)[] = [states.close]
  try {
    return await start(options, { clock, log, states, opened })
  } catch (error) {
    // a connection left behind would keep a process alive that serves nobody
    await closeAll(opened)
    throw error
  }
}

/** The latest first. */
async function closeAll(opened: readonly (() => unknown)[]): Promise<void> {
  for (const close of opened.toReversed())
    await Promise.resolve()
      .then(close)
      .catch(() => undefined) // the others are closed all the same
}

interface Opened {
  readonly clock: Clock
  readonly log: Log
  readonly states: States
  /** How to close what is there; put here as soon as it is. */
  readonly opened: (() => unknown)[]
}

async function start(options: ServeOptions, { clock, log, states, opened }: Opened): Promise<Serving> {
  const metrics = createMetrics()
  const file = resolve(options.config)
  const loaded = await loadConfig(file, { env: options.env })
  refuseUnknown(options.enforceLocal, loaded)
  let keys = () => loaded.config.session.keys
  const sessions = openSessions(loaded.config, { clock, log, keys: () => keys(), onError: metrics.storeError })
  opened.push(sessions.close)
  const { backing } = sessions
  const sharing = backing.board ? { board: backing.board } : {}
  const context = {
    log,
    metrics,
    clock,
    backing,
    memory: createFlowMemory(sharing),
    kept: createKeptRequests({ clock, ...sharing }),
    logouts: createLogoutMemory(clock),
    ...(options.enforceLocal ? { enforceLocal: options.enforceLocal } : {}),
    egressProxy: egressProxyFrom(options.env),
  }
  metrics.store(sessions.isUp, () => backing.revocations.size)
  const configurations = createConfigurations(loaded, { file, env: options.env, states, context })
  const { current } = configurations
  // what portals and providers are being told just now, and tokens that wait to be written, need the sessions still
  opened.push(() => first(configurations.close(), lastWords))
  keys = () => current().config.session.keys
  if (options.watch !== false) await configurations.watch()
  await sessions.ready

  let draining = false
  const refusals = createRefusals()
  const door = createProxyDoor({
    onRefusal: refusals.note,
    current: () => current().served,
    log,
    metrics,
    clock,
    ticks: () => performance.now(),
    draining: () => draining,
    accessLog: options.accessLog ?? true,
  })
  const listeners = await openListeners({
    configurations,
    refusals,
    door,
    draining: () => draining,
    storeIsUp: sessions.isUp,
    log,
    metrics,
    clock,
  })
  const sweep = sweepFrom(configurations, { log, metrics, clock })
  const { people, health, admin } = listeners
  log.server('info', 'listening', {
    people: people.address,
    health: health.address,
    admin: admin.address,
    generation: current().number,
  })

  async function end(): Promise<void> {
    draining = true
    clearInterval(sweep)
    const stopped = Promise.all(listeners.all.map((listening) => listening.stopAccepting()))
    for (const listening of listeners.all) listening.destroy()
    await stopped
    await closeAll(opened)
    log.flush()
  }

  let closed: Promise<void> | undefined
  function close(): Promise<void> {
    closed ??= end()
    return closed
  }

  async function drain(): Promise<void> {
    if (draining) return
    draining = true
    const { drainDelay, drain: patience } = current().config.server.timeouts
    log.server('info', 'stopping: new requests are still served for a moment', { drainDelay })
    await pause(drainDelay)
    // a connection kept alive after its last answer would hold the listener open: close() ends those
    void people.stopAccepting()
    log.server('info', 'stopping: waiting for running requests', { active: door.active(), drain: patience })
    const patienceOver = new AbortController()
    await first(allGone(door.active, patienceOver.signal), patience)
    patienceOver.abort()
    if (door.active() > 0) log.server('warn', 'requests were cut', { active: door.active() })
    await close()
  }

  const scheme = loaded.config.server.tls ? 'https' : 'http'
  return {
    url: `${scheme}://${people.address}`,
    healthUrl: `http://${health.address}`,
    adminUrl: `http://${admin.address}`,
    reload: configurations.reload,
    drain,
    close,
  }
}

/** What has to be looked at every few seconds. */
function sweepFrom(
  { current, glassBroken }: Configurations,
  { log, metrics, clock }: Pick<ListenersOptions, 'log' | 'metrics' | 'clock'>,
): NodeJS.Timeout {
  let broken = glassBroken().join()
  return setInterval(() => {
    current().compiled.signIn.sweep(clock())
    const now = glassBroken()
    if (now.join() === broken) return
    broken = now.join()
    metrics.breakGlass(now)
    log.audit('break-glass has changed', { portals: now })
  }, sweepEvery).unref()
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

/** Whoever no longer waits leaves no timer behind that would keep the process alive. */
const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined)

/** Whichever comes first: the work, or its time. */
async function first(work: Promise<unknown>, ms: number): Promise<void> {
  const enough = new AbortController()
  await Promise.race([work, pause(ms, enough.signal)])
  enough.abort()
}

async function allGone(active: () => number, signal: AbortSignal): Promise<void> {
  while (active() > 0 && !signal.aborted) await pause(20)
}
