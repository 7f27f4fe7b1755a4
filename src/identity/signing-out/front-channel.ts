// A provider has the browser load us in a frame to say that it has signed somebody out (OpenID Connect Front-Channel Logout 1.0). Owns
// what such a request may end: one session at the provider, here. It asks the provider nothing and takes nothing from it. Nobody signs
// such a request, so that strangers may send it: what it costs is bounded.
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Instant, Portal, RequestView, Session } from '../../types.ts'
import { type LoginProvider, refuse, type SignInContext } from '../signing-in/sign-in-context.ts'
import { providerAnywhere, providerSessionBySid } from './back-channel.ts'
import { endSessions, isDone, ofPerson, ofProviderSession } from './ending.ts'

/** Of provider sessions nobody here brings a cookie of, which are remembered all the same: in so many milliseconds, in one process. */
const mostUnseen = 2000
const within = 3_600_000
const longestSid = 512

/** True for as long as another may be remembered. */
export type Allowance = (now: Instant) => boolean

export function createAllowance(most = mostUnseen): Allowance {
  let since = Number.NEGATIVE_INFINITY
  let used = 0
  return (now) => {
    if (now - since >= within) {
      since = now
      used = 0
    }
    if (used >= most) return false
    used++
    return true
  }
}

export async function frontChannel(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  name: string,
  allowance: Allowance,
): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  if (isPrefetch(request)) return refuse(request, 'bad-request')
  const provider = providerAnywhere(context, portal, name)
  if (!provider?.login.issuerOf) return refuse(request, 'endpoint-unknown')
  const { iss, sid } = parametersOf(request)
  const issuer = iss === undefined ? undefined : provider.login.issuerOf(iss)
  if (issuer === undefined || sid === undefined) return framed(provider, 400, issuer)
  const providerSession = providerSessionBySid(issuer, sid)
  const now = context.clock()
  const own = await ownSession(context, request, portal, providerSession)
  if (!own && !allowance(now)) {
    context.log.server('warn', 'Too many front-channel sign-outs: one was not remembered.', { provider: name })
    return framed(provider, 503, issuer)
  }
  return leave(context, { request, portal, provider, issuer, providerSession, ...(own ? { own } : {}) })
}

interface Leaving {
  readonly request: RequestView
  readonly portal: Portal
  readonly provider: LoginProvider
  readonly issuer: string
  readonly providerSession: string
  readonly own?: Session
}

async function leave(context: SignInContext, leaving: Leaving): Promise<Answer> {
  const { request, portal, provider, issuer, providerSession, own } = leaving
  if (own) context.onSignOut?.ended(own, 'provider')
  const [ended, isGone] = await Promise.all([
    endSessions(context, ofProviderSession(providerSession, own ? ofPerson(own) : { provider: provider.name }), 'provider'),
    own ? isDone(context.keeper.end(own, context.clock())) : true,
  ])
  context.log.audit('signed out by the provider', {
    id: request.id,
    portal: portal.name,
    provider: provider.name,
    what: 'one session at the provider, through the browser',
    accounts: [...new Set([...(own ? [own] : []), ...ended.found].map(({ identity }) => identity.account))],
  })
  const answer = framed(provider, ended.isSure && isGone ? 200 : 503, issuer)
  return own ? { ...answer, cookies: context.keeper.clear(request, portal.session), account: own.identity.account } : answer
}

/** Each exactly once. */
function parametersOf({ query }: RequestView): { readonly iss?: string; readonly sid?: string } {
  const parameters = new URLSearchParams(query)
  const one = (name: string): string | undefined => {
    const [value, ...more] = parameters.getAll(name)
    return value && more.length === 0 && value.length <= longestSid ? value : undefined
  }
  const [iss, sid] = [one('iss'), one('sid')]
  return { ...(iss === undefined ? {} : { iss }), ...(sid === undefined ? {} : { sid }) }
}

/** Browsers send cookies along only where the provider is of the same site, or cookies are `SameSite=None`. */
async function ownSession(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  providerSession: string,
): Promise<Session | undefined> {
  try {
    const { session } = await context.keeper.find(request, portal.session, context.clock())
    return session?.providerSession === providerSession ? session : undefined
  } catch {
    return undefined // a store that is down: the revocation says whether it holds
  }
}

/** An empty page that the provider's own pages may frame, and nobody else's. */
function framed(provider: LoginProvider, status: 200 | 400 | 503, issuer: string | undefined): Answer {
  const { endpoints = {} } = provider.status?.() ?? {}
  const places = [issuer, endpoints['issuer'], endpoints['authorization_endpoint'], endpoints['end_session_endpoint']]
  const origins = new Set(places.flatMap((place) => originOf(place) ?? []))
  const ancestors = origins.size > 0 ? [...origins].join(' ') : "'none'"
  return {
    status,
    show: { kind: 'document', type: 'text/html; charset=utf-8', body: '<!doctype html><title>Sign-out</title>' },
    cookies: [],
    headers: ['Content-Security-Policy', `default-src 'none'; frame-ancestors ${ancestors}`],
    provider: provider.name,
    ...(status === 400 ? { reason: 'bad-request' as const } : {}),
    ...(status === 503 ? { reason: 'sign-out-incomplete' as const } : {}),
  }
}

function originOf(place: string | undefined): string | undefined {
  const url = URL.parse(place ?? '')
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined
}
