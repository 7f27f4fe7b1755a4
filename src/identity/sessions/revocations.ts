// Sessions that were ended before their time, for as long as somebody could still bring them: whose, and from when. A sealed cookie
// cannot be called back, so this is remembered. No cookie, no request, no store of sessions.
import { PosternError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Identity, Instant, Session } from '../../types.ts'

/** Whose sessions are meant; all of it must hold. With nothing in it, nobody's. */
export interface Selector {
  readonly session?: string
  readonly providerSession?: string
  readonly person?: Pick<Identity, 'issuer' | 'subject'>
  readonly account?: string
  readonly provider?: string
  /** A portal's, or a session group's. */
  readonly audience?: string
}
/**
 * Ends every session it selects that was created up to `at`: whoever signs in again afterwards is not meant.
 * `until`: when the last of them would have ended by itself.
 */
export interface Revocation extends Selector {
  readonly at: Instant
  readonly until: Instant
}
export type Revocable = Pick<Session, 'id' | 'audience' | 'providerSession' | 'createdAt' | 'identity'>

export interface Revocations {
  /**
   * Holds here at once; resolves when every replica is sure to learn of it. Rejects with PosternError('store-unavailable') where that
   * cannot be said yet: it is tried again until it is done.
   */
  revoke(selector: Selector, at: Instant, until: Instant): Promise<void>
  /** Costs a comparison of two numbers where nothing was revoked since this very object was last asked about. */
  isRevoked(session: Revocable): boolean
  /**
   * When a session that begins now began, so that it is not taken for one of those that were ended: whoever signs in where their end is
   * known comes after it, and would otherwise be asked again and again for as long as clocks may differ.
   */
  startOf(session: Revocable): Instant
  /** False where others may have ended sessions that this process has not heard of for too long: then nobody can be called signed in. */
  isCurrent(): boolean
  /** After every change. Gives how to stop listening. */
  onChange(listener: () => void): () => void
  readonly size: number
}
/** What this process knows: all there is where it is alone. */
export interface KnownRevocations extends Revocations {
  /** What others have ended. */
  learn(revocations: readonly Revocation[], now: Instant): void
  /** With what is already known of the same selector; undefined: it is not known. */
  find(key: string): Revocation | undefined
  keys(): Iterable<string>
}

/** Milliseconds for which it is remembered after its end: a clock that is set right again must bring nobody back. */
export const rememberedAfterwards = 3_600_000
/** Milliseconds between two looks for what has ended by itself, and between two complaints. */
const pruneEvery = 60_000

/**
 * @param options.most entries kept; beyond it the oldest goes, those of single sessions first, and the log says so
 * @param options.clockSkew milliseconds by which the clocks of replicas may differ: a session that seems so much younger than its
 *   revocation is ended too. It is asked for again after that, which nobody minds; the other way round somebody would stay in.
 *   Where there is one clock, 0: whoever signs in a moment later is in. A session named by its id is ended whatever the times say.
 */
export function createRevocations(options: {
  readonly log: Pick<Log, 'server'>
  readonly most?: number
  readonly clockSkew?: number
}): KnownRevocations {
  return new Known(options.log, options.most ?? 100_000, options.clockSkew ?? 0)
}

class Known implements KnownRevocations {
  readonly #log: Pick<Log, 'server'>
  readonly #most: number
  readonly #clockSkew: number
  /** Of one session, or one sign-in at a provider: many, and looked up. */
  readonly #narrow = new Map<string, Revocation>()
  /** Of everybody who is like this: few, and each of a bucket is compared. */
  readonly #wide = new Map<string, Revocation>()
  readonly #buckets = new Map<string, Map<string, Revocation>>()
  readonly #listeners = new Set<() => void>()
  /** Counts what was added: an object that was clear at this version is clear. */
  #version = 0
  readonly #clear = new WeakMap<Revocable, number>()
  #prunedAt = Number.NEGATIVE_INFINITY
  #saidAt = Number.NEGATIVE_INFINITY

  constructor(log: Pick<Log, 'server'>, most: number, clockSkew: number) {
    this.#log = log
    this.#most = most
    this.#clockSkew = clockSkew
  }

  get size(): number {
    return this.#narrow.size + this.#wide.size
  }

  async revoke(selector: Selector, at: Instant, until: Instant): Promise<void> {
    if (keyOf(selector) === undefined) throw new PosternError('internal', 'a revocation that selects nobody')
    this.learn([{ ...selector, at, until }], at)
  }

  learn(revocations: readonly Revocation[], now: Instant): void {
    this.#prune(now)
    let isNews = false
    for (const revocation of revocations) isNews = this.#add(revocation, now) || isNews
    if (!isNews) return
    this.#version++
    for (const listener of this.#listeners) listener()
  }

  #add(revocation: Revocation, now: Instant): boolean {
    const key = keyOf(revocation)
    if (key === undefined) return false
    const before = this.find(key)
    if (before && before.at >= revocation.at && before.until >= revocation.until) return false
    this.#remove(key) // the newest goes last
    this.#makeRoom(now)
    const { at = revocation.at, until = revocation.until } = before ?? {}
    this.#put(key, { ...revocation, at: Math.max(at, revocation.at), until: Math.max(until, revocation.until) })
    return true
  }

  #put(key: string, entry: Revocation): void {
    if (!isWide(entry)) return void this.#narrow.set(key, entry)
    this.#wide.set(key, entry)
    const bucket = bucketOf(entry)
    const members = this.#buckets.get(bucket) ?? new Map<string, Revocation>()
    this.#buckets.set(bucket, members.set(key, entry))
  }

  #remove(key: string): void {
    if (this.#narrow.delete(key)) return
    const entry = this.#wide.get(key)
    if (!entry) return
    this.#wide.delete(key)
    const bucket = bucketOf(entry)
    const members = this.#buckets.get(bucket)
    members?.delete(key)
    if (members?.size === 0) this.#buckets.delete(bucket)
  }

  #prune(now: Instant): void {
    if (Math.abs(now - this.#prunedAt) < pruneEvery) return
    this.#prunedAt = now
    for (const entries of [this.#narrow, this.#wide]) {
      for (const [key, { until }] of entries) if (until + rememberedAfterwards <= now) this.#remove(key)
    }
  }

  #makeRoom(now: Instant): void {
    if (this.size < this.#most) return
    const oldest = this.#narrow.keys().next().value ?? this.#wide.keys().next().value
    if (oldest !== undefined) this.#remove(oldest)
    if (now - this.#saidAt < pruneEvery) return
    this.#saidAt = now
    const text = 'Too many ended sessions to remember: the oldest are forgotten and may open again.'
    this.#log.server('warn', text, { most: this.#most })
  }

  isRevoked(session: Revocable): boolean {
    if (this.size === 0 || this.#clear.get(session) === this.#version) return false
    if (this.#selects(session)) return true
    this.#clear.set(session, this.#version)
    return false
  }

  #selects(session: Revocable): boolean {
    if (this.#narrow.has(`session ${session.id}`)) return true
    for (const entry of this.#alike(session)) if (this.#isMeant(entry, session)) return true
    return false
  }

  /** Those that select it, whatever the times say. */
  *#alike(session: Revocable): Iterable<Revocation> {
    const { providerSession, identity } = session
    const signIn = providerSession === undefined ? undefined : this.#narrow.get(`provider-session ${providerSession}`)
    if (signIn) yield signIn
    if (this.#wide.size === 0) return
    for (const bucket of [personBucket(identity), accountBucket(identity.account), everybody]) {
      for (const entry of this.#buckets.get(bucket)?.values() ?? []) if (selects(entry, session)) yield entry
    }
  }

  startOf(session: Revocable): Instant {
    if (this.#clockSkew === 0) return session.createdAt
    let start = session.createdAt
    for (const { at } of this.#alike(session)) {
      // a clock that is wrong by more than that is not followed
      if (at <= session.createdAt + this.#clockSkew) start = Math.max(start, at + this.#clockSkew + 1)
    }
    return start
  }

  #isMeant({ at }: Revocation, { createdAt }: Revocable): boolean {
    return createdAt <= at + this.#clockSkew
  }

  isCurrent(): boolean {
    return true
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  find(key: string): Revocation | undefined {
    return this.#narrow.get(key) ?? this.#wide.get(key)
  }

  *keys(): Iterable<string> {
    yield* this.#narrow.keys()
    yield* this.#wide.keys()
  }
}

const isWide = ({ session, providerSession }: Selector): boolean => session === undefined && providerSession === undefined

const everybody = 'everybody'
/** Only where to look: what is there is compared. */
const personBucket = ({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): string => `person ${issuer} ${subject}`
const accountBucket = (account: string): string => `account ${account}`
const bucketOf = ({ person, account }: Selector): string =>
  person ? personBucket(person) : account === undefined ? everybody : accountBucket(account)

/** Of a session or a provider session alone, the key they are looked up by; of anything else, all of it. undefined: selects nobody. */
export function keyOf(selector: Selector): string | undefined {
  const { session, providerSession, person, account, provider, audience } = selector
  if (session !== undefined) return `session ${session}`
  if (providerSession !== undefined) return `provider-session ${providerSession}`
  if ([person, account, provider, audience].every((one) => one === undefined)) return undefined
  return JSON.stringify([person?.issuer, person?.subject, account, provider, audience])
}

export function selects({ person, account, provider, audience }: Selector, session: Revocable): boolean {
  const { identity } = session
  return (
    (person === undefined || (person.issuer === identity.issuer && person.subject === identity.subject)) &&
    (account === undefined || account === identity.account) &&
    (provider === undefined || provider === identity.provider) &&
    (audience === undefined || audience === session.audience)
  )
}
