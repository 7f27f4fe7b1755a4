// Sessions of people who signed in: what the rest of the house may ask of them. keeper.ts answers.
import type { Identity, Instant, Json, RequestView, Session, SessionRules, Tokens } from '../../types.ts'
import { Keeper } from './keeper.ts'
import type { Revocations } from './revocations.ts'
import type { Sealer } from './seal.ts'
import type { SessionFilter, SessionList, SessionStore } from './session-store.ts'

export interface Found {
  readonly session?: Session
  /** Set-Cookie values: a renewal, or deletions of what does not open. */
  readonly cookies: readonly string[]
  /** There was a session, and its time is over. Its cookie stays: whoever comes back with it is asked as somebody known. */
  readonly expired?: Session
  /** Opens nothing before its person was asked: `waits`. */
  readonly waiting?: Session
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
  /** To be refreshed; only where the store keeps sessions. */
  readonly tokens?: Tokens
  /** The session opens nothing before its person was asked (`replace` with `waits: false`). */
  readonly waits?: true
  /** Sessions that a person may have here at a time. */
  readonly limit?: number
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
  /**
   * Throws PosternError('session-too-large'), its detail naming the largest claim; PosternError('too-many-sessions');
   * PosternError('store-unavailable').
   */
  open(
    identity: Identity,
    rules: SessionRules,
    now: Instant,
    extra?: Opening,
  ): Promise<{ session: Session; cookies: readonly string[] }>
  /**
   * Holds here at once; resolves when it holds for every replica. Rejects with PosternError('store-unavailable') where that is not
   * sure yet.
   */
  end(session: Session, now: Instant): Promise<void>
  /**
   * Ends what the request brings where nobody can read it just now: the token says by itself which session it is. As `end` does; nothing
   * where it brings none of ours.
   */
  endUnread(request: Pick<RequestView, 'cookies'>, rules: SessionRules, now: Instant): Promise<void>
  /** What is kept of it now, not what was read a moment ago. undefined: it is over. Throws PosternError('store-unavailable'). */
  reread(session: Session, rules: SessionRules, now: Instant): Promise<Session | undefined>
  /**
   * Changed behind the browser's back; only where the store keeps sessions. undefined: it is over, or somebody else changed it since it
   * was read. Throws PosternError('store-unavailable').
   */
  replace(session: Session, change: Change, rules: SessionRules, now: Instant): Promise<Session | undefined>
  /** The newest first. Where the store keeps none, those that this process has seen lately. Throws PosternError('store-unavailable'). */
  list(filter: SessionFilter, most: number, now: Instant): Promise<SessionList>
  /** The store has the sessions itself: they can be counted, listed, changed. */
  readonly keeps: boolean
  /** Set-Cookie values that delete the session's cookie and its pieces, as far as the request sent them. */
  clear(request: Pick<RequestView, 'cookies'>, rules: SessionRules): readonly string[]
  /** Sessions this process has seen lately. */
  size(): number
}
export interface Change {
  readonly identity?: Identity
  /** null: none any more. */
  readonly tokens?: Tokens | null
  readonly keep?: Json
  readonly endsAt?: Instant
  readonly waits?: false
}
export interface KeeperOptions {
  readonly sealer: Sealer
  /** Keep only these; empty: all. */
  readonly claims: readonly string[]
  readonly revocations: Revocations
  /** Default: the cookie. */
  readonly store?: SessionStore
  readonly cacheSize?: number
}

export const createSessionKeeper = (options: KeeperOptions): SessionKeeper => new Keeper(options)

/** Over for want of use, and not because its time was up. */
export const wentIdle = ({ idleUntil, endsAt }: Pick<Session, 'idleUntil' | 'endsAt'>): boolean => idleUntil < endsAt
