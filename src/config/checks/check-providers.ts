// What cannot be right between the keys of a provider, and between providers.
import type { Reading } from '../reading.ts'
import type { Config, ProviderConfig } from '../schema.ts'
import { isSignIn, providerNamesOf } from '../uris.ts'
import { checkFallback } from './check-fallbacks.ts'
import { checkSignIn } from './check-sign-in.ts'
import { checkWebseal } from './check-webseal.ts'

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
    const path = ['providers', index]
    if (isSignIn(provider)) {
      checkSignIn(provider, path, reading)
      checkFallback(provider, path, config, reading)
    } else if (provider.protocol === 'WEBSEAL') checkWebseal(provider, path, config, reading)
    if (!isUsed(provider, config) && !reading.problems.isSettled([...path, 'protocol']))
      reading.problems.warning(
        ['providers', index, 'name'],
        'no portal names this provider',
        'name it at a portal, or take it away',
      )
  }
  refuseSharedCallbacks(config, reading)
}

const isUsed = (provider: ProviderConfig, config: Config): boolean =>
  !provider.enabled || config.portals.some((portal) => providerNamesOf(portal).includes(provider.name))

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

function refuseSharedCallbacks({ providers }: Config, { problems }: Reading): void {
  const seen = new Set<string>()
  for (const [index, provider] of providers.entries()) {
    if (!isSignIn(provider) || !provider.enabled || provider.callbackUrl === undefined) continue
    if (seen.has(provider.callbackUrl))
      problems.error(
        ['providers', index, 'callbackUrl'],
        'is the callbackUrl of another provider too: answers could not be told apart',
        'give each its own, for example with ?client_name=NAME',
      )
    seen.add(provider.callbackUrl)
  }
}
