// The keeper of sessions: finds them again, renews and ends them. Owns the order in which cookie, cache, revocations and store are
// asked, and what holds while a store is down; must not know how a store keeps what it is given.
import { PosternError } from '../../errors.ts'
import type { Identity, Instant, RequestView, Session, SessionRules } from '../../types.ts'
import { newRecord, tooLarge } from './new-session.ts'
import type { Revocations } from './revocations.ts'
import type { Change, Found, KeeperOptions, Opening, SessionKeeper } from './session.ts'
import { type Entry, isFresh, type Renewal, SessionCache } from './session-cache.ts'
import { clearToken, otherTokens, readToken, tokenCookies } from './session-cookie.ts'
import type { SessionFilter, SessionList, SessionRecord, SessionStore } from './session-store.ts'
import { overAt, renewalOf, wantsRenewal } from './session-time.ts'
import { createCookieStore } from './stores/cookie.ts'
import { byAge, fits } from './stores/filter.ts'

type Cookies = Pick<RequestView, 'cookies'>

const nothing: Found = Object.freeze({ cookies: Object.freeze([]) })
/** Milliseconds after which a renewal that the store could not take is tried again. */
const retryAfter = 1000
/** Characters: where no cookie bounds a session, this does. */
const mostKept = 160_000

export class Keeper implements SessionKeeper {
  readonly #store: SessionStore
  readonly #claims: ReadonlySet<string>
  readonly #revocations: Revocations
  readonly #cache: SessionCache
  readonly #reading = new Map<string, Promise<Entry | undefined>>()

  constructor({ sealer, claims, revocations, store = createCookieStore(sealer), cacheSize = 10_000 }: KeeperOptions) {
    this.#store = store
    this.#claims = new Set(claims)
    this.#revocations = revocations
    this.#cache = new SessionCache(cacheSize, store.staleness)
  }

  get keeps(): boolean {
    return this.#store.keeps
  }

  size(): number {
    return this.#cache.size
  }

  find(request: Cookies, rules: SessionRules, now: Instant, extend = false): Found | Promise<Found> {
    const token = readToken(request.cookies, rules.cookieName)
    if (token === undefined) return nothing
    const entry = token === null ? undefined : this.#cache.get(token)
    if (entry && isFresh(entry, now)) {
      const found = this.#judge(entry, request, rules, now, extend)
      if (found instanceof Promise || found.session) return found
    }
    return this.#search(token, request, rules, now, extend)
  }

  /** Every cookie of that name: a stale one of another path or domain must not lock a person out (Envoy #38919). */
  async #search(token: string | null, request: Cookies, rules: SessionRules, now: Instant, extend: boolean): Promise<Found> {
    let second: Found | undefined
    const tokens = [...(token === null ? [] : [token]), ...otherTokens(request.cookies, rules.cookieName)]
    for (const candidate of tokens) {
      const found = await this.#ask(candidate, request, rules, now, extend)
      if (found?.session) return found
      if (found?.waiting ? !second?.waiting : found?.expired && !second) second = found
    }
    return second ?? { cookies: this.clear(request, rules) }
  }

  async #ask(token: string, request: Cookies, rules: SessionRules, now: Instant, extend: boolean): Promise<Found | undefined> {
    const entry = await this.#load(token, rules, now)
    const found = entry && (await this.#judge(entry, request, rules, now, extend))
    if (!found?.expired || !this.#store.keeps || (entry && entry.readAt >= now)) return found
    // another replica may have renewed it since it was read here
    const reread = await this.#read(token, rules, now)
    return reread && this.#judge(reread, request, rules, now, extend)
  }

  #load(token: string, rules: SessionRules, now: Instant): Promise<Entry | undefined> {
    const cached = this.#cache.get(token)
    if (cached && isFresh(cached, now)) return Promise.resolve(cached)
    const key = `${rules.audience} ${token}`
    let reading = this.#reading.get(key)
    if (!reading) {
      reading = this.#read(token, rules, now).finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    return reading
  }

  async #read(token: string, rules: SessionRules, now: Instant): Promise<Entry | undefined> {
    const record = await this.#store.read(token, rules.audience)
    return record && this.#cache.put(token, record, rules, now)
  }

  #judge(entry: Entry, request: Cookies, rules: SessionRules, now: Instant, extend: boolean): Found | Promise<Found> {
    const { record, session } = entry
    if (record.audience !== rules.audience || this.#revocations.isRevoked(record)) return nothing
    if (record.over || now >= overAt(record, rules))
      return record.waits ? nothing : { cookies: nothing.cookies, expired: session }
    if (!this.#revocations.isCurrent()) return Promise.reject(unheard())
    if (record.waits || !extend || !wantsRenewal(record, rules, now)) return entry.found
    return this.#renew(entry, request, rules, now)
  }

  #renew(entry: Entry, request: Cookies, rules: SessionRules, now: Instant): Found | Promise<Found> {
    if (entry.renewal && now - entry.renewal.at < renewalOf(rules)) return entry.renewal.found
    const renewal: Renewal = { at: now, found: nothing }
    const renewing = this.#touch(entry, request, rules, now).catch((error: unknown) => {
      renewal.at = now - renewalOf(rules) + retryAfter
      if (!(error instanceof PosternError) || error.reason !== 'store-unavailable') throw error
      return entry.found // believed as it was read
    })
    renewal.found = renewing
    entry.renewal = renewal
    renewing.then(
      (found) => {
        renewal.found = found
      },
      () => undefined, // whoever waited is told
    )
    return renewing
  }

  async #touch(entry: Entry, request: Cookies, rules: SessionRules, now: Instant): Promise<Found> {
    const record: SessionRecord = { ...entry.record, touchedAt: now }
    const token = await this.#store.touch(record, overAt(record, rules))
    if (token === undefined) return this.#lost(entry, request, rules, now)
    const renewed = this.#cache.put(token, record, rules, entry.readAt)
    if (token === entry.token) return renewed.found
    return { session: renewed.session, cookies: tokenCookies(token, rules, request.cookies) ?? nothing.cookies }
  }

  /** Ended behind our back, or taken for over a moment before. */
  async #lost(entry: Entry, request: Cookies, rules: SessionRules, now: Instant): Promise<Found> {
    this.#cache.forget(entry.record.id)
    const left = await this.#read(entry.token, rules, now)
    const found = left && (await this.#judge(left, request, rules, now, false))
    return found?.expired ? found : { cookies: this.clear(request, rules) }
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
    if (extra.replaces) await this.end(extra.replaces, now)
    const fresh = newRecord(this.trim(identity), rules, now, extra)
    const record = extra.createdAt === undefined ? { ...fresh, createdAt: this.#revocations.startOf(fresh) } : fresh
    this.#measure(record)
    const token = await this.#store.create(record, overAt(record, rules), extra.limit)
    if (token === undefined)
      throw new PosternError('too-many-sessions', `there are ${extra.limit} sessions of this person already`)
    const cookies = tokenCookies(token, rules, extra.request?.cookies ?? '')
    if (!cookies) throw new PosternError('session-too-large', tooLarge(record, token.length))
    return { session: this.#cache.put(token, record, rules, now).session, cookies }
  }

  #measure(record: SessionRecord): void {
    const length = this.#store.keeps ? JSON.stringify(record).length : 0
    if (length > mostKept) throw new PosternError('session-too-large', tooLarge(record, length))
  }

  async end(session: Session, now: Instant): Promise<void> {
    // a lifetime that was shortened may be made longer again: it is remembered until the end that is sealed in the cookie
    const until = Math.max(session.endsAt, this.#cache.latest(session.id)?.record.endsAt ?? 0)
    await Promise.all([
      this.#revocations.revoke({ session: session.id }, now, until),
      this.#store.remove(session).catch(() => undefined), // the revocation says whether it holds
    ])
  }

  async endUnread(request: Cookies, rules: SessionRules, now: Instant): Promise<void> {
    const token = readToken(request.cookies, rules.cookieName)
    const tokens = [...(token ? [token] : []), ...otherTokens(request.cookies, rules.cookieName)]
    const ids = await Promise.all(tokens.map((one) => this.#idOf(one, rules.audience)))
    const until = now + rules.lifetime // no session of these rules lasts longer
    await Promise.all(
      ids.map((session) => (session === undefined ? undefined : this.#revocations.revoke({ session }, now, until))),
    )
  }

  /** Where the store keeps nothing, the token is the session. */
  async #idOf(token: string, audience: string): Promise<string | undefined> {
    return this.#store.keeps ? this.#store.idOf?.(token, audience) : (await this.#store.read(token, audience))?.id
  }

  async reread(session: Session, rules: SessionRules, now: Instant): Promise<Session | undefined> {
    const entry = await this.#newest(session, rules, now)
    if (!entry) return undefined
    const { session: open, waiting } = await this.#judge(entry, { cookies: '' }, rules, now, false)
    return open ?? waiting
  }

  /** A cookie's session is what its browser holds: what was seen of it here last is all there is to ask. */
  async #newest(session: Session, rules: SessionRules, now: Instant): Promise<Entry | undefined> {
    const token = this.#store.tokenOf?.(session)
    if (token !== undefined) return this.#read(token, rules, now)
    const known = this.#cache.latest(session.id)
    if (known) return known
    const { idleUntil, ...kept } = session
    const record = { ...kept, touchedAt: idleUntil - (rules.idle || rules.lifetime) }
    return { token: '', record, session, found: { session, cookies: [] }, readAt: now, freshUntil: now, size: 0 }
  }

  async replace(session: Session, change: Change, rules: SessionRules, now: Instant): Promise<Session | undefined> {
    if (!this.#store.tokenOf) throw new PosternError('internal', 'a session that a cookie holds cannot be changed')
    const cached = this.#cache.latest(session.id)
    const entry =
      cached?.record.revision === session.revision ? cached : await this.#read(this.#store.tokenOf(session), rules, now)
    if (entry?.record.revision !== session.revision) return undefined
    const record = this.#changed(entry.record, change)
    this.#measure(record)
    const token = await this.#store.replace(record, overAt(record, rules))
    this.#cache.forget(session.id)
    return token === undefined ? undefined : this.#cache.put(token, record, rules, now).session
  }

  #changed(before: SessionRecord, { tokens, waits, identity, ...other }: Change): SessionRecord {
    const { tokens: oldTokens, waits: waited, ...rest } = before
    const newTokens = tokens === undefined ? oldTokens : tokens
    return {
      ...rest,
      ...other,
      identity: identity ? this.trim(identity) : before.identity,
      revision: before.revision + 1,
      ...(newTokens ? { tokens: newTokens } : {}),
      ...(waited && waits !== false ? { waits: waited } : {}),
    }
  }

  async list(filter: SessionFilter, most: number, now: Instant): Promise<SessionList> {
    if (this.#store.keeps) {
      const { records, complete } = await this.#store.list(filter, most)
      return { records: records.filter((record) => !this.#revocations.isRevoked(record)), complete }
    }
    const seen = this.#cache.records().filter((record) => fits(record, filter) && now < record.endsAt)
    const open = seen.filter((record) => !this.#revocations.isRevoked(record))
    return { records: open.toSorted(byAge).slice(0, Math.max(0, most)), complete: false }
  }

  clear(request: Cookies, rules: SessionRules): readonly string[] {
    return clearToken(request.cookies, rules)
  }
}

const unheard = (): PosternError =>
  new PosternError('store-unavailable', 'whose sessions were ended elsewhere has not been heard for too long', { retryAfter: 5 })
