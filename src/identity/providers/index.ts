// The only list of providers. It knows which protocols there are; it does not know how any of them works.
import type { Log } from '../../log.ts'
import type { Clock, Provider } from '../../types.ts'
import { createLocalProvider, type LocalOptions } from './local.ts'
import { createOAuth2Provider, type OAuth2Options } from './oauth2.ts'
import { createOidcProvider, type OidcOptions } from './oidc.ts'
import { createWebsealProvider, type WebsealOptions } from './webseal.ts'

export type ProviderOptions =
  | ({ readonly protocol: 'OIDC' } & OidcOptions)
  | ({ readonly protocol: 'OAUTH2' } & OAuth2Options)
  | ({ readonly protocol: 'WEBSEAL' } & WebsealOptions)
  | ({ readonly protocol: 'LOCAL' } & LocalOptions)

/** Throws TypeError (or ExpressionError) where the options cannot be used; asks nobody yet. */
export function createProvider(options: ProviderOptions, context: { readonly clock: Clock; readonly log: Log }): Provider {
  switch (options.protocol) {
    case 'OIDC':
      return createOidcProvider(options, context)
    case 'OAUTH2':
      return createOAuth2Provider(options, context)
    case 'WEBSEAL':
      return createWebsealProvider(options, context)
    case 'LOCAL':
      return createLocalProvider(options)
  }
}
