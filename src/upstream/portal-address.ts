// The two names of one portal, read once: where it really listens, and what people type.
import type { Portal } from '../types.ts'

export interface PortalAddress {
  /** `Host` for the portal where it does not get the client's: host, and port where it is not the scheme's own. */
  readonly innerHost: string
  readonly innerName: string
  readonly innerPort: string
  readonly scheme: string
  readonly port: string
  /** Public origin and authority for a request's host: a wildcard portal has as many as it has hosts. */
  origin(host: string): string
  authority(host: string): string
}

const defaultPort = (scheme: string): string => (scheme === 'https' || scheme === 'wss' ? '443' : '80')

export function readAddress(portal: Portal): PortalAddress {
  const { upstream, origin } = portal
  const [, scheme = 'http', name = '', port = ''] = /^(https?):\/\/(\[[^\]]*\]|[^:/]*)(?::(\d+))?/.exec(origin) ?? []
  const isWildcard = name.includes('*')
  const suffix = port === '' ? '' : `:${port}`
  const fixed = `${name}${suffix}`
  return {
    innerHost: upstream.host,
    innerName: upstream.hostname,
    innerPort: upstream.port || defaultPort(upstream.protocol.slice(0, -1)),
    scheme,
    port: port || defaultPort(scheme),
    authority: (host) => (isWildcard ? `${host}${suffix}` : fixed),
    origin: (host) => (isWildcard ? `${scheme}://${host}${suffix}` : origin),
  }
}

/** The URL with the portal's inner origin replaced by the public one; any other text is returned as it is. */
export function outward(url: string, address: PortalAddress, host: string): string {
  const parts = /^(?:([a-z]+):)?\/\/([^/?#\\@]*)((?:[/?#].*)?)$/is.exec(url)
  if (!parts) return url
  const scheme = parts[1]?.toLowerCase()
  if (scheme !== undefined && !/^(https?|wss?)$/.test(scheme)) return url
  const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(parts[2] ?? '') ?? []
  if (name.toLowerCase() !== address.innerName) return url
  const meant = port || (scheme === undefined ? address.innerPort : defaultPort(scheme))
  if (meant !== address.innerPort) return url
  const origin = address.origin(host)
  return `${scheme?.startsWith('ws') ? origin.replace(/^http/, 'ws') : origin}${parts[3]}`
}
