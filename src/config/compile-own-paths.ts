// Which paths of a portal's origin are ours: basePath, pkms pages, callback URLs registered elsewhere; and the way to the sign-in.
import type { Generation, Portal, RequestView } from '../types.ts'
import type { CompiledPortal } from './compile-portal.ts'
import type { Config } from './schema.ts'

/** Straight to a provider where there is nothing to choose; else the chooser, which also knows the conditions. */
export function compileSignInPath(basePath: string): Generation['signInPath'] {
  return (portal, returnTo, ask = {}) => {
    const choices = portal.providers.filter((provider) => provider.login || provider.protocol === 'LOCAL')
    if (choices.length === 0) return undefined
    const only = choices.length === 1 && portal.conditions.size === 0 ? choices[0]?.name : undefined
    const straight = ask.provider ?? only
    const hints = `${ask.fresh ? '&fresh=1' : ''}${ask.acr === undefined ? '' : `&acr=${encodeURIComponent(ask.acr)}`}`
    return `${basePath}/${straight === undefined ? 'login' : `start/${encodeURIComponent(straight)}`}?return=${encodeURIComponent(returnTo)}${hints}`
  }
}

/** Below basePath, and the paths of callback URLs registered elsewhere. */
export function isOursIn({ server: { basePath } }: Config, portals: readonly CompiledPortal[]): (path: string) => boolean {
  const callbacks = new Set(
    portals.flatMap(({ portal }) => [...portal.redirectUris.values()].map((uri) => new URL(uri).pathname)),
  )
  return (path) => path === basePath || path.startsWith(`${basePath}/`) || callbacks.has(path)
}

interface ExplicitCallback {
  readonly provider: string
  readonly own: readonly (readonly [string, string])[]
}

/** basePath, pkms pages, and callback URLs registered at other paths: those are ours only with every parameter of their own and a state. */
export function compileOwnEndpoint(
  config: Config,
  portals: readonly CompiledPortal[],
): (request: RequestView, portal: Portal) => string | undefined {
  const { basePath } = config.server
  const explicit = new Map<string, ExplicitCallback[]>()
  for (const { portal } of portals) {
    for (const [provider, uri] of portal.redirectUris) {
      const url = new URL(uri)
      const key = `${url.hostname.toLowerCase()} ${url.pathname}`
      if (url.pathname === `${basePath}/callback/${encodeURIComponent(provider)}` && url.search === '') continue
      const known = explicit.get(key) ?? []
      if (!known.some((callback) => callback.provider === provider))
        explicit.set(key, [...known, { provider, own: [...url.searchParams] }])
    }
  }
  return (request, portal) => {
    const { path } = request
    if (explicit.size > 0 && request.query !== '') {
      const provider = callbackFor(explicit.get(`${request.host} ${path}`), request.query)
      if (provider !== undefined) return `/callback/${encodeURIComponent(provider)}`
    }
    if (path.startsWith(basePath) && (path.length === basePath.length || path.charCodeAt(basePath.length) === 47))
      return path.slice(basePath.length) || '/'
    if (portal.compat === 'webseal' && path.startsWith('/pkms')) return pkmsPage(path, request.query)
    return undefined
  }
}

function callbackFor(callbacks: readonly ExplicitCallback[] | undefined, query: string): string | undefined {
  if (!callbacks) return undefined
  const given = new URLSearchParams(query)
  if (!given.has('state') || !(given.has('code') || given.has('error'))) return undefined
  return callbacks.find(({ own }) => own.every(([name, value]) => given.getAll(name).includes(value)))?.provider
}

function pkmsPage(path: string, query: string): string | undefined {
  if (path === '/pkmslogout') return '/logout'
  if (path !== '/pkmsoidc') return undefined
  const provider = new URLSearchParams(query).get('iss')
  return provider === null ? '/login' : `/start/${encodeURIComponent(provider)}`
}
