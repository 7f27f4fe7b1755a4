// What cannot be right between the keys of a portal, between portals, and between portals and providers.
import { isLoopbackHost } from '../../addresses.ts'
import { compileNames, fold } from '../../header-names.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig } from '../schema.ts'
import { findPublicUrl, hostOf, isSignIn } from '../uris.ts'
import { checkGroups } from './check-groups.ts'
import { checkPortalProviders, hasLogin } from './check-portal-providers.ts'
import { refuseTwins } from './check-providers.ts'
import { checkRoutes } from './check-routes.ts'
import { warnOfPlainHttp, warnOfWideRange } from './check-server.ts'

export function checkPortals(config: Config, reading: Reading): void {
  refuseTwins(
    config.portals.map(({ name }) => name),
    'portals',
    reading,
  )
  refuseSamePlace(config, reading)
  for (const [index, portal] of config.portals.entries()) {
    const path = ['portals', index]
    checkAddress(portal, path, config, reading)
    checkUpstream(portal, path, config, reading)
    checkPortalProviders(portal, path, config, reading)
    checkHeaders(portal, path, reading)
    checkTimes(portal, path, config, reading)
    checkEnforceLocal(portal, path, reading)
    checkRoutes(portal, path, config, reading)
  }
  checkGroups(config, reading)
  checkCallbacks(config, reading)
}

function refuseSamePlace(config: Config, { problems }: Reading): void {
  const seen = new Set<string>()
  for (const [index, portal] of config.portals.entries()) {
    const isUnsure = ['host', 'path', 'publicUrl'].some((key) => problems.isSettled(['portals', index, key]))
    if (isUnsure || findPublicUrl(portal, config) === undefined) continue
    const place = `${hostOf(portal, config)} ${portal.path}`
    if (seen.has(place))
      problems.error(['portals', index], 'has the host and path of another portal', 'give it another host or path')
    seen.add(place)
  }
}

function checkAddress(portal: PortalConfig, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  const url = findPublicUrl(portal, config)
  if (url === undefined)
    return problems.error(
      [...path, 'publicUrl'],
      'is missing, and server.publicUrl too',
      'write what people type: publicUrl: https://home.company.com',
    )
  if (portal.publicUrl !== undefined) warnOfPlainHttp(portal.publicUrl, [...path, 'publicUrl'], reading)
  if (config.session.cookie.sameSite === 'none' && url.startsWith('http:'))
    problems.error(
      [...path, 'publicUrl'],
      'is http, where browsers drop cookies with sameSite none',
      'write https, or session.cookie.sameSite: lax',
    )
  const { host } = portal
  if (host === undefined) return
  if (host.startsWith('*.') && portal.publicUrl === undefined && hasLogin(portal, config))
    problems.error(
      [...path, 'host'],
      'is a wildcard without publicUrl, so nobody could come back from signing in',
      'add the publicUrl at which people sign in',
    )
  if (portal.publicUrl !== undefined && !answersFor(host, new URL(portal.publicUrl).hostname))
    problems.error([...path, 'host'], 'does not cover the host of publicUrl', 'make them agree, or take host away')
}

const answersFor = (host: string, name: string): boolean =>
  host === '*' || host === name || (host.startsWith('*.') && name.slice(name.indexOf('.')) === host.slice(1))

function checkUpstream(portal: PortalConfig, path: Path, config: Config, { problems }: Reading): void {
  const { hostname, port, protocol } = new URL(portal.upstream)
  const number = Number(port || (protocol === 'https:' ? 443 : 80))
  const own = [config.server.listen, config.server.health, config.server.admin]
  if (isLoopbackHost(hostname) && own.some((listener) => listener.port === number))
    problems.error([...path, 'upstream'], 'is Postern itself', 'write the address of the application')
  if (portal.upstreamTls === undefined) return
  if (protocol === 'http:')
    problems.error(
      [...path, 'upstreamTls'],
      'is given, but upstream is http',
      'write https in upstream, or take upstreamTls away',
    )
  const { cert, key } = portal.upstreamTls
  if ((cert === undefined) !== (key === undefined))
    problems.error([...path, 'upstreamTls', cert === undefined ? 'cert' : 'key'], 'is missing', 'give cert and key together')
}

const kindOf = compileNames([])
/** Names that only Postern or the connection may set. */
const unsettable = new Set(['hop', 'rebuilt', 'override', 'host', 'cookie', 'framing'])

function checkHeaders(portal: PortalConfig, path: Path, { problems }: Reading): void {
  const seen = new Map<string, string>()
  for (const name of Object.keys(portal.headers)) {
    const at = [...path, 'headers', name]
    const twin = seen.get(fold(name))
    if (unsettable.has(kindOf(name)))
      problems.error(
        at,
        'is a header that belongs to the connection or to Postern',
        'use a name of its own, for example x-account',
      )
    else if (twin !== undefined) problems.error(at, `is the same header as ${twin} to many portals`, 'take one of them away')
    seen.set(fold(name), name)
  }
  for (const [index, name] of portal.stripHeaders.entries()) {
    const kind = kindOf(name)
    const at = [...path, 'stripHeaders', index]
    if (kind === 'host' || kind === 'framing' || kind === 'rebuilt')
      problems.error(at, 'cannot be taken away: every request needs it', 'take it out of the list')
    else if (kind === 'authorization') problems.error(at, 'has a key of its own', 'write authorization: strip')
  }
}

function checkTimes(portal: PortalConfig, path: Path, config: Config, { problems }: Reading): void {
  const { idle, lifetime } = portal.session
  if ((idle ?? lifetime) !== undefined && (idle ?? config.session.idle) > (lifetime ?? config.session.lifetime))
    problems.warning([...path, 'session'], 'idle is longer than lifetime', 'make idle the shorter one')
}

function checkEnforceLocal({ enforceLocal }: PortalConfig, path: Path, reading: Reading): void {
  if (enforceLocal === false) return
  const at = [...path, 'enforceLocal']
  for (const [index, range] of (enforceLocal.from ?? []).entries()) warnOfWideRange(range, [...at, 'from', index], reading)
  const { until } = enforceLocal
  if (until !== undefined && until <= reading.now)
    reading.problems.warning([...at, 'until'], 'is over: nothing is enforced any more', 'take enforceLocal away')
  else
    reading.problems.warning(
      at,
      "is in force: the portal's own sign-in answers, and this one asks nobody",
      until === undefined
        ? 'take it away when the provider is back, or give it an until'
        : 'take it away when the provider is back',
    )
}

/** An answer to a callbackUrl elsewhere never reaches us. */
function checkCallbacks(config: Config, { problems }: Reading): void {
  if (addressesAreUnsure(config, problems)) return
  const hosts = config.portals.flatMap((portal) => (findPublicUrl(portal, config) === undefined ? [] : [hostOf(portal, config)]))
  for (const [index, provider] of config.providers.entries()) {
    if (!isSignIn(provider) || provider.callbackUrl === undefined || !provider.enabled) continue
    const { hostname } = new URL(provider.callbackUrl)
    if (!hosts.some((host) => answersFor(host, hostname)))
      problems.warning(
        ['providers', index, 'callbackUrl'],
        'is on a host of no portal: sign-ins would not come back here',
        'write a URL on the host of a portal',
      )
  }
}

const addressesAreUnsure = ({ portals }: Config, problems: Reading['problems']): boolean =>
  [['server', 'publicUrl'], ...portals.flatMap((_, index) => ['host', 'publicUrl'].map((key) => ['portals', index, key]))].some(
    (path) => problems.isSettled(path),
  )
