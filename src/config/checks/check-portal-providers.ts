// What cannot be right between a portal and its providers: who is asked first, who second, who for which e-mail address.
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig, ProviderConfig, ProviderReference } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'
import { namesAreUnsure, suggestion } from './provider-names.ts'

/** Those that a portal asks first, as they are configured. */
export const firstOf = (portal: PortalConfig, { providers }: Config): readonly ProviderConfig[] =>
  providers.filter(({ name, enabled }) => enabled && firstProvidersOf(portal).includes(name))

export const hasLogin = (portal: PortalConfig, config: Config): boolean => firstOf(portal, config).some(isSignIn)

export function checkPortalProviders(portal: PortalConfig, path: Path, config: Config, reading: Reading): void {
  for (const [index, reference] of portal.providers.entries()) {
    const at = [...path, 'providers', index]
    if (reading.problems.isSettled([...at, 'name'])) continue
    const isPlain = reference.when === undefined && reference.after === undefined
    checkName(portal, index, isPlain ? at : [...at, 'name'], config, reading)
    if (reference.after !== undefined && !reading.problems.isSettled([...at, 'after']))
      checkAfter(portal, { ...reference, after: reference.after }, at, config, reading)
  }
  checkWhoGetsIn(portal, path, reading)
  checkWebsealAlone(portal, path, config, reading)
  refuseSharedDomains(portal, config, reading)
  warnOfLocal(portal, path, config, reading)
}

function checkName(portal: PortalConfig, index: number, at: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  const { name, after } = portal.providers[index] as ProviderReference
  const provider = config.providers.find((one) => one.name === name)
  const before = portal.providers.slice(0, index).filter((one) => one.name === name)
  if (before.some((one) => one.after === after)) problems.error(at, 'stands in the list already', 'take one of them away')
  else if (before.some((one) => one.after === undefined || after === undefined))
    problems.error(
      at,
      'is asked first and as a second factor: nobody could tell which of them is meant',
      'add it to providers a second time, under another name',
    )
  else if (provider && !provider.enabled && !problems.isSettled(['providers', config.providers.indexOf(provider), 'enabled']))
    problems.error(at, `the provider ${reading.show(at, name)} is disabled`, 'write enabled: true there, or take it away here')
  else if (!provider && !namesAreUnsure(reading, config))
    problems.error(at, `there is no provider ${reading.show(at, name)}`, suggestion(at, name, config, reading))
}

type SecondFactor = ProviderReference & { readonly after: string }
function checkAfter(portal: PortalConfig, { name, after }: SecondFactor, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  const at = [...path, 'after']
  const named = portal.providers.filter((one) => one.name === after)
  const [first, own] = [after, name].map((wanted) => config.providers.find((one) => one.name === wanted))
  if (after === name) problems.error(at, 'is the provider itself', 'name the one that is asked first')
  else if (named.length === 0)
    problems.error(
      at,
      `${reading.show(at, after)} is no provider of this portal, so there is nobody to ask a second time`,
      'name it before this one',
    )
  else if (named.every((one) => one.after !== undefined))
    problems.error(at, 'is itself a second factor', 'name the provider that is asked first')
  else if (first && !isSignIn(first))
    problems.error(at, `makes no session in which a second factor could be kept (${first.protocol})`, 'name an OIDC provider')
  if (own && !isSignIn(own))
    problems.error([...path, 'name'], `cannot be a second factor (${own.protocol})`, 'name an OIDC or OAUTH2 provider')
}

function checkWhoGetsIn(portal: PortalConfig, path: Path, { problems }: Reading): void {
  const asksNobody = portal.routes.some(
    ({ path: pattern, access, methods }) =>
      pattern === '/**' && methods === undefined && (access === 'public' || access === 'blocked'),
  )
  if (portal.providers.length === 0 && !asksNobody)
    problems.error([...path, 'providers'], 'names no provider, so nobody could ever get in', 'write providers: [NAME]')
}

function checkWebsealAlone(portal: PortalConfig, path: Path, config: Config, { problems }: Reading): void {
  const asksToSignIn = firstOf(portal, config).some(
    (provider) => provider.protocol === 'WEBSEAL' && provider.onMissing === 'login',
  )
  if (asksToSignIn && !hasLogin(portal, config))
    problems.warning(
      [...path, 'providers'],
      'has onMissing: login at WEBSEAL but no provider to sign in with',
      'add an OIDC provider, or write onMissing: deny',
    )
}

function refuseSharedDomains(portal: PortalConfig, config: Config, { problems }: Reading): void {
  const claimed = new Map<string, string>()
  for (const provider of firstOf(portal, config)) {
    if (!isSignIn(provider)) continue
    const path = ['providers', config.providers.indexOf(provider), 'domains']
    for (const [index, domain] of provider.domains.entries()) {
      const other = claimed.get(domain)
      if (other !== undefined && other !== provider.name)
        problems.error(
          [...path, index],
          `is claimed by the provider ${other} too, at the portal ${portal.name}`,
          'leave it at one of them',
        )
      else claimed.set(domain, provider.name)
    }
  }
}

function warnOfLocal(portal: PortalConfig, path: Path, config: Config, { problems }: Reading): void {
  if (portal.rules.length === 0) return
  const local = firstOf(portal, config).find(({ protocol }) => protocol === 'LOCAL')
  if (!local) return
  const index = portal.providers.findIndex(({ name }) => name === local.name)
  problems.warning(
    [...path, 'providers', index],
    "offers the portal's own sign-in: the portal's rules do not hold for people who choose it",
    'give the rules to routes, which stay closed to them, or take the provider away',
  )
}
