// Sessions of people who signed in: opened, found again, renewed, ended. Owns time (idle, absolute, renewal) and the cache in
// front of the store; must not know providers, flows or how a store keeps what it is given.
import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { PosternError } from '../errors.ts'
import type { Identity, Instant, Json, RequestView, Session, SessionRules } from '../types.ts'
import type { Revocations } from './revocations.ts'
import type { Sealer } from './seal.ts'
import { clearToken, otherTokens, readToken, tokenCookies } from './session-cookie.ts'
import type { SessionRecord, SessionStore } from './session-store.ts'
import { createCookieStore } from './stores/cookie.ts'

export interface Found {
  readonly session?: Session
  /** Set-Cookie values: a renewal, or deletions of what does not open. */
  readonly cookies: readonly string[]
  /** There was a session, and its time is over. Its cookie stays: whoever comes back with it is asked as somebody known. */
  readonly expired?: Session
}
export interface Opening {
  /** The provider's own end, where it is earlier than ours. */
  readonly endsAt?: Instant
  readonly keep?: Json
  /** Ended, whatever becomes of the new one. */
  readonly replaces?: Session
  /** Second factors that hold for the new one. */
  readonly factors?: Readonly<Record<string, Instant>>
  /** Where the new session goes on with an old one's sign-in: when that was, and what the provider calls it. */
  readonly createdAt?: Instant
  readonly providerSession?: string
  /** Of somebody who chose the portal's own sign-in. */
  readonly local?: true
  /** The provider's fingerprint. */
  readonly madeBy?: string
  /** Pieces of an older, longer session in it are deleted. */
  readonly request?: Pick<RequestView, 'cookies'>
}
export interface SessionKeeper {
  /**
   * The session the request brings, if it may open `rules.audience` at `now`. Synchronous where the cookie is known: the warm
   * path; the same cookie yields the same Session and Identity objects. Throws PosternError('store-unavailable').
   * @param extend renews the session when a tenth of its idle time, at least a minute, has passed
   */
  find(request: Pick<RequestView, 'cookies'>, rules: SessionRules, now: Instant, extend?: boolean): Found | Promise<Found>
  /** The identity as a session will keep it: without the claims that are not wanted. */
  trim(identity: Identity): Identity
  /** Throws PosternError('session-too-large'), its detail naming the largest claim; PosternError('store-unavailable'). */
  open(
    identity: Identity,
    rules: SessionRules,
    now: Instant,
    extra?: Opening,
  ): Promise<{ session: Session; cookies: readonly string[] }>
  end(session: Session, now: Instant): void
  /** Set-Cookie values that delete the session's cookie and its pieces, as far as the request sent them. */
  clear(request: Pick<RequestView, 'cookies'>, rules: SessionRules): readonly string[]
  /** Sessions this process has seen lately. */
  size(): number
}
export interface KeeperOptions {
  readonly sealer: Sealer
  /** Keep only these; empty: all. */
  readonly claims: readonly string[]
  readonly revocations: Revocations
  readonly store?: SessionStore
  readonly cacheSize?: number
}

interface Renewal {
  at: Instant
  found: Found | Promise<Found>
}
interface Entry {
  readonly record: SessionRecord
  readonly found: Found & { readonly session: Session }
  /** Until then the store is not asked again. */
  readonly freshUntil: Instant
  /** One renewal for a whole burst of requests, and for clients that are slow to take it. */
  renewal?: Renewal
}

const nothing: Found = Object.freeze({ cookies: Object.freeze([]) })
const freshFor = 60_000
const shortestRenewal = 60_000
/** Characters of cookies and claims together. */
const mostCached = 64_000_000

export function createSessionKeeper(options: KeeperOptions): SessionKeeper {
  return new Keeper(options)
}

class Keeper implements SessionKeeper {
  readonly #store: SessionStore
  readonly #claims: ReadonlySet<string>
  readonly #revocations: Revocations
  readonly #cache: LRUCache<string, Entry>
  readonly #reading = new Map<string, Promise<Entry | undefined>>()

  constructor({ sealer, claims, revocations, store = createCookieStore(sealer), cacheSize = 10_000 }: KeeperOptions) {
    this.#store = store
    this.#claims = new Set(claims)
    this.#revocations = revocations
    this.#cache = new LRUCache({ max: cacheSize, maxSize: mostCached, sizeCalculation: (_, token) => token.length * 2 })
  }

  size(): number {
    return this.#cache.size
  }

  find(request: Pick<RequestView, 'cookies'>, rules: SessionRules, now: Instant, extend = false): Found | Promise<Found> {
    const token = readToken(request.cookies, rules.cookieName)
    if (token === undefined) return nothing
    const entry = token === null ? undefined : this.#cache.get(token)
    if (entry && now < entry.freshUntil) {
      const found = this.#judge(entry, request, rules, now, extend)
      if (found instanceof Promise || found.session) return found
    }
    return this.#search(token, request, rules, now, extend)
  }

  /** Every cookie of that name: a stale one of another path or domain must not lock a person out (Envoy #38919). */
  async #search(
    token: string | null,
    request: Pick<RequestView, 'cookies'>,
    rules: SessionRules,
    now: Instant,
    extend: boolean,
  ): Promise<Found> {
    let expired: Session | undefined
    const tokens = [...(token === null ? [] : [token]), ...otherTokens(request.cookies, rules.cookieName)]
    for (const candidate of tokens) {
      const entry = await this.#load(candidate, rules, now)
      const found = entry && (await this.#judge(entry, request, rules, now, extend))
      if (found?.session) return found
      expired ??= found?.expired
    }
    return expired ? { cookies: nothing.cookies, expired } : { cookies: this.clear(request, rules) }
  }

  #load(token: string, rules: SessionRules, now: Instant): Promise<Entry | undefined> {
    const cached = this.#cache.get(token)
    if (cached && now < cached.freshUntil) return Promise.resolve(cached)
    let reading = this.#reading.get(token)
    if (!reading) {
      reading = this.#store
        .read(token)
        .then((record) => record && this.#remember(token, record, rules, now))
        .finally(() => this.#reading.delete(token))
      this.#reading.set(token, reading)
    }
    return reading
  }

  #remember(token: string, record: SessionRecord, rules: SessionRules, now: Instant): Entry {
    const before = this.#cache.get(token)
    const unchanged = before && JSON.stringify(before.record) === JSON.stringify(record) ? before : undefined
    const identity = unchanged?.found.session.identity ?? record.identity // verdicts are kept per Identity object
    const session = sessionOf({ ...record, identity }, rules)
    const renewal = unchanged?.renewal && { renewal: unchanged.renewal }
    const entry: Entry = { record, found: { session, cookies: nothing.cookies }, freshUntil: now + freshFor, ...renewal }
    // a copy: a piece of a Cookie line would keep the whole line in memory
    this.#cache.set(Buffer.from(token, 'latin1').toString('latin1'), entry)
    return entry
  }

  #judge(
    entry: Entry,
    request: Pick<RequestView, 'cookies'>,
    rules: SessionRules,
    now: Instant,
    extend: boolean,
  ): Found | Promise<Found> {
    const { record } = entry
    if (record.audience !== rules.audience || this.#revocations.isRevoked(record)) return nothing
    const endsAt = endOf(record, rules)
    const idleUntil = record.touchedAt + idleOf(rules)
    if (now >= endsAt || now >= idleUntil) return { cookies: nothing.cookies, expired: sessionOf(entry.record, rules) }
    if (!extend || idleUntil >= endsAt || now - record.touchedAt < renewalOf(rules)) return entry.found
    return this.#renew(entry, request, rules, now)
  }

  #renew(entry: Entry, request: Pick<RequestView, 'cookies'>, rules: SessionRules, now: Instant): Found | Promise<Found> {
    if (entry.renewal && now - entry.renewal.at < renewalOf(rules)) return entry.renewal.found
    const renewing = this.#reseal(entry, request, rules, now)
    const renewal: Renewal = { at: now, found: renewing }
    entry.renewal = renewal
    renewing.then(
      (found) => {
        renewal.found = found
      },
      () => {
        renewal.at = Number.NEGATIVE_INFINITY // whoever waited is told; the next request tries again
      },
    )
    return renewing
  }

  async #reseal(entry: Entry, request: Pick<RequestView, 'cookies'>, rules: SessionRules, now: Instant): Promise<Found> {
    const record: SessionRecord = { ...entry.record, identity: entry.found.session.identity, touchedAt: now }
    const token = await this.#store.write(record)
    const { session } = this.#remember(token, record, rules, now).found
    return { session, cookies: tokenCookies(token, rules, request.cookies) ?? nothing.cookies }
  }

  trim(identity: Identity): Identity {
    const entries = Object.entries(identity.claims)
    const kept = entries.filter(([name]) => this.#claims.size === 0 || this.#claims.has(name))
    return kept.length === entries.length ? identity : { ...identity, claims: Object.fromEntries(kept) }
  }

  async open(
    identity: Identity,
    rules: SessionRules,
    now: Instant,
    extra: Opening = {},
  ): Promise<{ session: Session; cookies: readonly string[] }> {
    if (extra.replaces) this.end(extra.replaces, now)
    const { createdAt = now, endsAt = Number.POSITIVE_INFINITY, keep, factors, local, madeBy } = extra
    const record: SessionRecord = {
      id: randomBytes(18).toString('base64url'),
      audience: rules.audience,
      identity: this.trim(identity),
      createdAt,
      touchedAt: now,
      endsAt: Math.min(createdAt + rules.lifetime, endsAt),
      providerSession: extra.providerSession ?? providerSessionOf(identity, keep),
      ...(keep === undefined ? {} : { keep }),
      ...(factors && Object.keys(factors).length > 0 ? { factors } : {}),
      ...(local ? { local } : {}),
      ...(madeBy === undefined ? {} : { madeBy }),
    }
    const token = await this.#store.write(record)
    const cookies = tokenCookies(token, rules, extra.request?.cookies ?? '')
    if (!cookies) throw new PosternError('session-too-large', tooLarge(record, token))
    return { session: this.#remember(token, record, rules, now).found.session, cookies }
  }

  end(session: Session, now: Instant): void {
    this.#revocations.revoke(session.id, now, session.endsAt)
    this.#store.remove(session.id)
  }

  clear(request: Pick<RequestView, 'cookies'>, rules: SessionRules): readonly string[] {
    return clearToken(request.cookies, rules)
  }
}

function sessionOf({ touchedAt, ...kept }: SessionRecord, rules: SessionRules): Session {
  const endsAt = endOf({ ...kept, touchedAt }, rules)
  return { ...kept, endsAt, idleUntil: Math.min(touchedAt + idleOf(rules), endsAt) }
}

/** Over for want of use, and not because its time was up. */
export const wentIdle = ({ idleUntil, endsAt }: Pick<Session, 'idleUntil' | 'endsAt'>): boolean => idleUntil < endsAt

/** Today's rules hold for yesterday's sessions: a lifetime that was shortened ends them too. */
const endOf = (record: SessionRecord, rules: SessionRules): Instant => Math.min(record.endsAt, record.createdAt + rules.lifetime)
/** Idle 0: only the lifetime counts. */
const idleOf = (rules: SessionRules): number => rules.idle || rules.lifetime
const renewalOf = (rules: SessionRules): number => Math.max(rules.idle / 10, shortestRenewal)

/**
 * One sign-in at the provider, as far as it lets us know: its `sid` (OpenID Connect Front-Channel Logout section 3), else the time
 * of authentication; where neither is said, all sessions of the person are taken for one, so that signing out ends too much
 * rather than too little. Hashed: a fixed, short length.
 */
function providerSessionOf(identity: Identity, keep: Json | undefined): string {
  const kept = keep !== null && typeof keep === 'object' && 'sid' in keep ? keep.sid : undefined
  const sid = kept ?? identity.claims['sid']
  const { issuer, subject, claims } = identity
  const key = typeof sid === 'string' ? ['sid', issuer, sid] : ['subject', issuer, subject, claims['auth_time'] ?? null]
  return hash('sha256', JSON.stringify(key), 'base64url').slice(0, 22)
}

function tooLarge(record: SessionRecord, token: string): string {
  const sizes = Object.entries(record.identity.claims).map(([name, value]) => [name, JSON.stringify(value).length] as const)
  const largest = sizes.sort((a, b) => b[1] - a[1])[0]
  const claim = largest ? `largest claim: ${JSON.stringify(largest[0])} with ${largest[1]} bytes` : 'no claims'
  const kept = record.keep === undefined ? '' : `, kept for the provider: ${JSON.stringify(record.keep).length} bytes`
  return `the sealed session has ${token.length} bytes; ${claim}${kept}; session.claims chooses what is kept`
}
