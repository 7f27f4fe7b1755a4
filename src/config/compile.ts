import { compileRanges } from '../addresses.ts'
import { createOwnEndpoints } from '../connection/own-endpoints.ts'
import { createReply } from '../connection/reply.ts'
import type { Parts } from '../connection/served.ts'
import { compileFindPortal } from '../destination/find-portal.ts'
import type { Foreseeing } from '../explanation/foresight.ts'
import { compileNames } from '../header-names.ts'
import { createSealer } from '../identity/sessions/seal.ts'
import type { SessionRegister } from '../identity/sessions/session-register.ts'
import type { FlowMemory } from '../identity/signing-in/flow.ts'
import type { KeptRequests } from '../identity/signing-in/kept-request.ts'
import { createSignIn, type SignIn } from '../identity/signing-in/sign-in.ts'
import type { LogoutMemory } from '../identity/signing-out/logout-memory.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { StateStore } from '../state.ts'
import type { Clock, Generation, Identity, Provider, Route } from '../types.ts'
import { createForwarder } from '../upstream/forward.ts'
import { compileEnrolments } from './compile-enrolment.ts'
import { compileForesight } from './compile-foresight.ts'
import { compileOwnEndpoint, compileSignInPath, isOursIn } from './compile-own-paths.ts'
import { compilePortal, compileRules, cookieBase } from './compile-portal.ts'
import { compileProvider } from './compile-provider.ts'
import { compileSessions, openStore, type SessionBacking } from './compile-sessions.ts'
import { compileSignOut } from './compile-sign-out.ts'
import type { Loaded } from './load.ts'
import type { Config, WebsealConfig } from './schema.ts'

export interface CompileContext {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  readonly number: number
  readonly backing: SessionBacking
  /** Outlives generations: a reload forgets no used and no waiting sign-in. */
  readonly memory: FlowMemory
  /** Outlives generations: a reload loses nothing that somebody typed. */
  readonly kept: KeptRequests
  /** Outlives generations: a reload makes no logout token count twice. */
  readonly logouts: LogoutMemory
  readonly egressProxy: (url: string) => string | undefined
  /** Outlives generations. What `server.state` names; absent where there is none. */
  readonly state?: StateStore
  /** Break-glass from the command line. */
  readonly enforceLocal?: ReadonlySet<string> | 'all'
}

export interface CompiledGeneration {
  readonly parts: Parts
  readonly signIn: SignIn
  readonly providers: ReadonlyMap<string, Provider>
  readonly sessions: () => number
  readonly register: SessionRegister
  /** The identity as a session would hold it: `session.claims` leaves out the others. */
  readonly trim: (identity: Identity) => Identity
}

export function compile(loaded: Loaded, context: CompileContext): CompiledGeneration {
  const { config } = loaded
  const enabled = config.providers.filter((provider) => provider.enabled)
  const sealer = createSealer(config.session.keys)
  const { backing } = context
  const store = openStore(backing, sealer, context.metrics)
  const { board } = backing
  const signOut = compileSignOut(config, { ...context, ...(board ? { board } : {}), ...(store.keeps ? { store } : {}) })
  const enrolments = compileEnrolments(config, context)
  const providers = new Map(
    enabled.map(
      (provider) =>
        [
          provider.name,
          compileProvider(provider, loaded, context, { enrolment: enrolments.get(provider.name), signOut }),
        ] as const,
    ),
  )
  const providerRules = new Map(
    enabled.map((provider) => [provider.name, compileRules(provider.rules, loaded, 'provider')] as const),
  )
  const portals = config.portals.map((portal) =>
    compilePortal(portal, loaded, providers, providerRules, context.metrics, isEnforced(context, portal.name)),
  )
  const byName = new Map(portals.map(({ portal }) => [portal.name, portal] as const))

  const { log, clock, metrics } = context
  const sessions = compileSessions(config, {
    backing,
    providers,
    enrolments,
    portals: byName,
    store,
    sealer,
    signOut,
    log,
    clock,
    metrics,
  })
  const { keeper, identify } = sessions
  const { basePath } = config.server
  const routers = new Map(portals.map(({ portal, findRoute }) => [portal, findRoute] as const))
  const signIn = createSignIn({
    basePath,
    portals: byName,
    keeper,
    identify,
    sealer,
    revocations: backing.revocations,
    ...(board ? { board } : {}),
    ...(signOut ? { onSignOut: signOut.onSignOut } : {}),
    ...(sessions.limit ? { sessionLimit: sessions.limit } : {}),
    memory: context.memory,
    kept: context.kept,
    logouts: context.logouts,
    findRoute: (portal, path, method) => routers.get(portal)?.(path, method),
    log: context.log,
    clock: context.clock,
    onSignIn: context.metrics.signIn,
    enrolments: new Map([...enrolments].map(([name, { enrolment }]) => [name, enrolment] as const)),
  })
  const signInPath = compileSignInPath(basePath)

  const generation: Generation & Foreseeing = {
    foresee: compileForesight(config),
    number: context.number,
    basePath,
    portals: byName,
    findPortal: compileFindPortal(portals, isOursIn(config, portals)),
    findRoute: (portal, path, method): Route | undefined => routers.get(portal)?.(path, method),
    identify,
    ownEndpoint: compileOwnEndpoint(config, portals),
    signInPath,
    close: async () => {
      await sessions.close()
      await Promise.all([...providers.values(), ...enrolments.values()].map((one) => one.close?.()))
    },
  }
  const reply = createReply(config.pages, (request, decision) => {
    const path = decision.portal && decision.identity && signInPath(decision.portal, request.path + request.query)
    return path ? `${path}&as=other` : undefined
  })
  return {
    signIn,
    providers,
    sessions: () => keeper.size(),
    register: sessions.register,
    trim: (identity) => keeper.trim(identity),
    parts: {
      generation,
      reply,
      own: createOwnEndpoints(signIn, reply),
      kept: context.kept,
      trust: { isTrustedProxy: compileRanges(config.server.trustedProxies) },
      forwarder: createForwarder({
        engine: config.server.engine,
        clock: context.clock,
        isRevoked: (session) => backing.revocations.isRevoked(session),
        onRevocation: (listener) => backing.revocations.onChange(listener),
        stillOpen: sessions.stillOpen,
        timeouts: config.server.timeouts,
        classify: compileNames(
          namesWeSet(config),
          config.portals.some((portal) =>
            portal.routes.some((route) => route.methods !== undefined || route.preflight === 'forward'),
          ),
        ),
        cookiePrefixes: cookiePrefixes(config),
      }),
      credentials: new Map(enabled.map((provider) => [provider.name, provider.credentialsName ?? ''] as const)),
      healthPath: config.server.healthPath,
    },
  }
}

/** Names only we may set: what portals receive, what header-trusting providers read, what the operator adds. */
function namesWeSet(config: Config): readonly string[] {
  const portals = config.portals.flatMap((portal) => [
    ...Object.keys(portal.headers),
    ...portal.stripHeaders,
    ...tokenHeader(portal.accessTokenHeader),
  ])
  const providers = config.providers.flatMap((provider) => (provider.protocol === 'WEBSEAL' ? websealNames(provider) : []))
  return [...portals, ...providers]
}
/** Authorization is the client's own at other portals: decide.ts takes it out where it carries a token of ours. */
const tokenHeader = (name: string | undefined): readonly string[] =>
  name === undefined || name.toLowerCase() === 'authorization' ? [] : [name]
const websealNames = ({
  userHeader,
  groupsHeader,
  clientIpHeader,
  clientAddressHeader,
  passThrough,
}: WebsealConfig): readonly string[] =>
  [userHeader, groupsHeader, clientIpHeader, clientAddressHeader, ...passThrough].filter((name) => name !== undefined)

const cookiePrefixes = (config: Config): readonly string[] => [
  ...new Set([`${cookieBase(config, true)}-`, `${cookieBase(config, false)}-`]),
]

const isEnforced = ({ enforceLocal }: CompileContext, portal: string): boolean =>
  enforceLocal === 'all' || enforceLocal?.has(portal) === true
