// The only list of providers. It knows which protocols there are; it does not know how any of them works.
import type { Log } from '../../log.ts'
import type { Clock, Provider } from '../../types.ts'
import { createOidcProvider, type OidcOptions } from './oidc.ts'
import { createWebsealProvider, type WebsealOptions } from './webseal.ts'

export type ProviderOptions = ({ readonly protocol: 'OIDC' } & OidcOptions) | ({ readonly protocol: 'WEBSEAL' } & WebsealOptions)

/** Throws TypeError (or ExpressionError) where the options cannot be used; asks nobody yet. */
export function createProvider(options: ProviderOptions, context: { readonly clock: Clock; readonly log: Log }): Provider {
  switch (options.protocol) {
    case 'OIDC':
      return createOidcProvider(options, context)
    case 'WEBSEAL':
      return createWebsealProvider(options, context)
  }
}
