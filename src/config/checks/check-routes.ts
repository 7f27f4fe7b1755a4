// What cannot be right between the keys of a route, and between the routes of a portal.
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig, RouteConfig } from '../schema.ts'
import { checkDemands } from './check-demands.ts'
import { coversPath, meet } from './route-patterns.ts'

export function checkRoutes(portal: PortalConfig, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  for (const [index, route] of portal.routes.entries()) {
    const at = [...path, 'routes', index]
    const asksNobody = route.access === 'public' || route.access === 'blocked'
    if (asksNobody && route.rules.length > 0)
      problems.error(
        [...at, 'rules'],
        `are never asked on a route with access: ${route.access}`,
        'take them away, or write access: authenticated',
      )
    if (route.message !== undefined && route.access !== 'blocked')
      problems.warning([...at, 'message'], 'is shown on blocked routes only', 'write access: blocked, or give the rule a message')
    checkDemands(route, portal, at, config, reading)
    checkOrder(route, index, portal, at, reading)
  }
}

function checkOrder(route: RouteConfig, index: number, portal: PortalConfig, at: Path, { problems }: Reading): void {
  const before = portal.routes.slice(0, index)
  const earlier = before.findIndex((one) => covers(one, route, portal))
  if (earlier >= 0)
    return problems.warning(
      [...at, 'path'],
      `never matches: routes[${earlier}] takes everything before it`,
      'put the narrower route first',
    )
  if (!isBelow(route.path, portal))
    return problems.warning([...at, 'path'], "lies outside of the portal's path", `write a path below ${portal.path}`)
  const surprise = before.findIndex((one) => surprises(one, route, portal))
  if (surprise >= 0)
    problems.warning(
      [...at, 'path'],
      `some of it is taken by routes[${surprise}] before it, which ${lack(before[surprise] as RouteConfig, route)}`,
      'put the stricter route first',
    )
}

const folding =
  ({ pathCase }: PortalConfig) =>
  (text: string): string =>
    pathCase === 'insensitive' ? text.toLowerCase() : text

function covers(earlier: RouteConfig, later: RouteConfig, portal: PortalConfig): boolean {
  const folded = folding(portal)
  return coversMethods(earlier, later) && coversPath(folded(earlier.path), folded(later.path))
}

function coversMethods(earlier: RouteConfig, later: RouteConfig): boolean {
  const { methods } = earlier
  if (methods === undefined) return true
  return later.methods?.every((method) => methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))) ?? false
}

/** Takes requests from a later route that asks for more, and is not an exception carved out of it. */
function surprises(earlier: RouteConfig, later: RouteConfig, portal: PortalConfig): boolean {
  const folded = folding(portal)
  const [a, b] = [folded(earlier.path), folded(later.path)]
  if (lack(earlier, later) === undefined || !methodsMeet(earlier, later) || !meet(a, b)) return false
  const isException = coversPath(b, a) && (a !== b || coversMethods(later, earlier))
  return !isException
}

function methodsMeet(a: RouteConfig, b: RouteConfig): boolean {
  const [first, second] = [a, b].map(({ methods }) => methods && [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])])
  return !first || !second || first.some((method) => second.includes(method))
}

/** What the later route asks for and the earlier does not. */
function lack(earlier: RouteConfig, later: RouteConfig): string | undefined {
  if (earlier.access === 'blocked' || later.access === 'public') return undefined
  if (later.access === 'blocked') return 'is not blocked'
  if (later.access === 'authenticated' && earlier.access !== 'authenticated') return 'asks nobody to sign in'
  const names = ({ rules }: RouteConfig) => rules.map((rule) => (typeof rule === 'string' ? rule : rule.name))
  if (names(later).some((name) => !names(earlier).includes(name))) return 'lacks one of its rules'
  const demands = ({ acr, reauthenticate, providers }: RouteConfig) => [acr, reauthenticate, providers?.join()]
  const [asked, given] = [demands(later), demands(earlier)]
  const isAsked = asked.some((value, index) => value !== undefined && value !== 'session' && value !== given[index])
  return isAsked ? 'asks for another kind of sign-in' : undefined
}

function isBelow(pattern: string, { path, pathCase }: PortalConfig): boolean {
  if (path === '/' || pattern.includes('*')) return true
  const [a, b] = pathCase === 'insensitive' ? [pattern.toLowerCase(), path.toLowerCase()] : [pattern, path]
  return a === b || a.startsWith(`${b}/`)
}
