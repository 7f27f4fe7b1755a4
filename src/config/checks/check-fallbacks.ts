// Where people go while a provider is unavailable: it has to be a way in at every portal that needs it, and to end somewhere.
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, ProviderConfig, SignInConfig } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'
import { namesAreUnsure, suggestion } from './provider-names.ts'

export function checkFallback(provider: SignInConfig, path: Path, config: Config, reading: Reading): void {
  const { fallback, name } = provider
  const at = [...path, 'fallback']
  if (fallback === undefined || reading.problems.isSettled(at)) return
  const other = config.providers.find((one) => one.name === fallback)
  if (fallback === name) reading.problems.error(at, 'is the provider itself', 'name another one, or take it away')
  else if (!other) refuseUnknown(fallback, at, config, reading)
  else if (other.protocol === 'WEBSEAL')
    reading.problems.error(at, 'names a WEBSEAL provider, where nobody can be sent to sign in', 'name an OIDC provider')
  else if (!provider.enabled) return
  else if (!other.enabled)
    reading.problems.error(
      at,
      `names the provider ${reading.show(at, fallback)}, which is disabled`,
      'write enabled: true there, or take it away here',
    )
  else {
    checkPortalsOf(provider, at, fallback, config, reading)
    checkLoop(provider, at, config, reading)
  }
}

function refuseUnknown(fallback: string, at: Path, config: Config, reading: Reading): void {
  if (!namesAreUnsure(reading, config))
    reading.problems.error(at, `there is no provider ${reading.show(at, fallback)}`, suggestion(at, fallback, config, reading))
}

function checkPortalsOf({ name }: SignInConfig, at: Path, fallback: string, { portals }: Config, { problems }: Reading): void {
  for (const portal of portals) {
    if (portal.providers.some((reference) => reference.name === name && reference.after !== undefined))
      problems.error(
        at,
        `is never taken: the provider is a second factor at the portal ${portal.name}`,
        'take it away: a second factor cannot be replaced by another provider',
      )
    else if (firstProvidersOf(portal).includes(name) && !firstProvidersOf(portal).includes(fallback))
      problems.error(at, `is no provider of the portal ${portal.name}`, 'name it there too, or take it away here')
  }
}

/** Said once, at the provider that comes first. */
function checkLoop(provider: SignInConfig, at: Path, { providers }: Config, { problems }: Reading): void {
  const chain = chainFrom(provider, providers)
  const isFirst = chain.every(({ name }) => indexOf(name, providers) >= indexOf(provider.name, providers))
  const names = [...chain, provider].map(({ name }) => name).join(', ')
  if (chain.at(-1)?.fallback === provider.name && isFirst)
    problems.error(at, `comes back to this provider: ${names}`, 'let the last one have no fallback')
}

const indexOf = (name: string, providers: readonly ProviderConfig[]): number =>
  providers.findIndex((provider) => provider.name === name)

/** The provider and its fallbacks, each once. */
function chainFrom(provider: SignInConfig, providers: readonly ProviderConfig[]): readonly SignInConfig[] {
  const chain = [provider]
  for (;;) {
    const next = providers.filter(isSignIn).find(({ name }) => name === chain.at(-1)?.fallback)
    if (!next || chain.includes(next)) return chain
    chain.push(next)
  }
}
