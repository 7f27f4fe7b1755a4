// `postern uris`: what to register at the identity providers.
import type { Config } from '../config/schema.ts'
import { isSignIn, logoutUriOf, postLogoutUriOf, providerNamesOf, redirectUriOf } from '../config/uris.ts'

interface Uris {
  readonly provider: string
  readonly portal: string
  readonly redirectUri: string
  readonly postLogoutUri: string
  /** Of OpenID providers only. One of them is enough: it signs people out of every portal. */
  readonly backChannelLogoutUri?: string
  readonly frontChannelLogoutUri?: string
}

/** Every enabled sign-in provider with every portal that names it, in the order of the configuration. */
export function urisOf(config: Config): readonly Uris[] {
  return config.providers.flatMap((provider) => {
    if (!isSignIn(provider) || !provider.enabled) return []
    return config.portals
      .filter((portal) => providerNamesOf(portal).includes(provider.name))
      .map((portal) => ({
        provider: provider.name,
        portal: portal.name,
        redirectUri: redirectUriOf(provider.name, portal, config),
        postLogoutUri: postLogoutUriOf(portal, config),
        ...(provider.protocol === 'OIDC'
          ? {
              backChannelLogoutUri: logoutUriOf('back', provider.name, portal, config),
              frontChannelLogoutUri: logoutUriOf('front', provider.name, portal, config),
            }
          : {}),
      }))
  })
}

/** Prints them, each address once per provider, or all as JSON. @returns the exit code */
export function uris(config: Config, { json }: { readonly json: boolean }, out: (line: string) => void): number {
  const all = urisOf(config)
  if (json) out(JSON.stringify(all, null, 2))
  else if (all.length === 0) out('no portal names a provider that people sign in at: there is nothing to register')
  else for (const provider of new Set(all.map((one) => one.provider))) printProvider(provider, all, out)
  return 0
}

function printProvider(provider: string, all: readonly Uris[], out: (line: string) => void): void {
  const own = all.filter((one) => one.provider === provider)
  out(provider)
  for (const [label, key] of [
    ['redirect', 'redirectUri'],
    ['post-logout', 'postLogoutUri'],
    ['back-channel', 'backChannelLogoutUri'],
    ['front-channel', 'frontChannelLogoutUri'],
  ] as const) {
    const byUri = Map.groupBy(
      own.filter((one) => one[key] !== undefined),
      (one) => one[key],
    )
    for (const [uri, uses] of byUri) out(`  ${label.padEnd(13)}  ${uri}  (${uses.map(({ portal }) => portal).join(', ')})`)
  }
}
