// The request's way, top to bottom: which portal, who is asking, may they, with which headers.
// Knows no protocol, no header to the portal, no socket. The only place that makes an Allow.
import type { Reason } from './errors.ts'
import type {
  Allow,
  AuthOutcome,
  Challenge,
  Decision,
  Deny,
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
  if (route.access === 'blocked') return deny('route-blocked', { portal, ...(route.message ? { message: route.message } : {}) })
  if (request.upgrade && foreignOrigin(request, portal)) return deny('origin-refused', { portal })
  if (route.access === 'public') return grant(portal, request, 'public') // nobody is asked: a dead store closes no public page
  if (route.preflight === 'forward' && isPreflight(request)) return grant(portal, request, 'preflight', { bare: true })

  const who = generation.identify(request, portal, route, now)
  return who instanceof Promise
    ? who.then((known) => judge(request, generation, portal, route, known, now))
    : judge(request, generation, portal, route, who, now)
}

function judge(
  request: RequestView,
  generation: Generation,
  portal: Portal,
  route: Route,
  who: Identified,
  now: Instant,
): Decision | Promise<Decision> {
  const { outcome, cookies } = who
  if (outcome.kind !== 'identified') return unidentified(request, generation, portal, route, outcome, cookies)
  const judged = route.judge(outcome.identity, request, now)
  return judged instanceof Promise
    ? judged.then((known) => settle(request, portal, who, outcome, known))
    : settle(request, portal, who, outcome, judged)
}

type Identification = Extract<AuthOutcome, { kind: 'identified' }>

function settle(request: RequestView, portal: Portal, who: Identified, outcome: Identification, judged: Judgement): Decision {
  const { verdict, headers } = judged
  const { identity } = outcome
  if (!verdict.allowed || !headers) {
    if (!headers || portal.mode !== 'warn')
      return deny(verdict.reason, {
        portal,
        identity,
        cookies: who.cookies,
        rule: verdict.rule,
        message: verdict.message,
        detail: verdict.detail,
      })
    return grant(portal, request, 'rule-would-refuse', {
      ...granting(who, outcome),
      headers,
      rule: verdict.rule,
      detail: verdict.detail,
    })
  }
  return grant(portal, request, 'allowed', { ...granting(who, outcome), headers, rule: verdict.rule })
}

const granting = (who: Identified, outcome: Identification) => ({
  identity: outcome.identity,
  cookies: who.cookies,
  passThrough: outcome.passThrough ?? nothing,
  endsAt: outcome.endsAt ?? endOf(who.session),
})
const endOf = (session: Session | undefined): Instant | undefined => session && Math.min(session.idleUntil, session.endsAt)

function unidentified(
  request: RequestView,
  generation: Generation,
  portal: Portal,
  route: Route,
  outcome: Exclude<AuthOutcome, Identification>,
  cookies: readonly string[],
): Decision {
  switch (outcome.kind) {
    case 'unavailable':
      return deny('provider-unavailable', { portal, detail: outcome.detail, retryAfter: outcome.retryAfter ?? 5 })
    case 'rejected':
      return deny(outcome.reason, { portal, detail: outcome.detail, cookies })
    case 'nobody':
      return route.access === 'optional'
        ? grant(portal, request, 'anonymous', { cookies })
        : challenge(request, portal, undefined, route, cookies)
    case 'absent':
      return route.access === 'optional'
        ? grant(portal, request, 'anonymous', { cookies })
        : challenge(request, portal, generation, route, cookies)
  }
}

function challenge(
  request: RequestView,
  portal: Portal,
  generation: Generation | undefined,
  route: Route,
  cookies: readonly string[],
): Challenge {
  // after a POST the person comes back by GET: the page itself, what was typed cannot be sent again
  const signIn = generation?.signInPath(portal, request.path + request.query)
  return {
    kind: 'challenge',
    reason: 'sign-in-needed',
    portal,
    redirect: signIn !== undefined && request.navigation && route.challenge !== 401,
    cookies,
    ...(signIn ? { signIn } : {}),
  }
}

interface Granting {
  readonly identity?: Identity
  readonly headers?: HeaderPlan
  readonly cookies?: readonly string[]
  readonly passThrough?: readonly string[]
  readonly endsAt?: Instant | undefined
  readonly rule?: string
  readonly detail?: string | undefined
  readonly bare?: boolean
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
    rule: what.rule,
    detail: what.detail,
  } as Allow
}

function consumesAuthorization(portal: Portal, request: RequestView): boolean {
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
  return origins.some((origin) => origin !== portal.origin && !portal.allowedOrigins.has(origin))
}

const isPreflight = (request: RequestView): boolean =>
  request.method === 'OPTIONS' && request.lines('origin').length > 0 && request.lines('access-control-request-method').length > 0
