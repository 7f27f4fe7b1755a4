// What our own endpoints share: their options, links to each other, log lines, and the page that says why something failed.
import { describe, type Reason } from '../errors.ts'
import type { AuthenticationEvent, Log } from '../log.ts'
import type { Answer, Choice, Clock, Failure, Login, Portal, Provider, RequestView } from '../types.ts'
import type { FlowMemory, Flows } from './flow.ts'
import type { Identify } from './identify.ts'
import { isBelow, returnAddress } from './return-address.ts'
import type { Revocations } from './revocations.ts'
import type { Sealer } from './seal.ts'
import type { SessionKeeper } from './session.ts'

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
}
export interface SignInContext extends SignInOptions {
  readonly flows: Flows
  readonly memory: FlowMemory
}
export type LoginProvider = Provider & { readonly login: Login }

export const credentialType = (provider: Pick<Provider, 'name' | 'credentialsName'>): string =>
  provider.credentialsName ?? provider.name
/** The contract's words: a redirection's line, and again its success's. */
export const redirection = (provider: Provider): string =>
  `Redirection to ${provider.name} for ${credentialType(provider)} authentication.`

export function loginProviders(portal: Portal): readonly LoginProvider[] {
  return portal.providers.filter((provider): provider is LoginProvider => provider.login !== undefined)
}

export const startPath = (basePath: string, provider: string, returnTo: string): string =>
  `${basePath}/start/${encodeURIComponent(provider)}?return=${encodeURIComponent(returnTo)}`
export const chooserPath = (basePath: string, returnTo: string): string =>
  `${basePath}/login?return=${encodeURIComponent(returnTo)}`

/** Portals of one origin share these endpoints: the page somebody comes from says which of them is meant. */
export function portalOf(context: SignInOptions, asked: Portal, returnTo: string | null): Portal {
  const siblings = [...context.portals.values()].filter((portal) => portal.origin === asked.origin)
  if (siblings.length < 2) return asked
  const path = returnAddress(returnTo, { ...asked, path: '/' }, context.basePath).split(/[?#]/, 1)[0] as string
  const owners = siblings.filter((portal) => isBelow(path, portal.path, portal.pathCase === 'insensitive'))
  return owners.sort((a, b) => b.path.length - a.path.length)[0] ?? asked
}

export function choicesOf(context: SignInOptions, portal: Portal, returnTo: string, except?: string): readonly Choice[] {
  return loginProviders(portal)
    .filter(({ name }) => name !== except)
    .map((provider) => ({
      label: provider.label,
      href: startPath(context.basePath, provider.name, returnTo),
      isDefault: provider.name === portal.defaultProvider,
      ...(provider.status?.().state === 'unavailable' ? { trouble: describe('provider-unavailable').sentence } : {}),
    }))
}

export const redirect = (to: string, cookies: readonly string[] = []): Answer => ({ show: { kind: 'redirect', to }, cookies })

/** A page (or, for a machine, a problem) that says why. */
export function refuse(
  request: RequestView,
  reason: Reason,
  extra: Partial<Failure> = {},
  cookies: readonly string[] = [],
): Answer {
  const { status } = describe(reason)
  const failure: Failure = { status, reason, requestId: request.id, ...extra }
  const { provider, account } = failure
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

/** A link that is only fetched ahead must not leave a flow behind, nor end a session. */
export const isPrefetch = (request: RequestView): boolean =>
  ['sec-purpose', 'purpose', 'x-moz'].some((name) => request.lines(name).some((line) => /prefetch|prerender/i.test(line)))
