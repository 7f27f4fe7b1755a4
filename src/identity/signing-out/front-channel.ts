// A provider has the browser load us in a frame to say that it has signed somebody out (OpenID Connect Front-Channel Logout 1.0). Owns
// what such a request may end: one session at the provider, here. It asks the provider nothing and takes nothing from it. Nobody signs
// such a request, so that strangers may send it: what it costs is bounded.
import { randomInt } from 'node:crypto'
import type { Board } from '../../board.ts'
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Instant, Portal, RequestView, Session } from '../../types.ts'
import { type LoginProvider, refuse, type SignInContext } from '../signing-in/sign-in-context.ts'
import { providerAnywhere } from '../signing-in/usable.ts'
import { providerSessionBySid } from './back-channel.ts'
import { endSessions, isDone, longestLifetime, ofPerson, ofProviderSession } from './ending.ts'

/** Of provider sessions nobody here brings a cookie of, which are remembered all the same: in so many milliseconds. */
const mostUnseen = 2000
const within = 3_600_000
/** At a time, half of what is remembered of ended sessions: each stays for as long as a session may last. */
const mostAtOnce = 50_000
const longestSid = 512

/** True for as long as this process may remember another. @param most where it is less than usual */
export type Allowance = (now: Instant, most?: number) => boolean

export function createAllowance(usual = mostUnseen): Allowance {
  let since = Number.NEGATIVE_INFINITY
  let used = 0
  return (now, most = usual) => {
    // also after a clock that was ahead was set right
    if (Math.abs(now - since) >= within) {
      since = now
      used = 0
    }
    if (used >= Math.min(most, usual)) return false
    used++
    return true
  }
}

const tries = 3

/** Replicas remember what each of them was told, so that they share one allowance: whoever finds a free place among them. */
async function hasPlace(board: Board | undefined, now: Instant, most: number): Promise<boolean> {
  if (!board) return true
  try {
    for (let i = 0; i < tries; i++)
      if (await board.once(`front-channel ${Math.floor(now / within)} ${randomInt(most)}`, 2 * within)) return true
    return false
  } catch {
    return true // its own allowance is all there is to go by
  }
}

async function mayRemember(context: SignInContext, allowance: Allowance, now: Instant): Promise<boolean> {
  const most = Math.max(1, Math.min(mostUnseen, Math.floor((mostAtOnce * within) / longestLifetime(context))))
  return allowance(now, most) && (await hasPlace(context.board, now, most))
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
  if (!own && !(await mayRemember(context, allowance, now))) {
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
