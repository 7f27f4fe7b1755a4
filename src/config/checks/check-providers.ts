// What cannot be right between the keys of a provider, and between providers.
import { compileNames } from '../../header-names.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, OidcConfig, ProviderConfig, WebsealConfig } from '../schema.ts'
import { warnOfWideRange } from './check-server.ts'

export function checkProviders(config: Config, reading: Reading): void {
  const { providers } = config
  refuseTwins(
    providers.map(({ name }) => name),
    'providers',
    reading,
  )
  const defaults = providers.flatMap((provider, index) => (provider.default && provider.enabled ? [index] : []))
  for (const index of defaults.slice(1))
    reading.problems.error(['providers', index, 'default'], 'a second provider is the default', 'leave default at one provider')
  for (const [index, provider] of providers.entries()) {
    if (provider.protocol === 'OIDC') checkOidc(provider, ['providers', index], reading)
    else checkWebseal(provider, ['providers', index], config, reading)
    if (!isUsed(provider, config) && !reading.problems.isSettled(['providers', index, 'protocol']))
      reading.problems.warning(
        ['providers', index, 'name'],
        'no portal names this provider',
        'name it at a portal, or take it away',
      )
  }
  refuseSharedCallbacks(config, reading)
}

const isUsed = (provider: ProviderConfig, config: Config): boolean =>
  !provider.enabled || config.portals.some((portal) => portal.providers.includes(provider.name))

/** Names end up in addresses and cookies, where some systems fold case. */
export function refuseTwins(names: readonly string[], list: string, { problems }: Reading): void {
  const seen = new Set<string>()
  for (const [index, name] of names.entries()) {
    const folded = name.toLowerCase()
    if (seen.has(folded))
      problems.error(
        [list, index, 'name'],
        `another one of the ${list} has this name`,
        'give each a name of its own (upper and lower case are the same here)',
      )
    seen.add(folded)
  }
}

function checkOidc(provider: OidcConfig, path: Path, reading: Reading): void {
  checkEndpoints(provider, path, reading)
  checkClient(provider, path, reading)
}

/** Entra's common issuers sign for every company there is. */
const anyTenant = /\/\/(login\.microsoftonline\.|sts\.windows\.net)[^/]*\/(common|organizations|consumers|\{tenantid\})(\/|$)/i

function checkEndpoints(provider: OidcConfig, path: Path, { problems }: Reading): void {
  const { issuer, discoveryUri, authorizationEndpoint, tokenEndpoint, jwksUri } = provider
  const byHand = authorizationEndpoint !== undefined && tokenEndpoint !== undefined && jwksUri !== undefined
  if (issuer === undefined && discoveryUri === undefined) {
    if (byHand) problems.error([...path, 'issuer'], 'is missing', 'endpoints written by hand need issuer: the iss of its tokens')
    else
      problems.error(
        [...path, 'issuer'],
        'is missing',
        'write issuer: https://idp.company.com (or discoveryUri, or all endpoints by hand)',
      )
  }
  for (const key of ['issuer', 'discoveryUri'] as const) {
    if (anyTenant.test(provider[key] ?? '')) {
      problems.error(
        [...path, key],
        'accepts people of every tenant, and this version does not compare tenants yet',
        "write your own tenant's address instead of common or organizations",
      )
    }
  }
}

function checkClient(provider: OidcConfig, path: Path, { problems }: Reading): void {
  const { clientAuthentication: method, clientSecret, clientKey } = provider
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

function checkWebseal(provider: WebsealConfig, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  // another protocol may have been meant
  if (problems.isSettled([...path, 'protocol'])) return
  const { trustedSourceIps, clientIpHeader, clientCertificate } = provider
  if (trustedSourceIps.length === 0 && provider.enabled)
    problems.warning(
      [...path, 'trustedSourceIps'],
      'is empty: the mode is off, nobody is believed',
      "name WebSEAL's addresses, or write enabled: false",
    )
  for (const [index, range] of trustedSourceIps.entries()) warnOfWideRange(range, [...path, 'trustedSourceIps', index], reading)
  if (clientIpHeader !== undefined && config.server.trustedProxies.length === 0)
    problems.warning(
      [...path, 'clientIpHeader'],
      'is never read: server.trustedProxies is empty',
      'name the proxies that write it, or take it away',
    )
  if (clientCertificate.length > 0 && config.server.tls?.clientCa === undefined)
    problems.error(
      [...path, 'clientCertificate'],
      'can never be fulfilled: Postern asks for no client certificate',
      'add server.tls.clientCa',
    )
  checkHeaderNames(provider, path, reading)
}

const kindOf = compileNames([])
function checkHeaderNames(provider: WebsealConfig, path: Path, { problems }: Reading): void {
  const named = (['userHeader', 'groupsHeader', 'clientIpHeader', 'clientAddressHeader'] as const).map(
    (key) => [[key], provider[key]] as const,
  )
  const passed = provider.passThrough.map((name, index) => [['passThrough', index], name] as const)
  for (const [keys, name] of [...named, ...passed]) {
    if (name === undefined) continue
    const kind = kindOf(name)
    const isForwarding =
      (kind === 'rebuilt' || kind === 'forwarded') && (keys[0] === 'clientIpHeader' || keys[0] === 'clientAddressHeader')
    if (kind !== 'pass' && kind !== 'identity' && !isForwarding)
      problems.error(
        [...path, ...keys],
        'is a header with a meaning of its own',
        'name the header that WebSEAL sets, for example iv-user',
      )
  }
}

function refuseSharedCallbacks({ providers }: Config, { problems }: Reading): void {
  const seen = new Set<string>()
  for (const [index, provider] of providers.entries()) {
    if (provider.protocol !== 'OIDC' || !provider.enabled || provider.callbackUrl === undefined) continue
    if (seen.has(provider.callbackUrl))
      problems.error(
        ['providers', index, 'callbackUrl'],
        'is the callbackUrl of another provider too: answers could not be told apart',
        'give each its own, for example with ?client_name=NAME',
      )
    seen.add(provider.callbackUrl)
  }
}
