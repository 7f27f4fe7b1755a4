// What `refresh` and `accessTokenHeader` need: a store in which a token can be replaced behind the browser's back, a provider that
// gives one.
import { fold } from '../../header-names.ts'
import { vendorOf } from '../../identity/providers/vendor.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig, SignInConfig } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'

export function checkRefresh(config: Config, reading: Reading): void {
  for (const [index, provider] of config.providers.entries()) {
    if (!isSignIn(provider) || !provider.enabled || !provider.refresh) continue
    if (config.session.store === 'cookie' && !reading.problems.isSettled(['session', 'store']))
      reading.problems.error(
        ['providers', index, 'refresh'],
        'needs a store that keeps sessions: a cookie cannot be changed while its browser is away',
        'write session.store: redis://HOST:6379 (or memory, for one process), or take refresh away',
      )
    adviseScope(provider, index, reading)
  }
  for (const [index, portal] of config.portals.entries()) checkHeader(portal, index, config, reading)
}

/** OpenID Connect Core section 11. Keycloak and ADFS give a refresh token to everybody who signs in. */
function adviseScope(provider: SignInConfig, index: number, { problems }: Reading): void {
  if (provider.protocol !== 'OIDC') return
  const vendor = vendorOf(provider)
  if (vendor === 'keycloak' || vendor === 'adfs') return
  if (vendor === 'google') {
    if (provider.authorizationParameters?.['access_type'] !== 'offline')
      problems.warning(
        ['providers', index, 'refresh'],
        'gets no refresh token: Google gives one only for access_type=offline',
        'write authorizationParameters: { access_type: offline }, and prompt: consent for people who have been here before',
      )
  } else if (!provider.scope.split(/\s+/).includes('offline_access'))
    problems.warning(
      ['providers', index, 'refresh'],
      'may get no refresh token: most providers give one only for the scope offline_access',
      'add offline_access to scope, unless this provider gives one anyway',
    )
}

function checkHeader(portal: PortalConfig, index: number, config: Config, { problems }: Reading): void {
  const name = portal.accessTokenHeader
  const path = ['portals', index, 'accessTokenHeader']
  if (name === undefined || problems.isSettled(path)) return
  const own = firstProvidersOf(portal)
  const refreshed = config.providers.some(
    (provider) => isSignIn(provider) && provider.enabled && provider.refresh && own.includes(provider.name),
  )
  if (!refreshed)
    problems.error(
      path,
      'needs a provider of this portal with refresh: true',
      'add refresh: true to one, or take the header away',
    )
  if (Object.keys(portal.headers).some((header) => fold(header) === fold(name)))
    problems.error(path, 'is set by headers too', 'choose another name, or take it out of headers')
  if (ours.has(fold(name)))
    problems.error(path, 'is no name for it: it belongs to the connection', 'write authorization, or x-access-token')
}

/** Written by the engine, or by us for another purpose. */
const ours = new Set(
  [
    'host',
    'cookie',
    'connection',
    'content-length',
    'transfer-encoding',
    'upgrade',
    'te',
    'trailer',
    'expect',
    'keep-alive',
    'forwarded',
    'x-request-id',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-forwarded-port',
  ].map(fold),
)
