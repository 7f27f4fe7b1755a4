// What somebody had typed into a form when their session was over, kept until they have signed in again. Owns how it is kept:
// encrypted, with the key only in the browser, for ten minutes, handed out once. Must not know how a body arrives, or who is let in.
import { hash, randomBytes } from 'node:crypto'
import { cookieNames, cookieValue } from '../cookies.ts'
import type { Clock, Identity, Instant, RequestView, SessionRules } from '../types.ts'
import { flowLifetime, newFlowId } from './flow.ts'
import { type Field, readPostedForm } from './posted-form.ts'
import { deletion } from './session-cookie.ts'

type Person = Pick<Identity, 'issuer' | 'subject'>
type Cookies = Pick<RequestView, 'cookies'>

export interface KeptRequest extends Person {
  readonly portal: string
  /** Path and query it was posted to. */
  readonly target: string
  readonly fields: readonly Field[]
}
export interface Typed {
  readonly person: Person
  /** `origin` is what the target is read against. */
  readonly portal: { readonly name: string; readonly origin: string; readonly session: SessionRules }
  readonly request: Pick<RequestView, 'path' | 'query' | 'cookies'>
  readonly body: Uint8Array
}
export interface KeptRequests {
  /** The place it is kept under, and Set-Cookie values; undefined: it cannot be given back as it was, so it is not kept. */
  keep(typed: Typed): Promise<{ readonly slot: string; readonly cookies: readonly string[] } | undefined>
  /** At most once, whatever comes of it; undefined: over, forgotten, never there, or another browser's. */
  take(slot: string, request: Cookies, rules: SessionRules): Promise<KeptRequest | undefined>
  /** Set-Cookie values that delete the key, where the request sent it. */
  clear(slot: string, request: Cookies, rules: SessionRules): readonly string[]
  /** Forgets what is over. */
  prune(): void
  readonly size: number
  readonly bytes: number
}

/** Bytes of one body. */
export const largestKept = 65_536
/** Milliseconds: as long as a sign-in may take. */
const lifetime = flowLifetime
const limits = { bytes: 16_777_216, entries: 256, ofOnePerson: 8 }
/** Keys in one browser, per portal. */
const mostKeys = 3

/** As `kept=` of our own addresses names it; undefined where the text cannot be one. */
export const slotIn = (text: string | null | undefined): string | undefined =>
  text && /^[0-9a-z]{9}[A-Za-z0-9_-]{12}$/.test(text) ? text : undefined

/** Where somebody who comes back gets it. `returnTo` is the page it was typed for, by GET. */
export const resumePath = (basePath: string, slot: string, returnTo: string): string =>
  `${basePath}/resume/${slot}?return=${encodeURIComponent(returnTo)}`

interface Entry {
  readonly until: Instant
  /** Hashed: who it is cannot be read in memory either. */
  readonly owner: string
  readonly sealed: Uint8Array
}

/** Outlives a reload. What does not fit pushes out the oldest: of the same person first, so that nobody empties the others' places. */
export function createKeptRequests(options: { readonly clock: Clock; readonly limits?: typeof limits }): KeptRequests {
  return new Kept(options.clock, options.limits ?? limits)
}

class Kept implements KeptRequests {
  readonly #clock: Clock
  readonly #limits: typeof limits
  readonly #entries = new Map<string, Entry>()
  readonly #salt = randomBytes(16).toString('base64')
  #bytes = 0

  constructor(clock: Clock, most: typeof limits) {
    this.#clock = clock
    this.#limits = most
  }

  get size(): number {
    return this.#entries.size
  }
  get bytes(): number {
    return this.#bytes
  }

  async keep({ person: { issuer, subject }, portal, request, body }: Typed) {
    const target = request.path + request.query
    const fields = body.length > largestKept ? undefined : readPostedForm(body)
    if (!fields || !isReadAlike(target, portal.origin)) return undefined
    const now = this.#clock()
    const slot = newFlowId(now)
    const key = randomBytes(32)
    const kept: KeptRequest = { portal: portal.name, issuer, subject, target, fields }
    const sealed = await seal(kept, slot, key)
    const owner = hash('sha256', JSON.stringify([this.#salt, issuer, subject]), 'base64')
    this.#add(slot, { until: now + lifetime, owner, sealed })
    return this.#entries.has(slot) ? { slot, cookies: keyCookies(slot, key, request, portal.session) } : undefined
  }

  async take(slot: string, request: Cookies, rules: SessionRules): Promise<KeptRequest | undefined> {
    const key = keyOf(cookieValue(request.cookies, nameOf(slot, rules)))
    const entry = this.#entries.get(slot)
    if (!entry || !key) return undefined
    const kept = await open(entry.sealed, slot, key)
    // a wrong key leaves it to the browser that has the right one
    const isFirst = kept !== undefined && this.#entries.get(slot) === entry
    if (!isFirst) return undefined
    this.#remove(slot)
    return this.#clock() < entry.until ? kept : undefined
  }

  clear(slot: string, request: Cookies, rules: SessionRules): readonly string[] {
    const name = nameOf(slot, rules)
    return cookieValue(request.cookies, name) === undefined ? [] : [deletion(name, attributesOf(rules))]
  }

  prune(): void {
    const now = this.#clock()
    for (const [slot, { until }] of this.#entries) if (now >= until) this.#remove(slot)
  }

  #add(slot: string, entry: Entry): void {
    this.prune()
    this.#entries.set(slot, entry)
    this.#bytes += entry.sealed.length
    const own = [...this.#entries].filter(([, { owner }]) => owner === entry.owner)
    for (const [old] of own.slice(0, Math.max(0, own.length - this.#limits.ofOnePerson))) this.#remove(old)
    for (const old of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break
      this.#remove(old)
    }
  }

  #remove(slot: string): void {
    this.#bytes -= this.#entries.get(slot)?.sealed.length ?? 0
    this.#entries.delete(slot)
  }
}

/** A browser that reads this address would ask for the very same bytes. */
function isReadAlike(target: string, origin: string): boolean {
  return URL.canParse(target, origin) && new URL(target, origin).href === origin + target
}

const nameOf = (slot: string, rules: SessionRules): string => `${rules.cookieName}.k${slot}`

/** Lax whatever the session cookie is: it is sent when the provider sends the person back. */
const attributesOf = ({ cookieAttributes }: SessionRules): string =>
  `${cookieAttributes.replace(/;?\s*SameSite=[A-Za-z]+/i, '')}; SameSite=Lax`

function keyCookies(slot: string, key: Buffer, { cookies }: Cookies, rules: SessionRules): readonly string[] {
  const attributes = attributesOf(rules)
  const prefix = nameOf('', rules)
  const older = cookieNames(cookies, prefix, 128).filter((name) => slotIn(name.slice(prefix.length)) !== undefined)
  const surplus = [...new Set(older)]
    .sort()
    .reverse()
    .slice(mostKeys - 1)
  return [
    `${nameOf(slot, rules)}=${key.toString('base64url')}; ${attributes}; Max-Age=${lifetime / 1000}`,
    ...surplus.map((name) => deletion(name, attributes)),
  ]
}

function keyOf(text: string | undefined): Buffer<ArrayBuffer> | undefined {
  const key = Buffer.from(text ?? '', 'base64url')
  return key.length === 32 ? key : undefined
}

const ivLength = 12

/** AES-256-GCM (NIST SP 800-38D): the initialization vector, then the rest. A key is used for one message only. */
async function seal(kept: KeptRequest, slot: string, key: Buffer<ArrayBuffer>): Promise<Uint8Array> {
  const iv = randomBytes(ivLength)
  const secret = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const sealed = await crypto.subtle.encrypt(algorithm(iv, slot), secret, Buffer.from(JSON.stringify(kept)))
  return Buffer.concat([iv, Buffer.from(sealed)])
}

async function open(sealed: Uint8Array, slot: string, key: Buffer<ArrayBuffer>): Promise<KeptRequest | undefined> {
  try {
    const secret = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    const iv = sealed.slice(0, ivLength)
    const text = await crypto.subtle.decrypt(algorithm(iv, slot), secret, sealed.slice(ivLength))
    return JSON.parse(Buffer.from(text).toString('utf8')) as KeptRequest
  } catch {
    return undefined // another key
  }
}

const algorithm = (iv: Uint8Array, slot: string) => ({
  name: 'AES-GCM',
  iv: new Uint8Array(iv),
  additionalData: Buffer.from(slot),
})
