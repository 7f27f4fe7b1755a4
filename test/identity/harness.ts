// A small world for sign-ins: two portals, a scripted provider, a clock that is set, a browser with a cookie jar.

import { createIdentify, type Identify } from '../../src/identity/identify.ts'
import { createRevocations, type Revocations } from '../../src/identity/sessions/revocations.ts'
import { createSealer, type Sealer } from '../../src/identity/sessions/seal.ts'
import { createSessionKeeper, type SessionKeeper } from '../../src/identity/sessions/session.ts'
import { createFlowMemory, type FlowMemory } from '../../src/identity/signing-in/flow.ts'
import { createSignIn, type SignIn } from '../../src/identity/signing-in/sign-in.ts'
import type { AuthenticationEvent, Fields, Log } from '../../src/log.ts'
import type {
  Answer,
  AuthOutcome,
  Generation,
  Identified,
  Identity,
  Instant,
  Json,
  LoginStart,
  Portal,
  Provider,
  ProviderAsking,
  ProviderStatus,
  RequestView,
  Route,
  Session,
  SessionRules,
  Show,
} from '../../src/types.ts'

export const basePath = '/_postern'
export const minute = 60_000
export const keyA = Buffer.alloc(32, 1).toString('base64url')
export const keyB = Buffer.alloc(32, 2).toString('base64url')
export const noon: Instant = Date.UTC(2026, 10, 22, 12)

export class TestClock {
  now = noon
  readonly read = (): Instant => this.now
  pass(milliseconds: number): void {
    this.now += milliseconds
  }
}

export class TestLog implements Log {
  readonly authentications: AuthenticationEvent[] = []
  readonly audits: { readonly msg: string; readonly fields: Fields }[] = []
  readonly servers: string[] = []
  access(): void {}
  authentication(event: AuthenticationEvent): void {
    this.authentications.push(event)
  }
  audit(msg: string, fields: Fields = {}): void {
    this.audits.push({ msg, fields })
  }
  server(_level: string, msg: string): void {
    this.servers.push(msg)
  }
  flush(): void {}
}

export interface RequestParts {
  readonly method?: string
  readonly host?: string
  readonly path?: string
  readonly query?: string
  readonly cookies?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

export function requestOf(parts: RequestParts = {}): RequestView {
  const { method = 'GET', host = 'home.company.com', path = '/', query = '', cookies = '', headers = {} } = parts
  return {
    id: 'request-1',
    method,
    host,
    path,
    query,
    cookies,
    lines: (name) => [headers[name] ?? []].flat(),
    peer: { address: '192.0.2.1', isTrustedProxy: false, certificateNames: [] },
    clientAddress: '192.0.2.1',
    navigation: true,
  }
}

export function identityOf(subject: string, extra: Partial<Identity> = {}): Identity {
  return {
    provider: 'PLAY',
    issuer: 'https://idp.company.com',
    subject,
    account: `${subject}@company.com`,
    groups: ['staff'],
    claims: { sub: subject, email: `${subject}@company.com` },
    authenticatedAt: noon - minute,
    ...extra,
  }
}

/** Sends people away with a nonce and knows by the code who came back; a code is good for the nonce it was made for, as in OIDC. */
export class ScriptedProvider implements Provider {
  readonly name: string
  readonly protocol = 'OIDC'
  readonly label: string
  readonly credentialsName?: string
  readonly starts: LoginStart[] = []
  readonly completed: { readonly callback: string; readonly query: string }[] = []
  readonly ended: Session[] = []
  /** What end answers. */
  signOutAt: Show | undefined
  /** Instead of somebody. */
  outcome: AuthOutcome | undefined
  beginError: Error | undefined
  keep: Json | undefined
  endsAt: Instant | undefined
  claims: Readonly<Record<string, Json>> = {}
  /** Instead of what everybody is like. */
  about: Partial<Identity> = {}
  asking?: ProviderAsking
  status?: () => ProviderStatus
  logoutUrl?: string
  recognize?: (request: RequestView) => AuthOutcome | Promise<AuthOutcome>
  #nonce = 0

  constructor(name: string, credentialsName?: string) {
    this.name = name
    this.label = `${name} label`
    if (credentialsName) this.credentialsName = credentialsName
  }

  readonly login = {
    begin: async (start: LoginStart) => {
      if (this.beginError) throw this.beginError
      this.starts.push(start)
      const nonce = `n${++this.#nonce}`
      const show: Show = {
        kind: 'redirect',
        to: `https://idp.company.com/authorize?nonce=${nonce}&state=${encodeURIComponent(start.state)}`,
      }
      return { show, flow: { nonce } }
    },
    complete: async (
      back: RequestView,
      flow: Json,
      at: { readonly callback: string; readonly state: string },
    ): Promise<AuthOutcome> => {
      this.completed.push({ callback: at.callback, query: back.query })
      await Promise.resolve()
      if (this.outcome) return this.outcome
      const [subject = '', nonce] = (new URLSearchParams(back.query).get('code') ?? '').split('.')
      if (nonce !== (flow as { nonce: string }).nonce)
        return { kind: 'rejected', reason: 'sign-in-failed', detail: 'nonce mismatch' }
      const claims = { ...identityOf(subject).claims, ...this.claims }
      const identity = identityOf(subject, { provider: this.name, claims, ...this.about })
      return {
        kind: 'identified',
        identity,
        ...(this.keep === undefined ? {} : { keep: this.keep }),
        ...(this.endsAt === undefined ? {} : { endsAt: this.endsAt }),
      }
    },
    end: async (session: Session): Promise<Show | undefined> => {
      this.ended.push(session)
      return this.signOutAt
    },
  }
}

export const rulesOf = (name: string, extra: Partial<SessionRules> = {}): SessionRules => ({
  audience: name,
  cookieName: `__Host-postern-${name}`,
  idle: 30 * minute,
  lifetime: 480 * minute,
  idleRequiresSignIn: false,
  cookieAttributes: 'Path=/; HttpOnly; SameSite=Lax; Secure',
  ...extra,
})

export function portalOf(name: string, providers: readonly Provider[], extra: Partial<Portal> = {}): Portal {
  const origin = extra.origin ?? `https://${name}.company.com`
  return {
    name,
    origin,
    path: '/',
    upstream: new URL('http://127.0.0.1:1'),
    providers,
    secondFactors: [],
    conditions: new Map(),
    routes: [],
    session: rulesOf(name),
    preserveHost: true,
    authorization: 'pass',
    pathCase: 'sensitive',
    allowedOrigins: new Set(),
    compat: 'none',
    mode: 'enforce',
    healthPath: '/',
    healthTimeout: 1000,
    redirectUris: new Map(
      [...providers, ...(extra.secondFactors ?? []).map(({ provider }) => provider)]
        .filter(({ login }) => login)
        .map((provider) => [provider.name, `${origin}${basePath}/callback/${provider.name}`]),
    ),
    admit: () => ({ allowed: true, reason: 'allowed', rule: '' }),
    ...extra,
  }
}

export const routeOf = (extra: Partial<Route> = {}): Route => ({
  pattern: '',
  access: 'authenticated',
  preflight: 'judge',
  extendsSession: true,
  endsSession: false,
  hasOwnRules: false,
  encodedSlash: 'refuse',
  judge: () => ({ verdict: { allowed: true, reason: 'allowed', rule: '' }, headers: [] }),
  ...extra,
})

export interface World {
  readonly clock: TestClock
  readonly log: TestLog
  readonly portals: ReadonlyMap<string, Portal>
  readonly sealer: Sealer
  readonly revocations: Revocations
  readonly keeper: SessionKeeper
  readonly identify: Identify
  readonly signIn: SignIn
  readonly memory: FlowMemory
  readonly counts: string[]
}
export interface WorldOptions {
  readonly keys?: readonly string[]
  readonly claims?: readonly string[]
  readonly clock?: TestClock
  readonly memory?: FlowMemory
  readonly revocations?: Revocations
  readonly findRoute?: Generation['findRoute']
}

export function worldOf(portals: readonly Portal[], options: WorldOptions = {}): World {
  const { clock = new TestClock(), memory = createFlowMemory(), keys = [keyA], claims = [] } = options
  const log = new TestLog()
  const revocations = options.revocations ?? createRevocations({ log })
  const sealer = createSealer(keys)
  const keeper = createSessionKeeper({ sealer, claims, revocations })
  const identify = createIdentify(keeper)
  const byName = new Map(portals.map((portal) => [portal.name, portal]))
  const counts: string[] = []
  const onSignIn = (provider: string, result: string) => void counts.push(`${provider} ${result}`)
  const signIn = createSignIn({
    basePath,
    portals: byName,
    keeper,
    identify,
    sealer,
    revocations,
    log,
    clock: clock.read,
    memory,
    onSignIn,
    ...(options.findRoute ? { findRoute: options.findRoute } : {}),
  })
  return { clock, log, portals: byName, sealer, revocations, keeper, identify, signIn, memory, counts }
}

/** Keeps cookies per host as a browser does, and goes where it is told. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>()
  world: World

  constructor(world: World) {
    this.world = world
  }

  jar(host: string): Map<string, string> {
    const jar = this.#jars.get(host) ?? new Map<string, string>()
    this.#jars.set(host, jar)
    return jar
  }

  cookies(host: string): string {
    return [...this.jar(host)].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  take(host: string, cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [pair = '', ...attributes] = cookie.split('; ')
      const [name = ''] = pair.split('=', 1)
      if (attributes.includes('Max-Age=0')) this.jar(host).delete(name)
      else this.jar(host).set(name, pair.slice(name.length + 1))
    }
  }

  /** Our own endpoint at this address. */
  async open(address: string, parts: RequestParts & { readonly portal?: string } = {}): Promise<Answer> {
    const url = new URL(address)
    const portals = [...this.world.portals.values()]
    const portal =
      parts.portal === undefined ? portals.find(({ origin }) => origin === url.origin) : this.world.portals.get(parts.portal)
    if (!portal) throw new Error(`no portal at ${url.origin}`)
    const request = requestOf({
      host: url.hostname,
      path: url.pathname,
      query: url.search,
      cookies: this.cookies(url.hostname),
      ...parts,
    })
    const answer = await this.#route(request, portal, url.pathname)
    this.take(url.hostname, answer.cookies)
    return answer
  }

  #route(request: RequestView, portal: Portal, path: string): Promise<Answer> {
    const { signIn } = this.world
    const [, , endpoint = '', provider = ''] = path === '/pkmslogout' ? ['', '', 'logout'] : path.split('/')
    const name = decodeURIComponent(provider)
    const endpoints: Readonly<Record<string, () => Promise<Answer>>> = {
      login: () => signIn.chooser(request, portal),
      start: () => signIn.start(request, portal, name),
      callback: () => signIn.callback(request, portal, name),
      logout: () => signIn.logout(request, portal),
      'signed-out': () => signIn.signedOut(request, portal),
      session: () => signIn.session(request, portal),
    }
    const answer = endpoints[endpoint]
    if (!answer) throw new Error(`no endpoint at ${path}`)
    return answer()
  }

  /** From `/start` to the address the provider sends the person back to. */
  async goAway(
    portal: string,
    person: string,
    options: { provider?: string; returnTo?: string; query?: string } = {},
  ): Promise<string> {
    const { provider = 'PLAY', returnTo = '/', query = '' } = options
    const origin = this.world.portals.get(portal)?.origin
    const answer = await this.open(`${origin}${basePath}/start/${provider}?return=${encodeURIComponent(returnTo)}${query}`, {
      portal,
    })
    return backFrom(answer, this.world, person, provider, portal)
  }

  async signIn(
    portal: string,
    person: string,
    options: { provider?: string; returnTo?: string; query?: string } = {},
  ): Promise<Answer> {
    const back = await this.goAway(portal, person, options)
    return this.open(back)
  }

  async who(portal: string, route = routeOf(), path = '/'): Promise<Identified> {
    const found = this.world.portals.get(portal) as Portal
    const host = new URL(found.origin).hostname
    const identified = await this.world.identify(
      requestOf({ host, path, cookies: this.cookies(host) }),
      found,
      route,
      this.world.clock.now,
    )
    this.take(host, identified.cookies)
    return identified
  }
}

/** What the provider does with a person: back to the callback, with a code made for the nonce it was given. */
export function backFrom(answer: Answer, world: World, person: string, provider: string, portal: string): string {
  const to = new URL(locationOf(answer))
  const callback = new URL(world.portals.get(portal)?.redirectUris.get(provider) as string)
  callback.searchParams.append('code', `${person}.${to.searchParams.get('nonce')}`)
  callback.searchParams.append('state', to.searchParams.get('state') as string)
  return callback.href
}

export function locationOf(answer: Answer): string {
  if (answer.show.kind !== 'redirect') throw new Error(`no redirect but ${JSON.stringify(answer.show)}`)
  return answer.show.to
}

export function failureOf(answer: Answer) {
  if (answer.show.kind !== 'page' || answer.show.page.name !== 'refused')
    throw new Error(`no failure but ${JSON.stringify(answer.show)}`)
  return answer.show.page.failure
}

export const accountOf = (identified: Identified): string | undefined =>
  identified.outcome.kind === 'identified' ? identified.outcome.identity.account : undefined

/** The usual world: PLAY at home and at mail. */
export function usual(options: WorldOptions & { readonly home?: Partial<Portal>; readonly mail?: Partial<Portal> } = {}) {
  const play = new ScriptedProvider('PLAY', 'FIDO')
  const other = new ScriptedProvider('OTHER')
  const home = portalOf('home', [play], options.home)
  const mail = portalOf('mail', [play, other], options.mail)
  const world = worldOf([home, mail], options)
  return { world, play, other, home, mail, browser: new Browser(world) }
}
