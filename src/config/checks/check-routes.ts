// What cannot be right between the routes of a portal.
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { PortalConfig, RouteConfig } from '../schema.ts'

export function checkRoutes(portal: PortalConfig, path: Path, { problems }: Reading): void {
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
    const earlier = portal.routes.slice(0, index).findIndex((one) => covers(one, route, portal))
    if (earlier >= 0)
      problems.warning(
        [...at, 'path'],
        `never matches: routes[${earlier}] takes everything before it`,
        'put the narrower route first',
      )
    else if (!isBelow(route.path, portal))
      problems.warning([...at, 'path'], "lies outside of the portal's path", `write a path below ${portal.path}`)
  }
}

function covers(earlier: RouteConfig, later: RouteConfig, { pathCase }: PortalConfig): boolean {
  const folded = (text: string) => (pathCase === 'insensitive' ? text.toLowerCase() : text)
  return coversMethods(earlier, later) && coversPath(folded(earlier.path), folded(later.path))
}

function coversMethods(earlier: RouteConfig, later: RouteConfig): boolean {
  const { methods } = earlier
  if (methods === undefined) return true
  return later.methods?.every((method) => methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))) ?? false
}

/** Certain cases only: the same pattern, or `X/**` above a pattern that starts with X. */
function coversPath(earlier: string, later: string): boolean {
  if (earlier === later) return true
  const above = earlier.endsWith('/**') ? earlier.slice(0, -3) : undefined
  return above !== undefined && (later === above || later.startsWith(`${above}/`))
}

function isBelow(pattern: string, { path, pathCase }: PortalConfig): boolean {
  if (path === '/' || pattern.includes('*')) return true
  const [a, b] = pathCase === 'insensitive' ? [pattern.toLowerCase(), path.toLowerCase()] : [pattern, path]
  return a === b || a.startsWith(`${b}/`)
}
