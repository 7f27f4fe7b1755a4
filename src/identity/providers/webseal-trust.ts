// Who may say who somebody is: every factor that is configured must hold. Header values that name a person are not read here.
import { hash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { canonicalAddress, compileRanges } from '../../addresses.ts'
import type { Clock, Peer, RequestView } from '../../types.ts'

export interface TrustOptions {
  /** Empty: nobody is trusted, the mode is off. */
  readonly trustedSourceIps: readonly string[]
  readonly clientIpHeader?: string
  readonly sharedSecret?: string
  /** Empty: no certificate is asked for. */
  readonly clientCertificate: readonly string[]
}

/** The source's address and certificate. Throws TypeError on text that is no address range. */
export function compileSource(options: TrustOptions): (request: RequestView) => boolean {
  const inRanges = compileRanges(options.trustedSourceIps)
  if (options.trustedSourceIps.length === 0) return () => false
  const kept = new WeakMap<Peer, boolean>()
  const peerIsSource = (peer: Peer): boolean => {
    const known = kept.get(peer)
    if (known !== undefined) return known
    const trusted = inRanges(peer.address)
    kept.set(peer, trusted)
    return trusted
  }
  const clientIpHeader = options.clientIpHeader?.toLowerCase()
  return (request) => {
    const byAddress =
      peerIsSource(request.peer) || (clientIpHeader !== undefined && namedByProxy(request, clientIpHeader, inRanges))
    return byAddress && hasCertificate(request.peer, options.clientCertificate)
  }
}

/** The ONE address that a trusted proxy names; a list, a second line or a port is no answer. */
function namedByProxy(request: RequestView, header: string, inRanges: (address: string) => boolean): boolean {
  if (!request.peer.isTrustedProxy) return false
  const address = oneAddress(request, header)
  return address !== null && inRanges(address)
}

/** The address in a header that came once; null otherwise. */
export function oneAddress(request: RequestView, header: string): string | null {
  const [line, ...more] = request.lines(header)
  return line === undefined || more.length > 0 ? null : (canonicalAddress(line.trim()) ?? null)
}

const hasCertificate = (peer: Peer, wanted: readonly string[]): boolean =>
  wanted.length === 0 || wanted.some((name) => peer.certificateNames.includes(name))

/** Whether this Authorization line is Basic with the junction's password; the user part says nothing (WebSphere TAI). */
export function compilePassword(secret: string): (line: string) => boolean {
  const wanted = hash('sha256', secret, 'buffer')
  const isRight = (line: string): boolean => {
    const credentials = /^basic[ \t]+([A-Za-z0-9+/_=-]+)[ \t]*$/i.exec(line)?.[1]
    if (credentials === undefined) return false
    const pair = Buffer.from(credentials, 'base64')
    const colon = pair.indexOf(0x3a)
    // hashed first: the comparison takes as long for a guess of any length
    return colon >= 0 && timingSafeEqual(hash('sha256', pair.subarray(colon + 1), 'buffer'), wanted)
  }
  // WebSEAL's user part is the person's, so each has a line; only right ones are kept, a guess finds nothing to compare with
  const kept = new LRUCache<string, true>({ max: 1000 })
  return (line) => {
    if (kept.has(line)) return true
    const right = isRight(line)
    if (right) kept.set(line, true)
    return right
  }
}

/** True once per key and minute, bounded: an audit line that a client can cause must not fill the disk. */
export function oncePerMinute(clock: Clock): (key: string) => boolean {
  const last = new LRUCache<string, number>({ max: 1024 })
  return (key) => {
    const now = clock()
    const before = last.get(key)
    if (before !== undefined && now - before < 60_000) return false
    last.set(key, now)
    return true
  }
}
