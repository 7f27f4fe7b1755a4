// The request's way, top to bottom: which portal, who is asking, may they, with which headers.
// Knows no protocol, no header to the portal, no socket. The only place that makes an Allow.
import type { Reason } from './errors.ts'
import { factorKey } from './factor-key.ts'
import { isPrefetch } from './prefetch.ts'
import type {
  Allow,
  AuthOutcome,
  BreakGlass,
  Challenge,
  Decision,
  Deny,
  Freshness,
  Generation,
  HeaderPlan,
  Identified,
  Identity,
  Instant,
  Judgement,
  Own,
  Portal,
  RequestView,
  Route,
  Session,
  SignInAsk,
  Tokens,
} from './types.ts'

const nothing: readonly string[] = Object.freeze([])

/** Decides one request. Synchronous where everything is already known: a warm request awaits nothing. */
export function decide(request: RequestView, generation: Generation, now: Instant): Decision | Promise<Decision> {
  if (request.method === 'TRACE' || request.method === 'CONNECT') return deny('method-refused')
  const portal = generation.findPortal(request.host, request.path)
  if (!portal) return deny('portal-unknown')
  const endpoint = generation.ownEndpoint(request, portal)
  if (endpoint !== undefined) return own(portal, endpoint)

  const route = generation.findRoute(portal, request.path, request.method)
  if (!route || (request.encodedSlash && route.encodedSlash !== 'allow')) return deny('path-refused', { portal })
  if (request.upgrade && foreignOrigin(request, portal)) return deny('origin-refused', { portal })
  if (portal.breakGlass && glassIsBroken(portal.breakGlass, request, now)) return grant(portal, request, 'break-glass')
  if (route.access === 'blocked') return deny('route-blocked', { portal, message: route.message })
  if (route.access === 'public') return grant(portal, request, 'public') // nobody is asked: a dead store closes no public page
  if (route.preflight === 'forward' && isPreflight(request)) return grant(portal, request, 'preflight', { bare: true })

  const visit: Visit = { request, generation, portal, route, now }
  const who = generation.identify(request, portal, route, now)
  return who instanceof Promise ? who.then((known) => judge(visit, known)) : judge(visit, who)
}

/** What every step after the identification needs to know. */
interface Visit {
  readonly request: RequestView
  readonly generation: Generation
  readonly portal: Portal
  readonly route: Route
  readonly now: Instant
}
type Identification = Extract<AuthOutcome, { kind: 'identified' }>

function judge(visit: Visit, who: Identified): Decision | Promise<Decision> {
  const { outcome } = who
  if (outcome.kind !== 'identified') return unidentified(visit, outcome, who)
  const judged = visit.route.judge(outcome.identity, visit.request, visit.now)
  return judged instanceof Promise
    ? judged.then((known) => settle(visit, who, outcome, known))
    : settle(visit, who, outcome, judged)
}

function settle(visit: Visit, who: Identified, outcome: Identification, judged: Judgement): Decision | Promise<Decision> {
  const { request, portal, route } = visit
  const { verdict, headers } = judged
  const { identity } = outcome
  const { rule, message, detail } = verdict
  if (!headers || (!verdict.allowed && portal.mode !== 'warn')) {
    return deny(verdict.reason, { portal, identity, cookies: who.cookies, rule, message, detail })
  }
  const granted = () =>
    grant(portal, request, verdict.allowed ? 'allowed' : 'rule-would-refuse', {
      ...granting(who, outcome),
      endsSession: endsSession(visit, who),
      headers: portal.accessTokenHeader === undefined ? headers : withAccessToken(headers, portal, who.session, visit.now),
      rule,
      detail,
    })
  if (!route.freshness && portal.secondFactors.length === 0 && portal.conditions.size === 0) return granted()
  return enough(visit, who, identity).then((missing) => missing ?? granted())
}

/** Is this person known well enough, for this route and portal? Only asked where a configuration asks it. */
async function enough(visit: Visit, who: Identified, identity: Identity): Promise<Decision | undefined> {
  const { portal, route, request, now } = visit
  const condition = portal.conditions.get(identity.provider)
  const { freshness } = route
  if (
    (condition && !(await condition(undefined, request, now))) ||
    (freshness?.providers && !freshness.providers.has(identity.provider))
  ) {
    return challenge(visit, who, { reason: 'provider-not-enough', identity, ask: askFor(freshness?.providers) })
  }
  if (freshness && !isFresh(freshness, who, identity, now)) return stepUp(visit, who, identity, freshness)
  for (const { provider, after, when } of portal.secondFactors) {
    if (after !== identity.provider || who.session?.factors?.[factorKey(provider)] !== undefined) continue
    if (!when || (await when(identity, request, now)))
      return challenge(visit, who, { reason: 'second-factor-needed', identity, ask: { provider: provider.name } })
  }
  return undefined
}

const askFor = (providers: ReadonlySet<string> | undefined): SignInAsk => {
  const [only, ...others] = providers ?? []
  return only !== undefined && others.length === 0 ? { provider: only } : {}
}

/** Whoever comes for the first time is asked at once as the page wants it. `max_age` follows from the page. */
const firstAsk = ({ freshness }: Route): SignInAsk => ({
  ...askFor(freshness?.providers),
  ...(freshness?.maxAge === 'every' ? { fresh: true } : {}),
  ...(freshness?.acr === undefined ? {} : { acr: freshness.acr }),
})

/** `every`: a page's own requests come within this time of the sign-in, milliseconds. */
const grace = 10_000
/** Between the provider's question and the person's return, milliseconds: typing, and clocks that differ. */
const justAsked = 60_000

function isFresh({ maxAge, acr }: Freshness, { session }: Identified, identity: Identity, now: Instant): boolean {
  if (acr !== undefined && identity.assurance !== acr) return false
  if (maxAge === undefined) return true
  // a travelling credential says nothing of when the person was asked
  if (!session) return false
  // a provider that does not say when it asked may have waved the person through
  if (!identity.authTimeKnown) return false
  if (maxAge !== 'every') return now - identity.authenticatedAt < maxAge
  return now - session.createdAt < grace && session.createdAt - identity.authenticatedAt < justAsked
}

function stepUp(visit: Visit, who: Identified, identity: Identity, { maxAge, acr }: Freshness): Decision {
  const { portal } = visit
  if (!who.session)
    return deny('assurance-too-low', {
      portal,
      identity,
      cookies: who.cookies,
      detail: 'a travelling credential cannot be made fresher here',
    })
  const seconds = maxAge === undefined ? {} : { maxAge: maxAge === 'every' ? 0 : Math.floor(maxAge / 1000) }
  const ask = {
    provider: identity.provider,
    ...(maxAge === undefined ? {} : { fresh: true }),
    ...(acr === undefined ? {} : { acr }),
  }
  return challenge(visit, who, {
    reason: 'sign-in-not-fresh',
    identity,
    ask,
    stepUp: { ...seconds, ...(acr === undefined ? {} : { acr }) },
  })
}

const granting = (who: Identified, outcome: Identification) => ({
  identity: outcome.identity,
  cookies: who.cookies,
  passThrough: outcome.passThrough ?? nothing,
  endsAt: outcome.endsAt ?? endOf(who.session),
  session: who.session,
})
/** The portal's own sign-out is asked for by somebody whose session it is. To look at it, or to fetch it ahead, is not to ask for it. */
const endsSession = ({ route, request }: Visit, { session }: Identified): boolean =>
  route.endsSession &&
  session !== undefined &&
  request.method !== 'HEAD' &&
  request.method !== 'OPTIONS' &&
  !request.upgrade &&
  !isPrefetch(request)

/** What is forwarded once the session is over: the person's last request. @param cookies Set-Cookie values that delete it */
export const afterSignOut = ({ session: _, endsAt: __, ...allow }: Allow, cookies: readonly string[]): Allow =>
  ({ ...allow, cookies, endsSession: false }) as Allow

/** One plan per person, so that upstream looks at it once. */
const plansWithToken = new WeakMap<Tokens, { readonly of: HeaderPlan; readonly name: string; readonly plan: HeaderPlan }>()

/** The access token while it lasts, where it can stand in a header (RFC 6750 section 2.1 is narrower still). */
function withAccessToken(
  headers: HeaderPlan,
  { accessTokenHeader: name = '' }: Portal,
  session: Session | undefined,
  now: Instant,
): HeaderPlan {
  const tokens = session?.tokens
  if (!tokens || now >= (tokens.accessEndsAt ?? Number.POSITIVE_INFINITY) || !/^[\x21-\x7e]+$/.test(tokens.access)) return headers
  const known = plansWithToken.get(tokens)
  if (known?.of === headers && known.name === name) return known.plan
  const plan = [...headers, name, isAuthorization(name) ? `Bearer ${tokens.access}` : tokens.access]
  plansWithToken.set(tokens, { of: headers, name, plan })
  return plan
}
const isAuthorization = (name: string | undefined): boolean => name?.toLowerCase() === 'authorization'

const endOf = (session: Session | undefined): Instant | undefined => session && Math.min(session.idleUntil, session.endsAt)

function unidentified(
  visit: Visit,
  outcome: Exclude<AuthOutcome, Identification>,
  who: Identified,
): Decision | Promise<Decision> {
  const { request, portal, route } = visit
  const { cookies } = who
  switch (outcome.kind) {
    case 'unavailable':
      return deny(outcome.reason ?? 'provider-unavailable', {
        portal,
        detail: outcome.detail,
        retryAfter: outcome.retryAfter ?? 5,
      })
    case 'rejected':
      return deny(outcome.reason, { portal, detail: outcome.detail, cookies })
    case 'local':
      // whoever chose the portal's own sign-in is nobody to us: a route that wants somebody in particular stays closed
      if (route.freshness || route.hasOwnRules) return challenge(visit, who, { reason: 'provider-not-enough', ask: {} })
      return localOnly(visit, who, outcome.provider)
    case 'nobody':
    case 'absent':
      if (route.access === 'optional') return grant(portal, request, 'anonymous', { cookies })
      return challenge(visit, who, {
        reason: 'sign-in-needed',
        ...(outcome.kind === 'absent' ? { ask: firstAsk(route) } : {}),
      })
  }
}

interface Challenging {
  readonly reason: Reason
  /** Absent: no sign-in is offered. */
  readonly ask?: SignInAsk
  readonly identity?: Identity
  readonly stepUp?: { readonly maxAge?: number; readonly acr?: string }
}

function challenge(visit: Visit, who: Identified, { reason, ask, identity, stepUp: needed }: Challenging): Challenge {
  const { request, generation, portal, route } = visit
  const signIn = ask && generation.signInPath(portal, request.path + request.query, ask)
  const person = identity ?? who.expired?.identity
  const session = who.session ?? who.expired
  return {
    kind: 'challenge',
    reason,
    portal,
    redirect: signIn !== undefined && request.navigation && route.challenge !== 401,
    cookies: who.cookies,
    ...(signIn ? { signIn } : {}),
    ...(identity ? { identity } : {}),
    ...(person ? { person: { issuer: person.issuer, subject: person.subject } } : {}),
    ...(person && session ? { session: session.id } : {}),
    ...(needed ? { stepUp: needed } : {}),
  }
}

/** The portal's own sign-in, for as long as its condition holds. */
function localOnly(visit: Visit, who: Identified, provider: string): Decision | Promise<Decision> {
  const { portal, request, now } = visit
  const granted = () =>
    grant(portal, request, 'local-sign-in', {
      cookies: who.cookies,
      session: who.session,
      endsAt: endOf(who.session),
      endsSession: endsSession(visit, who),
    })
  const allowed = portal.conditions.get(provider)?.(undefined, request, now) ?? true
  const conclude = (is: boolean) => (is ? granted() : challenge(visit, who, { reason: 'provider-not-enough', ask: {} }))
  return allowed instanceof Promise ? allowed.then(conclude) : conclude(allowed)
}

function glassIsBroken({ holdsFor, until }: BreakGlass, request: RequestView, now: Instant): boolean {
  return (until === undefined || now < until) && holdsFor(request.clientAddress)
}

interface Granting {
  readonly identity?: Identity
  readonly headers?: HeaderPlan
  readonly cookies?: readonly string[]
  readonly passThrough?: readonly string[]
  readonly endsAt?: Instant | undefined
  readonly session?: Session | undefined
  readonly rule?: string
  readonly detail?: string | undefined
  readonly bare?: boolean
  readonly endsSession?: boolean
}

function grant(portal: Portal, request: RequestView, reason: Reason, what: Granting = {}): Allow {
  return {
    kind: 'allow',
    reason,
    portal,
    identity: what.identity,
    headers: what.headers ?? nothing,
    cookies: what.cookies ?? nothing,
    passThrough: what.passThrough ?? nothing,
    bare: what.bare ?? false,
    consumedAuthorization: consumesAuthorization(portal, request),
    endsAt: what.endsAt,
    session: what.session,
    endsSession: what.endsSession ?? false,
    rule: what.rule,
    detail: what.detail,
  } as Allow
}

function consumesAuthorization(portal: Portal, request: RequestView): boolean {
  // where it is ours to write, nobody else's reaches the portal: with no token at hand a stranger's would be taken for it
  if (isAuthorization(portal.accessTokenHeader)) return true
  for (const provider of portal.providers) if (provider.consumesAuthorization?.(request)) return true
  return false
}

interface Denying {
  readonly portal?: Portal
  readonly identity?: Identity
  readonly cookies?: readonly string[]
  readonly rule?: string | undefined
  readonly message?: string | undefined
  readonly detail?: string | undefined
  readonly retryAfter?: number
}

function deny(reason: Reason, what: Denying = {}): Deny {
  return { kind: 'deny', reason, cookies: nothing, ...what } as Deny
}

function own(portal: Portal, endpoint: string): Own {
  return { kind: 'own', reason: 'own-endpoint', portal, endpoint, cookies: nothing }
}

/** Cross-site WebSocket hijacking: browsers send cookies with any page's sockets, and always an Origin (RFC 6455 section 10.2). */
function foreignOrigin(request: RequestView, portal: Portal): boolean {
  const origins = request.lines('origin')
  return origins.some(
    (origin) => origin !== portal.origin && !portal.allowedOrigins.has(origin) && origin !== originAt(portal, request.host),
  )
}

/** A portal of many hosts is its own origin at each of them. */
function originAt(portal: Portal, host: string): string {
  const { protocol, port } = new URL(portal.origin)
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}`
}

const isPreflight = (request: RequestView): boolean =>
  request.method === 'OPTIONS' && request.lines('origin').length > 0 && request.lines('access-control-request-method').length > 0
