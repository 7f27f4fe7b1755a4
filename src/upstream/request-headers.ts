// The head a portal gets: one pass over the client's raw lines, then ours. What the client nominates in Connection is taken
// out before ours are put in, so it cannot name them (CVE-2025-48865).
import { isIP } from 'node:net'
import { withoutCookies } from '../cookies.ts'
import type { Reason } from '../errors.ts'
import type { NameKind } from '../header-names.ts'
import type { Exchange, UpstreamOptions } from './exchange.ts'
import { isPlanned, isWritablePlan } from './planned-headers.ts'
import type { PortalAddress } from './portal-address.ts'

export interface BadHead {
  readonly reason: Reason
  readonly detail: string
}

/** @returns the head, or why there can be none: a repeated Host, or a planned header that cannot be written */
export function readRequestHead(exchange: Exchange, options: UpstreamOptions, address: PortalAddress): RequestHead | BadHead {
  if (!isWritablePlan(exchange.allow.headers)) return { reason: 'header-failed', detail: 'a planned header cannot be written' }
  const head = new RequestHead(exchange, options, address)
  const raw = exchange.incoming.rawHeaders
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string
    const kind = options.classify(name)
    if (kind === 'pass') head.headers.push(name, raw[at + 1] as string)
    else head.take(kind, name, raw[at + 1] as string)
  }
  return head.hosts > 1 ? { reason: 'host-invalid', detail: 'more than one Host line' } : head.finish()
}

export class RequestHead {
  /** Flat name, value. */
  headers: string[] = []
  hasBody = false
  /** The client said `TE: trailers` (RFC 9110 section 6.5.1): answer trailers may be passed on. */
  wantsTrailers = false
  /** The client's Upgrade value as sent. */
  upgrade: string | null = null
  hosts = 0
  #trusted: string[] | null = null
  #nominated: string[] | null = null
  readonly #exchange: Exchange
  readonly #options: UpstreamOptions
  readonly #address: PortalAddress

  constructor(exchange: Exchange, options: UpstreamOptions, address: PortalAddress) {
    this.#exchange = exchange
    this.#options = options
    this.#address = address
  }

  /** Whatever is not named here stays behind: rebuilt, override. */
  take(kind: NameKind, name: string, value: string): void {
    const { allow, request } = this.#exchange
    if (kind === 'host') {
      this.hosts++
      this.headers.push(name, allow.portal.preserveHost ? value : this.#address.innerHost)
    } else if (kind === 'cookie') {
      const kept = allow.bare ? '' : withoutCookies(value, this.#options.cookiePrefixes)
      if (kept !== '') this.headers.push(name, kept)
    } else if (kind === 'authorization') {
      const stays = allow.bare || allow.consumedAuthorization || allow.portal.authorization === 'strip'
      if (!stays) this.headers.push(name, value)
    } else if (kind === 'forwarded') {
      if (request.peer.isTrustedProxy) this.headers.push(name, value)
    } else if (kind === 'framing') this.#takeFraming(name, value)
    else if (kind === 'identity') this.#takeIdentity(name, value)
    else if (kind === 'hop') this.#takeHop(name.toLowerCase(), value)
  }

  /** Content-Length is kept, Transfer-Encoding is the engine's to write: nobody else frames a body. */
  #takeFraming(name: string, value: string): void {
    if (this.#exchange.allow.bare) return
    const isLength = name.length === 'content-length'.length
    this.hasBody ||= !isLength || !/^0+$/.test(value)
    if (isLength) this.headers.push(name, value)
  }

  /** A trusted source may hand its own headers on, but never beside one that we set. */
  #takeIdentity(name: string, value: string): void {
    const { passThrough, headers } = this.#exchange.allow
    if (passThrough.length === 0 || !passThrough.includes(name.toLowerCase()) || isPlanned(headers, name)) return
    this.#trusted ??= []
    this.#trusted.push(name, value)
  }

  #takeHop(name: string, value: string): void {
    if (name === 'te') this.wantsTrailers ||= /(?:^|,)\s*trailers\s*(?:;|,|$)/i.test(value)
    else if (name === 'upgrade') this.upgrade = value
    else if (name === 'connection' && !harmless.has(value)) {
      this.#nominated ??= []
      for (const token of value.split(',')) this.#nominated.push(token.trim().toLowerCase())
    }
  }

  finish(): this {
    const { allow, request } = this.#exchange
    if (this.#nominated) this.headers = withoutNominated(this.headers, this.#nominated)
    const { headers } = this
    if (this.hosts === 0) headers.push('Host', this.#address.innerHost)
    if (this.#trusted) headers.push(...this.#trusted)
    for (const text of allow.headers) headers.push(text)
    headers.push('X-Forwarded-For', this.#forwardedFor())
    headers.push('X-Forwarded-Proto', this.#address.scheme, 'X-Forwarded-Host', this.#address.authority(request.host))
    headers.push('X-Forwarded-Port', this.#address.port, 'X-Request-Id', request.id)
    return this
  }

  /** From a trusted peer the chain as far as it reads as addresses, counted from the right; from anybody else nothing of it. */
  #forwardedFor(): string {
    const { peer } = this.#exchange.request
    if (!peer.isTrustedProxy) return peer.address
    const chain = this.#exchange.request
      .lines('x-forwarded-for')
      .join(',')
      .split(',')
      .map((entry) => entry.trim())
    const broken = chain.findLastIndex((entry) => isIP(entry) === 0)
    return [...chain.slice(broken + 1), peer.address].join(', ')
  }
}

/** Connection values that nominate no header. */
const harmless = new Set(['', 'keep-alive', 'Keep-Alive', 'close', 'Close', 'upgrade', 'Upgrade', 'keep-alive, Upgrade'])
/** What a client cannot nominate away: without it the request would be another one. */
const needed = new Set(['host', 'content-length'])

function withoutNominated(headers: readonly string[], nominated: readonly string[]): string[] {
  const left: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    if (needed.has(name) || !nominated.includes(name)) left.push(headers[at] as string, headers[at + 1] as string)
  }
  return left
}
