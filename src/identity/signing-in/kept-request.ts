// What somebody had typed into a form when their session was over, kept until they have signed in again. Owns how it is kept:
// encrypted, with the key only in the browser, for ten minutes, handed out once. Must not know how a body arrives, or who is let in.
import { hash, randomBytes } from 'node:crypto'
import type { Board } from '../../board.ts'
import { cookieNames, cookieValue } from '../../cookies.ts'
import type { Clock, Identity, Instant, RequestView, SessionRules } from '../../types.ts'
import { deletion } from '../sessions/session-cookie.ts'
import { flowLifetime, newFlowId } from './flow.ts'
import { keyOf, open, seal } from './kept-seal.ts'
import { type Field, readPostedForm } from './posted-form.ts'

type Person = Pick<Identity, 'issuer' | 'subject'>
type Cookies = Pick<RequestView, 'cookies'>

export interface KeptRequest extends Person {
  readonly portal: string
  /** Path and query it was posted to. */
  readonly target: string
  readonly fields: readonly Field[]
  /** The session that would not do: it gets nothing back, another one of the same person does. */
  readonly session?: string
}
export interface Typed {
  readonly person: Person
  /** The id of the session that would not do, where there was one. */
  readonly session?: string
  /** `origin` is what the target is read against. */
  readonly portal: { readonly name: string; readonly origin: string; readonly session: SessionRules }
  readonly request: Pick<RequestView, 'path' | 'query' | 'cookies'>
  readonly body: Uint8Array
}
export interface KeptRequests {
  /** The place it is kept under, and Set-Cookie values; undefined: it cannot be given back as it was, so it is not kept. */
  keep(typed: Typed): Promise<{ readonly slot: string; readonly cookies: readonly string[] } | undefined>
  /**
   * At most once, whatever comes of it; undefined: over, forgotten, never there, or another browser's. Throws
   * PosternError('store-unavailable'): then it is still there.
   */
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

/** The page somebody wanted, or what they had typed there. */
export const landingPath = (basePath: string, returnTo: string, slot?: string): string =>
  slot === undefined ? returnTo : resumePath(basePath, slot, returnTo)

interface Made {
  readonly slot: string
  readonly key: Buffer<ArrayBuffer>
  readonly sealed: Uint8Array
}
async function make(kept: KeptRequest, now: Instant): Promise<Made> {
  const slot = newFlowId(now)
  const key = randomBytes(32)
  return { slot, key, sealed: await seal(kept, slot, key) }
}

interface Entry {
  readonly until: Instant
  /** Hashed: who it is cannot be read in memory either. */
  readonly owner: string
  /** Bytes. */
  readonly size: number
  /** Absent: it lies on the board. */
  readonly sealed?: Uint8Array
}

export interface KeptRequestsOptions {
  readonly clock: Clock
  /** Where other replicas find it; without one, and while it is down, this process keeps it alone. */
  readonly board?: Board
  /** What one process keeps, on the board too. */
  readonly limits?: typeof limits
}

/** Outlives a reload. What does not fit pushes out the oldest: of the same person first, so that nobody empties the others' places. */
export function createKeptRequests(options: KeptRequestsOptions): KeptRequests {
  return new Kept(options)
}

class Kept implements KeptRequests {
  readonly #clock: Clock
  readonly #limits: typeof limits
  readonly #board: Board | undefined
  readonly #entries = new Map<string, Entry>()
  readonly #salt = randomBytes(16).toString('base64')
  #bytes = 0

  constructor({ clock, board, limits: most = limits }: KeptRequestsOptions) {
    this.#clock = clock
    this.#board = board
    this.#limits = most
  }

  get size(): number {
    return this.#entries.size
  }
  get bytes(): number {
    return this.#bytes
  }

  async keep({ person: { issuer, subject }, session, portal, request, body }: Typed) {
    const target = request.path + request.query
    const fields = body.length > largestKept ? undefined : readPostedForm(body)
    if (!fields || !isReadAlike(target, portal.origin)) return undefined
    const now = this.#clock()
    const challenged = session === undefined ? {} : { session }
    const kept: KeptRequest = { portal: portal.name, issuer, subject, target, fields, ...challenged }
    const owner = hash('sha256', JSON.stringify([this.#salt, issuer, subject]), 'base64')
    let made = await make(kept, now)
    const isShared = await this.#share(made)
    // what may lie there all the same must not be given back twice
    if (this.#board && !isShared) made = await make(kept, now)
    const { slot, key, sealed } = made
    this.#add(slot, { until: now + lifetime, owner, size: sealed.length, ...(isShared ? {} : { sealed }) })
    return this.#entries.has(slot) ? { slot, cookies: keyCookies(slot, key, request, portal.session) } : undefined
  }

  async take(slot: string, request: Cookies, rules: SessionRules): Promise<KeptRequest | undefined> {
    const key = keyOf(cookieValue(request.cookies, nameOf(slot, rules)))
    if (!key) return undefined
    const entry = this.#entries.get(slot)
    return entry?.sealed ? this.#takeHere(slot, entry, entry.sealed, key) : this.#takeShared(slot, key)
  }

  async #takeHere(slot: string, entry: Entry, sealed: Uint8Array, key: Buffer<ArrayBuffer>): Promise<KeptRequest | undefined> {
    const kept = await open(sealed, slot, key)
    // a wrong key leaves it to the browser that has the right one
    const isFirst = kept !== undefined && this.#entries.get(slot) === entry
    if (!isFirst) return undefined
    this.#forget(slot)
    return this.#clock() < entry.until ? kept : undefined
  }

  /** The board gives it to one of those who ask; only the browser that has the key may. */
  async #takeShared(slot: string, key: Buffer<ArrayBuffer>): Promise<KeptRequest | undefined> {
    const text = await this.#board?.get(boardKey(slot))
    const kept = text === undefined ? undefined : await open(Buffer.from(text, 'base64'), slot, key)
    if (!kept || (await this.#board?.take(boardKey(slot))) !== text) return undefined
    this.#forget(slot)
    return kept
  }

  /** False: this process has to keep it. */
  async #share({ slot, sealed }: Made): Promise<boolean> {
    const text = Buffer.from(sealed).toString('base64')
    if (!this.#board || text.length > largestShared) return false
    return this.#board.put(boardKey(slot), text, lifetime).then(
      () => true,
      () => false,
    )
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
    this.#bytes += entry.size
    const own = [...this.#entries].filter(([, { owner }]) => owner === entry.owner)
    for (const [old] of own.slice(0, Math.max(0, own.length - this.#limits.ofOnePerson))) this.#remove(old)
    for (const old of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break
      this.#remove(old)
    }
  }

  #remove(slot: string): void {
    const entry = this.#entries.get(slot)
    this.#forget(slot)
    // what ended by itself is gone there too
    if (entry && !entry.sealed && this.#clock() < entry.until) this.#board?.take(boardKey(slot)).catch(() => undefined)
  }

  #forget(slot: string): void {
    this.#bytes -= this.#entries.get(slot)?.size ?? 0
    this.#entries.delete(slot)
  }
}

const boardKey = (slot: string): string => `kept ${slot}`
/** Characters: what a board takes. */
const largestShared = 262_144

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
