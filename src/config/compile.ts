// Config -> everything that serves requests. The only place that knows every stage.
import { hash } from 'node:crypto'
import { compileRanges } from '../addresses.ts'
import { createOwnEndpoints } from '../connection/own-endpoints.ts'
import { createReply } from '../connection/reply.ts'
import type { Parts } from '../connection/served.ts'
import { compileFindPortal } from '../destination/find-portal.ts'
import type { Foreseeing } from '../explanation/foresight.ts'
import { compileNames } from '../header-names.ts'
import { createProvider } from '../identity/providers/index.ts'
import { createSealer } from '../identity/sessions/seal.ts'
import type { SessionRegister } from '../identity/sessions/session-register.ts'
import type { FlowMemory } from '../identity/signing-in/flow.ts'
import type { KeptRequests } from '../identity/signing-in/kept-request.ts'
import { createSignIn, type SignIn } from '../identity/signing-in/sign-in.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { StateStore } from '../state.ts'
import type { Clock, Generation, Identity, Portal, Provider, RequestView, Route } from '../types.ts'
import { createForwarder } from '../upstream/forward.ts'
import { type CompiledEnrolment, compileEnrolments } from './compile-enrolment.ts'
import { compileForesight } from './compile-foresight.ts'
import { claimsRead } from './compile-judge.ts'
import { type CompiledPortal, compilePortal, compileRules, cookieBase, expressionsOf } from './compile-portal.ts'
import { compileSessions, openStore, type SessionBacking } from './compile-sessions.ts'
import { type CompiledSignOut, compileSignOut } from './compile-sign-out.ts'
import type { Loaded } from './load.ts'
import type { Config, ProviderConfig, SignInConfig, WebsealConfig } from './schema.ts'
import { firstProvidersOf, isSignIn, providerNamesOf } from './uris.ts'

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
  const store = openStore(config, backing, sealer, context.metrics)
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

function compileProvider(config: ProviderConfig, loaded: Loaded, context: CompileContext, reading: PersonReaders): Provider {
  if (config.protocol === 'WEBSEAL') return createProvider(websealOptions(config, loaded.config), context)
  const provider =
    config.protocol === 'LOCAL'
      ? createProvider(config, context)
      : createProvider(signInOptions(config, loaded, context, reading), context)
  return Object.assign(provider, { fingerprint: fingerprintOf(config) })
}

/** What makes a provider's people who they are. With another issuer, client or account of the same name they are others. */
const telling = [
  'protocol',
  'issuer',
  'discoveryUri',
  'authorizationEndpoint',
  'tokenEndpoint',
  'jwksUri',
  'userinfoEndpoint',
  'clientId',
  'subjectAttribute',
  'accountAttribute',
  'accountCase',
  'groupsAttribute',
  'requireVerifiedEmail',
  'allowedTenants',
]
const fingerprintOf = (config: ProviderConfig): string =>
  hash(
    'sha256',
    JSON.stringify([...telling.map((key) => (config as Readonly<Record<string, unknown>>)[key] ?? null), ...shapingOf(config)]),
    'base64url',
  ).slice(0, 12)

/** Whoever was shaped by other profiles is somebody else, too. No header of a call: a secret that is renewed signs nobody out. */
function shapingOf(config: ProviderConfig): readonly unknown[] {
  if (!isSignIn(config)) return []
  const { postLogin, profiles, link } = config
  if (postLogin.length === 0 && profiles === undefined && link === undefined) return []
  return [
    postLogin.map(({ call: { url, method, body }, set, onError }) => [url, method, body ?? null, set, onError]),
    profiles?.map(({ provision: _, ...profile }) => profile) ?? null,
    link ?? null,
  ]
}

/** What beside rules and headers reads a person as the provider asserts them. */
interface PersonReaders {
  readonly enrolment: CompiledEnrolment | undefined
  readonly signOut: CompiledSignOut | undefined
}

function signInOptions(config: SignInConfig, loaded: Loaded, context: CompileContext, { enrolment, signOut }: PersonReaders) {
  const portals = loaded.config.portals.filter((portal) => providerNamesOf(portal).includes(config.name))
  const expressions = [
    ...portals.flatMap((portal) => expressionsOf(portal, loaded)),
    ...compileRules(config.rules, loaded).map((rule) => rule.expression),
  ]
  const ofCalls = new Set(['token', 'answer', 'status'])
  const wanted = new Set([
    ...claimsRead(expressions),
    ...[...(enrolment?.reads.claims ?? [])].filter((name) => !ofCalls.has(name)),
    ...portals.flatMap(({ name }) => [...(signOut?.reads.get(name)?.claims ?? [])]).filter((name) => name !== 'reason'),
  ])
  // what a profile puts in their place need not come from the provider, which may have too many groups for a token
  const ownGroups = enrolment?.givesGroups === true && !enrolment.reads.facts.has('groups')
  const readsGroups = enrolment?.reads.facts.has('groups') || expressions.some(({ reads }) => reads.facts.has('groups'))
  if (readsGroups && !ownGroups) wanted.add(config.groupsAttribute)
  if (config.verify) wanted.add(config.verify.claim)
  if (config.link) wanted.add('email')
  const anyEndpoint =
    config.protocol === 'OIDC' ? (config.discoveryUri ?? config.issuer ?? config.tokenEndpoint) : config.tokenEndpoint
  const egressProxy =
    anyEndpoint === undefined ? undefined : (loaded.config.server.egressProxy ?? context.egressProxy(anyEndpoint))
  return {
    ...config,
    wantedClaims: wanted,
    ...(ownGroups ? { groupsAttribute: '[]' } : {}),
    ...(egressProxy ? { egressProxy } : {}),
  }
}

/** Nobody named by WebSEAL may sign in where one of its portals offers that; elsewhere the door stays shut. */
function websealOptions(config: WebsealConfig, whole: Config) {
  const others = whole.portals.filter((portal) => firstProvidersOf(portal).includes(config.name)).flatMap(firstProvidersOf)
  const canSignIn = whole.providers.some((provider) => provider.enabled && isSignIn(provider) && others.includes(provider.name))
  return { ...config, onMissing: config.onMissing ?? (canSignIn ? ('login' as const) : ('deny' as const)) }
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

/** Straight to a provider where there is nothing to choose; else the chooser, which also knows the conditions. */
function compileSignInPath(basePath: string): Generation['signInPath'] {
  return (portal, returnTo, ask = {}) => {
    const choices = portal.providers.filter((provider) => provider.login || provider.protocol === 'LOCAL')
    if (choices.length === 0) return undefined
    const only = choices.length === 1 && portal.conditions.size === 0 ? choices[0]?.name : undefined
    const straight = ask.provider ?? only
    const hints = `${ask.fresh ? '&fresh=1' : ''}${ask.acr === undefined ? '' : `&acr=${encodeURIComponent(ask.acr)}`}`
    return `${basePath}/${straight === undefined ? 'login' : `start/${encodeURIComponent(straight)}`}?return=${encodeURIComponent(returnTo)}${hints}`
  }
}

/** Below basePath, and the paths of callback URLs registered elsewhere. */
function isOursIn({ server: { basePath } }: Config, portals: readonly CompiledPortal[]): (path: string) => boolean {
  const callbacks = new Set(
    portals.flatMap(({ portal }) => [...portal.redirectUris.values()].map((uri) => new URL(uri).pathname)),
  )
  return (path) => path === basePath || path.startsWith(`${basePath}/`) || callbacks.has(path)
}

interface ExplicitCallback {
  readonly provider: string
  readonly own: readonly (readonly [string, string])[]
}

/** basePath, pkms pages, and callback URLs registered at other paths: those are ours only with every parameter of their own and a state. */
function compileOwnEndpoint(
  config: Config,
  portals: readonly CompiledPortal[],
): (request: RequestView, portal: Portal) => string | undefined {
  const { basePath } = config.server
  const explicit = new Map<string, ExplicitCallback[]>()
  for (const { portal } of portals) {
    for (const [provider, uri] of portal.redirectUris) {
      const url = new URL(uri)
      const key = `${url.hostname.toLowerCase()} ${url.pathname}`
      if (url.pathname === `${basePath}/callback/${encodeURIComponent(provider)}` && url.search === '') continue
      const known = explicit.get(key) ?? []
      if (!known.some((callback) => callback.provider === provider))
        explicit.set(key, [...known, { provider, own: [...url.searchParams] }])
    }
  }
  return (request, portal) => {
    const { path } = request
    if (explicit.size > 0 && request.query !== '') {
      const provider = callbackFor(explicit.get(`${request.host} ${path}`), request.query)
      if (provider !== undefined) return `/callback/${encodeURIComponent(provider)}`
    }
    if (path.startsWith(basePath) && (path.length === basePath.length || path.charCodeAt(basePath.length) === 47))
      return path.slice(basePath.length) || '/'
    if (portal.compat === 'webseal' && path.startsWith('/pkms')) return pkmsPage(path, request.query)
    return undefined
  }
}

function callbackFor(callbacks: readonly ExplicitCallback[] | undefined, query: string): string | undefined {
  if (!callbacks) return undefined
  const given = new URLSearchParams(query)
  if (!given.has('state') || !(given.has('code') || given.has('error'))) return undefined
  return callbacks.find(({ own }) => own.every(([name, value]) => given.getAll(name).includes(value)))?.provider
}

function pkmsPage(path: string, query: string): string | undefined {
  if (path === '/pkmslogout') return '/logout'
  if (path !== '/pkmsoidc') return undefined
  const provider = new URLSearchParams(query).get('iss')
  return provider === null ? '/login' : `/start/${encodeURIComponent(provider)}`
}
