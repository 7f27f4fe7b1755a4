// The three listeners of `postern serve`: people, health, admin. All or none.
import type { Config } from '../config/schema.ts'
import { createAdmin } from '../connection/admin.ts'
import { createHealth } from '../connection/health.ts'
import { type Listening, listenForMachines, listenForPeople } from '../connection/listen.ts'
import type { createProxyDoor } from '../connection/proxy-door.ts'
import { explain } from '../explanation/explain.ts'
import { questionOf } from '../explanation/question.ts'
import { explainRefusal, type Refusals } from '../explanation/refusals.ts'
import { createAccountLinks } from '../identity/accounts/account-links.ts'
import { provisioningFailures } from '../identity/accounts/provisioning.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Clock } from '../types.ts'
import { type Configurations, stateOf } from './configurations.ts'

export interface Listeners {
  readonly people: Listening
  readonly health: Listening
  readonly admin: Listening
  readonly all: readonly Listening[]
}
export interface ListenersOptions {
  readonly configurations: Configurations
  readonly refusals: Refusals
  readonly door: ReturnType<typeof createProxyDoor>
  readonly draining: () => boolean
  readonly storeIsUp: () => boolean
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** Throws CannotListen; nothing listens then. */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { server } = options.configurations.current().config
  const all: Listening[] = []
  const opened = async (listening: Promise<Listening>): Promise<Listening> => {
    all.push(await listening)
    return listening
  }
  try {
    const people = await opened(openDoor(server, options))
    const health = await opened(listenForMachines(server.health, healthOf(options)))
    const admin = await opened(listenForMachines(server.admin, adminOf(server, options)))
    return { people, health, admin, all }
  } catch (error) {
    for (const listening of all) {
      void listening.stopAccepting()
      listening.destroy()
    }
    throw error
  }
}

const openDoor = ({ listen, tls, timeouts, maxHeaderBytes }: Config['server'], { door, log }: ListenersOptions) =>
  listenForPeople(
    { ...listen, ...(tls ? { tls } : {}), headersTimeout: timeouts.headers, maxHeaderBytes },
    door,
    (reason, address) => log.server('warn', 'a request could not be read', { reason, address }),
  )

const healthOf = ({ configurations, draining, metrics, storeIsUp }: ListenersOptions) =>
  createHealth({
    draining,
    portals: () => configurations.current().served.parts.generation.portals,
    metrics,
    breakGlass: configurations.glassBroken,
    storeIsUp,
  })

function adminOf({ adminToken }: Config['server'], { configurations, refusals, log, clock }: ListenersOptions) {
  const { current } = configurations
  const generation = () => current().served.parts.generation
  return createAdmin({
    ...(adminToken ? { token: adminToken } : {}),
    generation: () => current().number,
    portals: () => generation().portals,
    problems: () => current().problems,
    explaining: {
      ask: async (asked) => explain(questionOf(asked, clock()), { generation: generation(), trim: current().compiled.trim }),
      refusal: async (id) => {
        const found = refusals.find(id)
        return found && explainRefusal(found, generation())
      },
      recent: refusals.recent,
    },
    sessions: () => current().compiled.register,
    links: () => {
      const { state } = current()
      return state ? createAccountLinks({ store: state, log, clock }) : undefined
    },
    provisioning: async () => {
      const { state } = current()
      return state ? provisioningFailures(state) : []
    },
    providers: () => {
      const { config, compiled } = current()
      return config.providers.map((provider) => {
        const running = compiled.providers.get(provider.name)
        return {
          name: provider.name,
          protocol: provider.protocol,
          enabled: provider.enabled,
          configuration: stateOf(provider),
          ...(running ? { provider: running } : {}),
        }
      })
    },
  })
}
