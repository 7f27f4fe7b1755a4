// Addresses that follow from the configuration: what people type, and what is registered at the provider.
import type { Config, PortalConfig, ProviderConfig, SignInConfig } from './schema.ts'

/** People are sent there and come back. */
export const isSignIn = (provider: ProviderConfig): provider is SignInConfig =>
  provider.protocol === 'OIDC' || provider.protocol === 'OAUTH2'

/** Every provider a portal names, second factors too, each once, in order. */
export const providerNamesOf = (portal: PortalConfig): readonly string[] => [
  ...new Set(portal.providers.map((reference) => reference.name)),
]

/** Those that may say who somebody is: second factors left out. */
export const firstProvidersOf = (portal: PortalConfig): readonly string[] =>
  portal.providers.filter((reference) => reference.after === undefined).map((reference) => reference.name)

const isWildcard = (host: string | undefined): boolean => host?.startsWith('*') ?? false

/** Scheme, host and port people type; undefined where the configuration does not say it. */
export function findPublicUrl(portal: PortalConfig, config: Config): string | undefined {
  const { publicUrl } = config.server
  if (portal.publicUrl !== undefined) return portal.publicUrl
  if (publicUrl === undefined || portal.host === undefined || isWildcard(portal.host)) return publicUrl
  const url = new URL(publicUrl)
  url.hostname = portal.host
  return url.origin
}

/**
 * `https://home.company.com`: the portal's own, else scheme and port of `server.publicUrl` with the portal's host; for a wildcard
 * host `server.publicUrl` itself. Throws TypeError where neither is given: load.ts refuses that.
 */
export function publicUrlOf(portal: PortalConfig, config: Config): string {
  const url = findPublicUrl(portal, config)
  if (url === undefined) throw new TypeError(`portal ${portal.name} has no publicUrl`)
  return url
}

/** The host a portal answers for: exact, `*.company.com`, or `*`. */
export function hostOf(portal: PortalConfig, config: Config): string {
  return portal.host ?? new URL(publicUrlOf(portal, config)).hostname
}

/** The redirect URI of a sign-in provider at a portal, exactly as it is sent. */
export function redirectUriOf(provider: string, portal: PortalConfig, config: Config): string {
  const found = config.providers.filter(isSignIn).find((one) => one.name === provider)
  return found?.callbackUrl ?? `${publicUrlOf(portal, config)}${config.server.basePath}/callback/${encodeURIComponent(provider)}`
}

/** Where an OpenID provider says, server to server or in a frame, that it has signed somebody out. */
export const logoutUriOf = (channel: 'back' | 'front', provider: string, portal: PortalConfig, config: Config): string =>
  `${publicUrlOf(portal, config)}${config.server.basePath}/${channel}channel-logout/${encodeURIComponent(provider)}`

/** Where a provider sends people after signing them out. */
export const postLogoutUriOf = (portal: PortalConfig, config: Config): string =>
  `${publicUrlOf(portal, config)}${config.server.basePath}/signed-out`
