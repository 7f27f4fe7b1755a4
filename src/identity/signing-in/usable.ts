// Which ways of signing in a portal has, and which of them will do for one person and the page they want.
import type { Instant, Portal, Provider, RequestView, SecondFactor } from '../../types.ts'
import { isLocal } from '../local.ts'
import type { Errand, LoginProvider } from './sign-in-context.ts'

const hasLogin = (provider: Provider): provider is LoginProvider => provider.login !== undefined

/** What a person can choose from: sign-ins at a provider, and the portal's own. A second factor is none. */
export const firstProviders = (portal: Portal): readonly Provider[] =>
  portal.providers.filter((provider) => hasLogin(provider) || isLocal(provider))

/** Second factors with this name; one for each provider whose people need it. */
export const factorsNamed = (portal: Portal, name: string): readonly SecondFactor[] =>
  firstProviders(portal).some((provider) => provider.name === name)
    ? []
    : portal.secondFactors.filter(({ provider }) => provider.name === name)

/** Every provider from which somebody may come back to this portal. */
export function loginProviders(portal: Portal): readonly LoginProvider[] {
  const first = portal.providers.filter(hasLogin)
  const names = new Set(first.map(({ name }) => name))
  const factors = portal.secondFactors.map(({ provider }) => provider).filter(hasLogin)
  return [...first, ...new Map(factors.filter(({ name }) => !names.has(name)).map((factor) => [factor.name, factor])).values()]
}

/** A client may have one address for all portals, on the origin of one that does not use this provider itself. */
export function providerAnywhere(
  { portals }: { readonly portals: ReadonlyMap<string, Portal> },
  asked: Portal,
  name: string,
): LoginProvider | undefined {
  return [asked, ...portals.values()].flatMap(loginProviders).find((provider) => provider.name === name)
}

/** Whether this first provider may be used by this person now, and will do for the page: else they would come back for nothing. */
export async function isUsable({ context, request, portal, returnTo, now }: Errand, provider: Provider): Promise<boolean> {
  const wanted = asOf(request, portal, returnTo)
  if (!(await holds(portal, provider, wanted, now))) return false
  const route = context.findRoute?.(portal, wanted.path, wanted.method)
  if (!route || route.access === 'public' || route.access === 'blocked') return true
  if (isLocal(provider)) return !route.freshness && !route.hasOwnRules
  return route.freshness?.providers?.has(provider.name) ?? true
}

async function holds(portal: Portal, { name }: Provider, wanted: RequestView, now: Instant): Promise<boolean> {
  const condition = portal.conditions.get(name)
  return condition === undefined || (await condition(undefined, wanted, now)) === true
}

/** In the order of the portal. */
export async function usableProviders(errand: Errand): Promise<readonly Provider[]> {
  const first = firstProviders(errand.portal)
  const usable = await Promise.all(first.map((provider) => isUsable(errand, provider)))
  return first.filter((_, i) => usable[i])
}

/** The page the person wants, as if they asked for it now: rules and conditions see what they will see in a moment. */
export function asOf(request: RequestView, portal: Portal, returnTo: string): RequestView {
  const { pathname, search } = new URL(returnTo, portal.origin)
  const { id, host, cookies, peer, clientAddress, navigation } = request
  return {
    id,
    method: 'GET',
    host,
    path: pathname,
    query: search,
    cookies,
    peer,
    clientAddress,
    navigation,
    lines: (name) => request.lines(name),
  }
}
