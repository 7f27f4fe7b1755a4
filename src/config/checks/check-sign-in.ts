// What cannot be right between the keys of one provider that people sign in at.
import { missingKeysOf } from '../incomplete.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { OidcConfig, SignInConfig } from '../schema.ts'

export function checkSignIn(provider: SignInConfig, path: Path, reading: Reading): void {
  checkParameters(provider, path, reading)
  if (provider.protocol === 'OIDC') refuseDocumentAsIssuer(provider, path, reading)
  // what is not finished yet waits, disabled, for the rest
  if (!provider.enabled) return
  checkWholeness(provider, path, reading)
  checkClient(provider, path, reading)
  if (provider.protocol === 'OIDC') checkTenants(provider, path, reading)
}

function checkWholeness(provider: SignInConfig, path: Path, { problems }: Reading): void {
  for (const key of missingKeysOf(provider)) {
    const advice = key === 'issuer' && isByHand(provider) ? handMade : whatToAdd[key]
    problems.error([...path, key], 'is missing', `${advice}, or write enabled: false`)
  }
}

function refuseDocumentAsIssuer({ issuer }: OidcConfig, path: Path, { problems }: Reading): void {
  if (/\/\.well-known\/(openid-configuration|oauth-authorization-server)\/?$/.test(issuer ?? ''))
    problems.error(
      [...path, 'issuer'],
      'is the address of the discovery document',
      'write it as discoveryUri, or the issuer without /.well-known/openid-configuration',
    )
}

const handMade = 'endpoints written by hand need issuer: the iss of its tokens'
const whatToAdd: Readonly<Record<string, string>> = {
  issuer: 'write issuer: https://idp.company.com (or discoveryUri, or all endpoints by hand)',
  clientId: 'write clientId: the id registered at the provider',
  authorizationEndpoint: 'write the address at which people sign in',
  tokenEndpoint: 'write the address at which codes are changed into tokens',
  userinfoEndpoint: 'write the address that says who the person is',
  accountAttribute: 'write the member of the userinfo answer that names the account, for example login',
}
const isByHand = (provider: SignInConfig): boolean =>
  provider.protocol === 'OIDC' &&
  provider.authorizationEndpoint !== undefined &&
  provider.tokenEndpoint !== undefined &&
  provider.jwksUri !== undefined

const entraHost = /^(login\.microsoftonline\.|login\.partner\.microsoftonline\.|sts\.windows\.net$)/i
/** Entra's addresses at which every company there is may sign in. */
const everyTenant = /^\/(common|organizations|(\{|%7b)tenantid(\}|%7d))(\/|$)/i
const tenantId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function checkTenants(provider: OidcConfig, path: Path, { problems }: Reading): void {
  const { allowedTenants, vendor } = provider
  const isEntra = (address: string | undefined): boolean =>
    vendor === 'entra' || (vendor === undefined && entraHost.test(URL.parse(address ?? '')?.hostname ?? ''))
  for (const key of ['issuer', 'discoveryUri'] as const) {
    const isForAll = isEntra(provider[key]) && everyTenant.test(URL.parse(provider[key] ?? '')?.pathname ?? '')
    if (isForAll && allowedTenants.length === 0 && !problems.isSettled([...path, 'allowedTenants']))
      problems.error(
        [...path, key],
        'accepts people of every tenant there is',
        "add allowedTenants: [TENANT-ID], or write your own tenant's address instead of common or organizations",
      )
  }
  if (allowedTenants.length === 0) return
  if (!isEntra(provider.issuer) && !isEntra(provider.discoveryUri))
    problems.warning(
      [...path, 'allowedTenants'],
      'is compared with the claim tid, which only Entra is known to have',
      'write vendor: entra where it is one, or take it away',
    )
  for (const [index, tenant] of allowedTenants.entries())
    if (!tenantId.test(tenant))
      problems.warning(
        [...path, 'allowedTenants', index],
        'is no tenant id, and tokens name tenants by their id alone',
        'write the id from the overview page of the tenant, for example 72f988bf-86f1-41af-91ab-2d7cd011db47',
      )
}

function checkParameters({ passParameters, authorizationParameters }: SignInConfig, path: Path, { problems }: Reading): void {
  for (const [index, name] of passParameters.entries())
    if (Object.hasOwn(authorizationParameters, name))
      problems.error(
        [...path, 'passParameters', index],
        'stands in authorizationParameters too: which of them is sent?',
        'take one of them away',
      )
}

function checkClient(provider: SignInConfig, path: Path, { problems }: Reading): void {
  const { clientAuthentication: method, clientSecret } = provider
  const clientKey = provider.protocol === 'OIDC' ? provider.clientKey : undefined
  if (problems.isSettled([...path, 'clientAuthentication'])) return
  if ((method === 'client_secret_basic' || method === 'client_secret_post') && clientSecret === undefined)
    problems.error([...path, 'clientSecret'], `is missing for ${method}`, 'add clientSecret, or write clientAuthentication: none')
  if (method === 'private_key_jwt' && clientKey === undefined)
    problems.error([...path, 'clientKey'], 'is missing for private_key_jwt', 'name the PEM file of the private key')
  if (method === 'none' && (clientSecret !== undefined || clientKey !== undefined))
    problems.error(
      [...path, 'clientAuthentication'],
      'is none, but a secret or key is given that would never be used',
      'take one of them away',
    )
  if (method === undefined && clientSecret !== undefined && clientKey !== undefined)
    problems.error(
      [...path, 'clientAuthentication'],
      'is missing where both clientSecret and clientKey are given',
      'write client_secret_basic or private_key_jwt',
    )
}
