// What a route demands of the sign-in: providers, how recent, how strong. A demand that nobody could ever meet is a mistake.
import { nearest } from '../did-you-mean.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig, ProviderConfig, RouteConfig } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'
import { firstOf } from './check-portal-providers.ts'
import { namesAreUnsure } from './provider-names.ts'

export function checkDemands(route: RouteConfig, portal: PortalConfig, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  for (const [index, name] of (route.providers ?? []).entries())
    checkProvider(name, portal, [...path, 'providers', index], config, reading)
  const demands = (['reauthenticate', 'acr', 'providers'] as const).filter((key) => route[key] !== undefined)
  for (const key of demands) {
    if (route[key] === 'session') continue
    const at = [...path, key]
    if (route.access !== 'authenticated')
      problems.error(
        at,
        `demands nothing on a route with access: ${route.access}`,
        'take it away, or write access: authenticated',
      )
    else if (key !== 'providers') checkWhoCan(route, portal, at, config, reading)
  }
  checkLength(route, portal, path, config, reading)
}

function checkProvider(name: string, portal: PortalConfig, at: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  const first = firstProvidersOf(portal)
  const provider = config.providers.find((one) => one.name === name)
  if (!first.includes(name)) {
    if (namesAreUnsure(reading, config)) return
    const isSecond = portal.providers.some((one) => one.name === name)
    if (isSecond) problems.error(at, 'is a second factor here, which makes nobody known', 'name the provider that is asked first')
    else problems.error(at, `${reading.show(at, name)} is no provider of this portal`, meant(name, first))
  } else if (provider?.protocol === 'LOCAL')
    problems.error(at, "lets nobody in: whoever chose the portal's own sign-in is not known here", 'take it out of the list')
}

function meant(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near ? `did you mean ${near}?` : `write one of ${known.join(', ')}`
}

const namesIn = (providers: readonly ProviderConfig[]): string => providers.map(({ name }) => name).join(', ')

/** Only OpenID Connect has `auth_time` and `acr`; a provider of OAuth 2.0 may have them too, a WebSEAL never. */
function checkWhoCan(route: RouteConfig, portal: PortalConfig, at: Path, config: Config, reading: Reading): void {
  const isMeant = ({ name, protocol }: ProviderConfig) => (route.providers?.includes(name) ?? true) && protocol !== 'LOCAL'
  const all = firstOf(portal, config).filter(isMeant)
  const doubtful = all.filter(({ protocol }) => protocol !== 'OIDC')
  if (namesAreUnsure(reading, config) || reading.problems.isSettled([...at.slice(0, 2), 'providers'])) return
  if (!all.some(isSignIn))
    reading.problems.error(
      at,
      'can never be fulfilled: nobody is sent to sign in here, and only a sign-in can be made fresher or stronger',
      'take it away, or add an OIDC provider to the portal',
    )
  else if (doubtful.length > 0)
    reading.problems.warning(
      at,
      `needs a provider that says when and how strongly it asked, which is not known of ${namesIn(doubtful)}`,
      'name the providers of the route as well, or give those people a route of their own',
    )
}

function checkLength({ reauthenticate }: RouteConfig, portal: PortalConfig, path: Path, config: Config, reading: Reading): void {
  if (typeof reauthenticate === 'number' && reauthenticate >= (portal.session.lifetime ?? config.session.lifetime))
    reading.problems.warning(
      [...path, 'reauthenticate'],
      'is longer than a session lasts, so that it changes nothing',
      'write a shorter time, or take it away',
    )
}
