// node request -> RequestView. Owns reading the wire: one host, one path, who the peer is. What is ambiguous is refused here.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { canonicalPath, splitTarget } from '../destination/canonical-path.ts'
import { foldHost } from '../destination/find-portal.ts'
import type { Reason } from '../errors.ts'
import type { Peer, RequestView } from '../types.ts'
import { prefersHtml } from './accept.ts'
import { clientAddress, peerOf, type Trust } from './peer.ts'

const noLines: readonly string[] = Object.freeze([])
export class IncomingView implements RequestView {
  readonly id: string
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly encodedSlash: boolean
  readonly cookies: string
  readonly peer: Peer
  readonly upgrade: boolean
  /** It asked for an upgrade and got none: what came with it is lost, so its connection is not used again. */
  readonly unheardUpgrade: boolean
  readonly form?: URLSearchParams
  // not #private: a view is also seen through Object.create, with one fact changed
  private readonly raw: readonly string[]
  private readonly trust: Trust
  private client: string | null | undefined

  constructor(
    incoming: IncomingMessage,
    read: {
      id: string
      host: string
      path: string
      query: string
      encodedSlash: boolean
      cookies: string
      peer: Peer
      upgrade: boolean
      unheardUpgrade: boolean
      trust: Trust
    },
  ) {
    this.raw = incoming.rawHeaders
    this.trust = read.trust
    this.id = read.id
    this.method = incoming.method ?? ''
    this.host = read.host
    this.path = read.path
    this.query = read.query
    this.encodedSlash = read.encodedSlash
    this.cookies = read.cookies
    this.peer = read.peer
    this.upgrade = read.upgrade
    this.unheardUpgrade = read.unheardUpgrade
  }

  lines(name: string): readonly string[] {
    return linesOf(this.raw, name)
  }

  get clientAddress(): string | null {
    if (this.client === undefined) this.client = clientAddress(this.peer, linesOf(this.raw, 'x-forwarded-for'), this.trust)
    return this.client
  }

  get navigation(): boolean {
    if (this.lines('sec-purpose').length > 0 || this.lines('purpose').length > 0 || this.upgrade) return false
    const mode = this.lines('sec-fetch-mode')[0]
    if (mode !== undefined) return mode === 'navigate' && !this.frame
    return (this.method === 'GET' || this.method === 'HEAD') && prefersHtml(this.lines('accept').join(','))
  }

  get frame(): boolean {
    const destination = this.lines('sec-fetch-dest')[0]
    return (
      destination === 'iframe' ||
      destination === 'frame' ||
      destination === 'embed' ||
      destination === 'object' ||
      destination === 'fencedframe'
    )
  }
}

function linesOf(raw: readonly string[], name: string): readonly string[] {
  let found: string[] | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const candidate = raw[i] as string
    if (candidate.length === name.length && (candidate === name || candidate.toLowerCase() === name)) {
      found ??= []
      found.push(raw[i + 1] as string)
    }
  }
  return found ?? noLines
}

const hosts = new Map<string, string>()
function hostOf(raw: string): string | undefined {
  const known = hosts.get(raw)
  if (known !== undefined) return known
  const folded = foldHost(raw)
  if (folded !== undefined && hosts.size < 1024) hosts.set(raw, folded)
  return folded
}

/** An id that a trusted proxy gave, when it is harmless; else a new one. */
const requestId = (peer: Peer, given: string | undefined): string =>
  given !== undefined && peer.isTrustedProxy && /^[A-Za-z0-9._-]{8,128}$/.test(given) ? given : randomUUID()

export interface Refused {
  readonly id: string
  readonly reason: Reason
  readonly detail: string
  readonly peer: Peer
  /** For the log, cut to a line. */
  readonly path: string
  readonly html: boolean
}

/** What one pass over the raw lines finds. */
interface Head {
  host: string | undefined
  hosts: number
  authorizations: number
  cookies: string
  givenId: string | undefined
  transferEncoding: string | undefined
  upgrade: boolean
}

function readHead(raw: readonly string[]): Head {
  const head: Head = {
    upgrade: false,
    host: undefined,
    hosts: 0,
    authorizations: 0,
    cookies: '',
    givenId: undefined,
    transferEncoding: undefined,
  }
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    switch (name.length) {
      case 4:
        if (name !== 'Host' && name.toLowerCase() !== 'host') break
        head.hosts++
        head.host = value
        break
      case 6:
        if (name.toLowerCase() === 'cookie') head.cookies = head.cookies === '' ? value : `${head.cookies}; ${value}`
        break
      case 7:
        if (name.toLowerCase() === 'upgrade') head.upgrade = true
        break
      case 12:
        if (name.toLowerCase() === 'x-request-id') head.givenId = value
        break
      case 13:
        if (name.toLowerCase() === 'authorization') head.authorizations++
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') head.transferEncoding = value
        break
    }
  }
  return head
}

/** What makes two readings of one request possible: refused before anybody reads it. */
function troubleOf(head: Head, host: string | undefined, incoming: IncomingMessage): readonly [Reason, string] | undefined {
  if (head.hosts !== 1) return ['host-invalid', `${head.hosts} Host headers`]
  if (host === undefined) return ['host-invalid', 'the Host header is no host name']
  if (head.authorizations > 1) return ['header-repeated', 'more than one Authorization header']
  if (head.transferEncoding !== undefined && incoming.httpVersionMinor === 0)
    return ['bad-request', 'Transfer-Encoding in HTTP/1.0']
  // the parser takes `gzip, chunked` and forgets the coding: the portal would get gzip for plain
  if (head.transferEncoding !== undefined && head.transferEncoding.toLowerCase() !== 'chunked')
    return ['bad-request', 'a transfer coding other than chunked']
  if (incoming.url === '*' || incoming.method === 'CONNECT') return ['method-refused', 'this target takes no request']
  return undefined
}

/** Reads a request, or says why it is refused (the connection is then closed). */
export function readRequest(incoming: IncomingMessage, trust: Trust, upgrade: boolean): IncomingView | Refused {
  const raw = incoming.rawHeaders
  const head = readHead(raw)
  const peer = peerOf(incoming.socket, trust)
  const id = requestId(peer, head.givenId)
  const host = head.host === undefined ? undefined : hostOf(head.host)
  const target = incoming.url ?? ''
  const refuse = (reason: Reason, detail: string): Refused => ({
    id,
    reason,
    detail,
    peer,
    path: target.slice(0, 256).split('?')[0] ?? '',
    html: prefersHtml(linesOf(raw, 'accept').join(',')),
  })
  const trouble = troubleOf(head, host, incoming)
  if (trouble || host === undefined) return refuse(...(trouble ?? (['host-invalid', ''] as const)))
  const split = splitTarget(target)
  const canonical = split && canonicalPath(split.path)
  if (!split || !canonical) return refuse('path-refused', 'the request target is not in canonical form')
  const { path, encodedSlash } = canonical
  return new IncomingView(incoming, {
    id,
    host,
    path,
    query: split.query,
    encodedSlash,
    cookies: head.cookies,
    peer,
    upgrade,
    unheardUpgrade: head.upgrade && !upgrade,
    trust,
  })
}

export const isRefused = (read: RequestView | Refused): read is Refused => 'reason' in read
