// IP addresses and CIDR ranges: one reading for trusted proxies, WebSEAL's sources, rules and logs.
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Strict text first: ipaddr.js alone accepts `012.1.2.3` and `10`, and takes the deprecated `::10.0.0.1` for `::ffff:10.0.0.1`. */
function parse(text: string): Address | undefined {
  const zoneless = text.includes('%') ? text.slice(0, text.indexOf('%')) : text
  return isIP(zoneless) === 0 || /^::\d+\./.test(zoneless) ? undefined : ipaddr.process(zoneless)
}

/** The one spelling of an address (`::ffff:10.0.0.1` is `10.0.0.1`), or undefined where the text is none. */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString()
}

/** RFC 1918, RFC 4193, loopback and link-local; false for what is no address. */
export function isPrivateAddress(text: string): boolean {
  const range = parse(text)?.range()
  return range === 'private' || range === 'uniqueLocal' || range === 'loopback' || range === 'linkLocal'
}

/** Loopback only: where plain http to an identity provider is tolerated. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare.endsWith('.localhost') || parse(bare)?.range() === 'loopback'
}

/** A single address or `address/bits`; undefined where the text is neither, or has host bits that would mislead nobody. */
export function parseRange(text: string): readonly [Address, number] | undefined {
  const [address, bits, ...rest] = text.trim().split('/')
  if (rest.length > 0 || address === undefined) return undefined
  const parsed = parse(address)
  if (!parsed || address.includes('%')) return undefined
  const mapped = isIP(address) === 6 && parsed.kind() === 'ipv4' ? 96 : 0
  const width = parsed.kind() === 'ipv4' ? 32 : 128
  if (bits === undefined) return [parsed, width]
  if (!/^\d{1,3}$/.test(bits)) return undefined
  const length = Number(bits) - mapped
  return length < 0 || length > width ? undefined : [parsed, length]
}

/** Compiles CIDRs into a test. An empty list matches nothing. Throws TypeError on text that is no range. */
export function compileRanges(texts: readonly string[]): (address: string) => boolean {
  const ranges = texts.map((text) => {
    const range = parseRange(text)
    if (!range) throw new TypeError(`not an address or CIDR range: ${text}`)
    return range
  })
  if (ranges.length === 0) return () => false
  return (text) => {
    const address = parse(text)
    return (
      address !== undefined && ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base as never, bits))
    )
  }
}
