// The portal's answer head on its way to the client: hop-by-hop fields out, the inner address mended, our cookies protected.
import type { Allow, RequestView } from '../types.ts'
import type { RawHeaders } from './engine.ts'
import { outward, type PortalAddress } from './portal-address.ts'

export interface ResponseContext {
  readonly allow: Allow
  readonly request: RequestView
  readonly address: PortalAddress
  readonly cookiePrefixes: readonly string[]
  /** Trailers will be passed on, so the field that announces them may stay. */
  readonly keepsTrailer: boolean
}

type Kind =
  | 'pass'
  | 'hop'
  | 'connection'
  | 'trailer'
  | 'coding'
  | 'length'
  | 'url'
  | 'refresh'
  | 'cookie'
  | 'caching'
  | 'targeted'
  | 'withheld'

const kinds = new Map<string, Kind>([
  ['connection', 'connection'],
  ['keep-alive', 'hop'],
  ['proxy-connection', 'hop'],
  ['proxy-authenticate', 'hop'],
  ['te', 'hop'],
  ['upgrade', 'hop'],
  ['trailer', 'trailer'],
  ['transfer-encoding', 'coding'],
  ['content-length', 'length'],
  ['location', 'url'],
  ['content-location', 'url'],
  ['refresh', 'refresh'],
  ['set-cookie', 'cookie'],
  ['cache-control', 'caching'],
  ['cdn-cache-control', 'targeted'],
  ['surrogate-control', 'targeted'],
])
const keptSpellings = 1024
const spellings = new Map<string, Kind>()

function kindOf(name: string): Kind {
  const known = spellings.get(name)
  if (known) return known
  const lower = name.toLowerCase()
  const kind = lower.startsWith('am-eai-') ? 'withheld' : (kinds.get(lower) ?? 'pass')
  if (spellings.size < keptSpellings) spellings.set(name, kind)
  return kind
}

export const text = (raw: string | Buffer): string => (typeof raw === 'string' ? raw : raw.toString('latin1'))

/** @returns flat name, value; null where the body is coded in a way that was not asked for and cannot be passed on */
export function mendResponseHeaders(raw: RawHeaders, context: ResponseContext): string[] | null {
  const head = new Mended(context)
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = text(raw[at] as string | Buffer)
    const kind = kindOf(name)
    if (kind === 'pass') head.headers.push(name, text(raw[at + 1] as string | Buffer))
    else head.take(kind, name, text(raw[at + 1] as string | Buffer))
  }
  return head.finish()
}

class Mended {
  headers: string[] = []
  #nominated: string[] | null = null
  #coding = ''
  #caching = ''
  readonly #context: ResponseContext

  constructor(context: ResponseContext) {
    this.#context = context
  }

  take(kind: Kind, name: string, value: string): void {
    const { address, request, cookiePrefixes, keepsTrailer } = this.#context
    if (kind === 'length') this.headers.push(name, value)
    else if (kind === 'url') this.headers.push(name, outward(value, address, request.host))
    else if (kind === 'refresh')
      this.headers.push(
        name,
        mendRefresh(value, (url) => outward(url, address, request.host)),
      )
    else if (kind === 'cookie') {
      // a nameless `=postern-home=x` comes back as `postern-home=x`
      const written = value.replace(/^[\s=]+/, '')
      if (!cookiePrefixes.some((prefix) => written.startsWith(prefix))) this.headers.push(name, mendCookie(value, address))
    } else if (kind === 'caching' || kind === 'targeted') {
      // a field for caches between here and the person (RFC 9213) may let them store what Cache-Control does not
      this.#caching += kind === 'targeted' ? 'public,' : `${value.replace(/"[^"]*"/g, '""')},`
      this.headers.push(name, value)
    } else if (kind === 'connection') this.#nominate(value)
    else if (kind === 'coding') this.#coding += this.#coding === '' ? value : `,${value}`
    else if (kind === 'trailer' && keepsTrailer) this.headers.push(name, value)
  }

  #nominate(value: string): void {
    if (value === 'keep-alive' || value === 'close') return
    this.#nominated ??= []
    for (const token of value.split(',')) this.#nominated.push(token.trim().toLowerCase())
  }

  finish(): string[] | null {
    if (this.#coding !== '' && this.#coding.trim().toLowerCase() !== 'chunked') return null
    const dropped = this.#nominated?.filter((name) => name !== 'content-length') ?? []
    if (this.#coding !== '') dropped.push('content-length')
    if (dropped.includes('cache-control')) this.#caching = ''
    if (dropped.length > 0) this.headers = without(this.headers, dropped)
    if (this.#context.allow.cookies.length > 0) this.#addCookies(this.#context.allow.cookies)
    return this.headers
  }

  /** A shared cache must not hand one person's session to the next: RFC 9111 section 7.3. */
  #addCookies(cookies: readonly string[]): void {
    if (/(?:^|[\s,])(?:public\b|s-maxage\s*=)/i.test(this.#caching)) return
    for (const cookie of cookies) this.headers.push('Set-Cookie', cookie)
    if (!/(?:^|[\s,])(?:private|no-store)\s*(?:,|$)/i.test(this.#caching)) this.headers.push('Cache-Control', 'private')
  }
}

function without(headers: readonly string[], names: readonly string[]): string[] {
  const left: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    if (!names.includes((headers[at] as string).toLowerCase())) left.push(headers[at] as string, headers[at + 1] as string)
  }
  return left
}

/** A longer value is no address anybody meant, and patterns of ours see none. */
const longestMended = 8192

/** `5; url=http://inner/x`, with or without quotes. */
function mendRefresh(value: string, mend: (url: string) => string): string {
  const at = value.search(/[;,]/)
  if (at < 0 || value.length > longestMended) return value
  const parts = /^(\s{0,8}(?:url\s{0,8}=\s{0,8})?["']?)(.*)$/is.exec(value.slice(at + 1))
  return parts ? `${value.slice(0, at + 1)}${parts[1]}${mend(parts[2] ?? '')}` : value
}

/** A browser refuses a cookie for a domain it did not ask: without the attribute it belongs to the host people typed. */
function mendCookie(value: string, address: PortalAddress): string {
  const [pair = '', ...attributes] = value.split(';')
  return [pair, ...attributes.filter((attribute) => domainOf(attribute) !== address.innerName)].join(';')
}

/** Of a Domain attribute, lower case, without quotes and leading dot. By hand: a pattern with blanks on both sides is cubic. */
function domainOf(attribute: string): string | undefined {
  const at = attribute.indexOf('=')
  if (at < 0 || attribute.slice(0, at).trim().toLowerCase() !== 'domain') return undefined
  const name = attribute
    .slice(at + 1)
    .trim()
    .replace(/^"/, '')
    .replace(/"$/, '')
    .replace(/^\./, '')
  return name.toLowerCase()
}

/** Fields that frame, route or authenticate have no place in a trailer section: RFC 9110 section 6.5.1. */
const barred =
  /^(?:transfer-encoding|content-.*|host|trailer|te|connection|upgrade|keep-alive|proxy-.*|cache-control|expires|date|age|vary|location|refresh|retry-after|set-cookie|www-authenticate|authorization|am-eai-.*|x-forwarded-.*|strict-transport-security|access-control-.*|clear-site-data)$/i

/** Trailer fields as pairs, without those that must not stand there. */
export function mendTrailers(raw: RawHeaders): [string, string][] {
  const kept: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = text(raw[at] as string | Buffer)
    if (!barred.test(name)) kept.push([name, text(raw[at + 1] as string | Buffer)])
  }
  return kept
}
