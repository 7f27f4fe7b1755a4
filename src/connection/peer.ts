// Who holds the other end of a connection, and who may be behind it.
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { canonicalAddress } from '../addresses.ts'
import type { Peer } from '../types.ts'

/** What of a generation the reading depends on. */
export interface Trust {
  readonly isTrustedProxy: (address: string) => boolean
}

const noNames: readonly string[] = Object.freeze([])
const peers = new WeakMap<Socket, { readonly trust: Trust; readonly peer: Peer }>()

/** The other end of the connection, judged once per connection and generation. */
export function peerOf(socket: Socket, trust: Trust): Peer {
  const known = peers.get(socket)
  if (known && known.trust === trust) return known.peer
  const address = canonicalAddress(socket.remoteAddress ?? '') ?? ''
  const peer: Peer = {
    address,
    isTrustedProxy: address !== '' && trust.isTrustedProxy(address),
    certificateNames: certificateNames(socket),
  }
  peers.set(socket, { trust, peer })
  return peer
}

/** Names of a client certificate that the listener has verified. RFC 6125: subject alternative names, and the subject. */
function certificateNames(socket: Socket): readonly string[] {
  const tls = socket as TLSSocket
  if (!tls.encrypted || !tls.authorized) return noNames
  const certificate = tls.getPeerCertificate()
  if (!certificate?.subject) return noNames
  const subject = Object.entries(certificate.subject).map(([key, value]) => `${key}=${[value].flat().join('+')}`)
  const alternative = (certificate.subjectaltname ?? '').split(', ').filter(Boolean)
  return [
    certificate.subject.CN ?? '',
    subject.join(','),
    ...alternative,
    ...alternative.map((name) => name.replace(/^[A-Za-z ]+:/, '')),
  ]
    .flat()
    .filter(Boolean)
}

/**
 * From the TCP peer, while the address is a trusted proxy, the next from the right of `X-Forwarded-For`; the first untrusted one
 * is the client. Null where it cannot be known (a chain that is not addresses, a trusted proxy that names nobody).
 */
export function clientAddress(peer: Peer, forwardedFor: readonly string[], trust: Trust): string | null {
  if (peer.address === '') return null
  if (!peer.isTrustedProxy) return peer.address
  // from the right: what a client wrote stands on the left, and a long list of it must not push the proxy's own entry out
  const chain = forwardedFor.join(',').split(',').slice(-longestChain)
  for (let i = chain.length - 1; i >= 0; i--) {
    const address = canonicalAddress(withoutPort((chain[i] as string).trim()))
    if (address === undefined) return null
    if (!trust.isTrustedProxy(address)) return address
  }
  return null
}

/** Proxies one request may have passed. */
const longestChain = 128

/** Some proxies write `10.0.0.1:1234` or `[::1]:1234`. */
const withoutPort = (text: string): string => text.replace(/^\[([^\]]*)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1$2')
