// What our own endpoints share: their options, links to each other, log lines, and the page that says why something failed.
import type { Board } from '../../board.ts'
import { describe, type Reason } from '../../errors.ts'
import type { AuthenticationEvent, Log } from '../../log.ts'
import type { Answer, Clock, Failure, Generation, Instant, Login, Portal, Provider, RequestView } from '../../types.ts'
import type { Enrolment } from '../accounts/enrolment.ts'
import type { Identify } from '../identify.ts'
import type { Revocations } from '../sessions/revocations.ts'
import type { Sealer } from '../sessions/seal.ts'
import type { SessionKeeper } from '../sessions/session.ts'
import type { LogoutMemory } from '../signing-out/logout-memory.ts'
import type { OnSignOut } from '../signing-out/on-sign-out.ts'
import type { FlowMemory, Flows } from './flow.ts'
import { type KeptRequests, slotIn } from './kept-request.ts'
import { isBelow, returnAddress } from './return-address.ts'

export type SignInResult = AuthenticationEvent['result']

export interface SignInOptions {
  readonly basePath: string
  readonly portals: ReadonlyMap<string, Portal>
  readonly keeper: SessionKeeper
  readonly identify: Identify
  readonly sealer: Sealer
  readonly revocations: Revocations
  readonly log: Log
  readonly clock: Clock
  readonly onSignIn?: (provider: string, result: SignInResult) => void
  /** Given where it outlives this configuration: then a reload forgets no used and no waiting sign-in. */
  readonly memory?: FlowMemory
  /** The same for what people had typed. */
  readonly kept?: KeptRequests
  /** The same for messages of providers: then a reload makes no logout token count twice. */
  readonly logouts?: LogoutMemory
  /** What the page a person wants asks of their sign-in; without it every provider of the portal will do. */
  readonly findRoute?: Generation['findRoute']
  /** Provider name -> what its people go through beside the rules. */
  readonly enrolments?: ReadonlyMap<string, Enrolment>
  /** Absent: a person may have any number of sessions. */
  readonly sessionLimit?: SessionLimit
  /** Where replicas tell each other that a logout token was used; per process without it. */
  readonly board?: Board
  /** Tells portals of sessions that have ended; absent where no portal wants to know. */
  readonly onSignOut?: OnSignOut
}
/** Per person (issuer and subject) and audience, where the store keeps sessions. */
export interface SessionLimit {
  readonly most: number
  /** Beyond it: no session, or the person is asked whether the oldest shall end. */
  readonly onLimit: 'refuse' | 'displace'
}
export interface SignInContext extends SignInOptions {
  readonly flows: Flows
  readonly memory: FlowMemory
  readonly kept: KeptRequests
}
export type LoginProvider = Provider & { readonly login: Login }

/** One person on the way to a page of a portal. */
export interface Errand {
  readonly context: SignInContext
  readonly request: RequestView
  readonly portal: Portal
  /** Judged: a path on the portal's own origin. */
  readonly returnTo: string
  readonly now: Instant
  readonly wish: Wish
}
/** What our own links say beside the page: hints, of which everything is checked where it counts. */
export interface Wish {
  /** The provider really asks. */
  readonly fresh?: true
  readonly acr?: string
  /** To be somebody else than now. */
  readonly other?: true
  /** Where what the person had typed is kept. */
  readonly kept?: string
}

export const credentialType = (provider: Pick<Provider, 'name' | 'credentialsName'>): string =>
  provider.credentialsName ?? provider.name
/** The contract's words: a redirection's line, and again its success's. */
export const redirection = (provider: Provider): string =>
  `Redirection to ${provider.name} for ${credentialType(provider)} authentication.`

/** A stranger's link can say these too: an acr counts only where a route of the portal asks for it. */
export function wishOf(query: URLSearchParams, portal: Portal): Wish {
  const acr = query.get('acr')
  const kept = slotIn(query.get('kept'))
  return {
    ...(query.get('fresh') === '1' ? { fresh: true } : {}),
    ...(acr !== null && portal.routes.some(({ freshness }) => freshness?.acr === acr) ? { acr } : {}),
    ...(query.get('as') === 'other' ? { other: true } : {}),
    ...(kept === undefined ? {} : { kept }),
  }
}

/** The same as fields of a form or a query. */
export const wishFields = ({ fresh, acr, other, kept }: Wish): readonly (readonly [name: string, value: string])[] => [
  ...(fresh ? [['fresh', '1'] as const] : []),
  ...(acr === undefined ? [] : [['acr', acr] as const]),
  ...(other ? [['as', 'other'] as const] : []),
  ...(kept === undefined ? [] : [['kept', kept] as const]),
]
const wishQuery = (wish: Wish): string =>
  wishFields(wish)
    .map(([name, value]) => `&${name}=${encodeURIComponent(value)}`)
    .join('')

export const startPath = (basePath: string, provider: string, returnTo: string, wish: Wish = {}): string =>
  `${basePath}/start/${encodeURIComponent(provider)}?return=${encodeURIComponent(returnTo)}${wishQuery(wish)}`
export const chooserPath = (basePath: string, returnTo: string, wish: Wish = {}): string =>
  `${basePath}/login?return=${encodeURIComponent(returnTo)}${wishQuery(wish)}`

/** Portals of one origin share these endpoints: the page somebody comes from says which of them is meant. */
export function portalOf(context: SignInOptions, asked: Portal, returnTo: string | null): Portal {
  const siblings = [...context.portals.values()].filter((portal) => portal.origin === asked.origin)
  if (siblings.length < 2) return asked
  const path = returnAddress(returnTo, { ...asked, path: '/' }, context.basePath).split(/[?#]/, 1)[0] as string
  const owners = siblings.filter((portal) => isBelow(path, portal.path, portal.pathCase === 'insensitive'))
  return owners.sort((a, b) => b.path.length - a.path.length)[0] ?? asked
}

export const redirect = (to: string, cookies: readonly string[] = []): Answer => ({ show: { kind: 'redirect', to }, cookies })

/** A page (or, for a machine, a problem) that says why. */
export function refuse(
  request: RequestView,
  reason: Reason,
  extra: Partial<Failure> = {},
  cookies: readonly string[] = [],
): Answer {
  const failure: Failure = { status: describe(reason).status, reason, requestId: request.id, ...extra }
  const { status, provider, account } = failure
  return {
    status,
    reason,
    cookies,
    show: { kind: 'page', page: { name: 'refused', failure } },
    ...(provider ? { provider } : {}),
    ...(account ? { account } : {}),
  }
}

/** One line of the authentication log, and one count. */
export function note(
  context: SignInOptions,
  request: RequestView,
  portal: Portal,
  provider: Provider,
  event: { readonly result: SignInResult; readonly message: string; readonly reason?: string; readonly account?: string },
): void {
  const { id, clientAddress } = request
  context.log.authentication({
    id,
    credentialType: credentialType(provider),
    provider: provider.name,
    portal: portal.name,
    clientIp: clientAddress,
    ...event,
  })
  context.onSignIn?.(provider.name, event.result)
}

/**
 * The request was made by a page of another site (Fetch Metadata; where a browser has none, Origin, then Referer). A request
 * that says nothing of its origin was typed, or is no browser's.
 */
export function isCrossSite(request: RequestView, portal: Portal): boolean {
  const sites = request.lines('sec-fetch-site')
  if (sites.length > 0) return sites.some((site) => site.trim().toLowerCase() === 'cross-site')
  const origins = request.lines('origin')
  if (origins.length > 0) return origins.some((origin) => origin !== portal.origin)
  return request.lines('referer').some((referer) => !URL.canParse(referer) || new URL(referer).origin !== portal.origin)
}
