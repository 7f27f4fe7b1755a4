// Which portal, which route. Owns host and path matching; knows nothing of who is asking.
import { domainToASCII } from 'node:url'
import type { Portal, Route } from '../types.ts'
import { canonicalPath, hasWindowsAlias } from './canonical-path.ts'

/** Lower case, without port and trailing dot; undefined where the text is no host. RFC 9110 section 7.2. */
export function foldHost(raw: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}))(?::\d{1,5})?$/.exec(raw)
  const host = match?.[1]?.toLowerCase().replace(/\.$/, '')
  return host === undefined || host === '' || host.includes('..') ? undefined : host
}

/** The host of a configuration in the form requests have: IDN as punycode. */
export function foldConfiguredHost(text: string): string {
  if (text === '*') return text
  const wildcard = text.startsWith('*.')
  const ascii = domainToASCII(wildcard ? text.slice(2) : text)
  return (wildcard ? '*.' : '') + ascii.toLowerCase().replace(/\.$/, '')
}

export interface Placed {
  readonly portal: Portal
  /** As configured: exact, `*.label`, or `*`. */
  readonly host: string
}

/**
 * Exact host, then one-label wildcard, then `*`; within a host the longest path on segment borders.
 * @param isOurs paths of our own: on a host whose portals all lie below a path they belong to the first of them
 */
export function compileFindPortal(
  placed: readonly Placed[],
  isOurs: (path: string) => boolean = () => false,
): (host: string, path: string) => Portal | undefined {
  const byHost = new Map<string, Portal[]>()
  for (const { portal, host } of placed) {
    const key = foldConfiguredHost(host)
    byHost.set(
      key,
      [...(byHost.get(key) ?? []), portal].sort((a, b) => b.path.length - a.path.length),
    )
  }
  const within = (portals: Portal[] | undefined, path: string) =>
    portals?.find((portal) => owns(portal, path)) ?? (isOurs(path) ? portals?.[0] : undefined)
  return (host, path) => {
    const exact = within(byHost.get(host), path)
    if (exact) return exact
    const dot = host.indexOf('.')
    return (dot < 0 ? undefined : within(byHost.get(`*${host.slice(dot)}`), path)) ?? within(byHost.get('*'), path)
  }
}

function owns(portal: Portal, path: string): boolean {
  if (portal.path === '/') return true
  const head = path.slice(0, portal.path.length)
  const same = portal.pathCase === 'insensitive' ? head.toLowerCase() === portal.path.toLowerCase() : head === portal.path
  return same && (path.length === portal.path.length || path.charCodeAt(portal.path.length) === 47)
}

export interface PatternOptions {
  readonly pathCase: 'sensitive' | 'insensitive'
  /** A closing slash more makes no other page: for routes that keep somebody out. */
  readonly closingSlash: boolean
}

/** `*` is any run inside one segment, `**` any number of whole segments. Non-ASCII may be written as it is. */
export function compilePattern(pattern: string, { pathCase, closingSlash }: PatternOptions): (path: string) => boolean {
  const written = pathCase === 'insensitive' ? plain : encoded
  const segments = pattern.split('/').slice(1)
  const source = segments
    .map((segment) =>
      segment === '**'
        ? '(?:/[^/]*)*'
        : `/${segment
            .split(/\*+/)
            .map((text) => escaped(written(text)))
            .join('[^/]*')}`,
    )
    .join('')
  const expression = new RegExp(`^${source}${closingSlash ? '/?' : ''}$`, pathCase === 'insensitive' ? 'iu' : '')
  return pathCase === 'insensitive' ? (path) => expression.test(plain(path)) : (path) => expression.test(path)
}

/** As a canonical path has it. */
const encoded = (text: string): string => {
  const once = text.replace(/[^\u0000-\u007f]+/g, (run) => encodeURIComponent(run))
  return canonicalPath(`/${once}`)?.path.slice(1) ?? once
}
/** Letters of any alphabet have a case: they are compared as letters. */
const plain = (text: string): string =>
  text.replace(/(?:%[89A-F][0-9A-F])+/gi, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

export interface Matched {
  readonly route: Route
  readonly matches: (path: string) => boolean
}

/**
 * First match wins; a route whose method does not match is passed over; GET includes HEAD.
 * @returns undefined where the path is another name of a file on a case-insensitive portal
 */
export function compileFindRoute(
  matched: readonly Matched[],
  fallback: Route,
  pathCase: 'sensitive' | 'insensitive',
): (path: string, method: string) => Route | undefined {
  return (path, method) => {
    if (pathCase === 'insensitive' && hasWindowsAlias(path)) return undefined
    for (const { route, matches } of matched) {
      const wanted = route.methods
      if ((wanted === undefined || wanted.has(method) || (method === 'HEAD' && wanted.has('GET'))) && matches(path)) return route
    }
    return fallback
  }
}
