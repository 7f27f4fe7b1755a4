// Providers that somebody prepared but has not finished: they may stand in the configuration as long as they are disabled.
import type { ProviderConfig } from './schema.ts'

/** Keys a provider cannot do without and lacks; empty: it is configured. */
export function missingKeysOf(provider: ProviderConfig): readonly string[] {
  if (provider.protocol === 'OIDC') {
    const hasIssuer = provider.issuer !== undefined || provider.discoveryUri !== undefined
    return [...(hasIssuer ? [] : ['issuer']), ...(provider.clientId === '' ? ['clientId'] : [])]
  }
  if (provider.protocol !== 'OAUTH2') return []
  const needed = ['authorizationEndpoint', 'tokenEndpoint', 'userinfoEndpoint', 'clientId', 'accountAttribute'] as const
  return needed.filter((key) => provider[key] === '')
}
