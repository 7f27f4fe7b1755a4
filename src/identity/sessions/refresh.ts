// Owns that people whose tokens come to their end are asked about at their provider again, once, whatever becomes of the browser that
// was the reason: who does it, in which order, and what a failure means for the session. Must not know: protocols, cookies, rules.
//
// A refresh token is marked as spent in the session before it leaves the house, by a write that only one can win. Whoever finds a mark
// that is not theirs never sends the token: a provider that rotates takes the second time for theft.
import { setTimeout as passing } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Board } from '../../board.ts'
import { describe, PosternError, RenewalError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Identity, Instant, Portal, Provider, RequestView, Session, Tokens } from '../../types.ts'
import type { Enrolment } from '../accounts/enrolment.ts'
import { asGiven, backoff, isAccessOver, isDue, withoutRefresh } from './refresh-tokens.ts'
import { type Writing, writeUntilItHolds } from './refresh-write.ts'
import type { Change, SessionKeeper } from './session.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>
/** `later`: asked again after a while. `lost`: never again, and the session goes on to its own end. */
export type RefreshResult = 'refreshed' | 'ended' | 'later' | 'lost'
/** `unchanged`: on with what there is. */
export type Refreshed = Session | 'over' | 'unchanged'

export interface Refresher {
  /**
   * To be called for a session that `isDue`. undefined: nothing to wait for, it may be under way behind the request's back. Where the
   * access token has ended already, what came of it, or `unchanged` after a few seconds. Never rejects.
   */
  refresh(session: Session, request: RequestView, portal: Portal, now: Instant): Promise<Refreshed> | undefined
  /** Begins nothing any more; resolves when what is under way has ended. Before the providers are closed. */
  close(): Promise<void>
}
export interface RefresherOptions {
  readonly keeper: Pick<SessionKeeper, 'reread' | 'replace' | 'end'>
  readonly board: Board
  readonly providers: ReadonlyMap<string, Provider>
  readonly enrolments?: ReadonlyMap<string, Enrolment>
  readonly clock: Clock
  readonly log: Pick<Log, 'audit' | 'server'>
  readonly onResult?: (provider: string, result: RefreshResult) => void
  /** Where ending a session is more than `keeper.end`. */
  readonly end?: (session: Session, portal: Portal, now: Instant) => Promise<void>
  /** Milliseconds of real time. */
  readonly pause?: (milliseconds: number) => Promise<void>
}

/** Milliseconds: all of them real time, but for those that are compared with the clock. */
/** Of a process that dies; the mark is what keeps a token from being sent twice, not the lease. */
const leaseFor = 10_000
const patience = 4000
const betweenLooks = 200
const looks = patience / betweenLooks
/** A mark without a lease: its process may still be waiting for an answer. Longer than any call to a provider. */
const abandonedAfter = 60_000
const afterTrouble = 5000

interface Visit {
  readonly request: RequestView
  readonly portal: Portal
}
interface Flight {
  readonly result: Promise<Refreshed>
  /** The same for those who wait, and do not wait for ever. */
  patient?: Promise<Refreshed>
}

/** At which the account was made ready at the sign-in (`FINGERPRINT/PORTAL/…`). */
const portalsOf = ({ madeBy }: Session, { portal }: Visit): ReadonlySet<string> =>
  new Set([portal.name, ...(madeBy?.split('/').slice(1) ?? [])])

export function createRefresher(options: RefresherOptions): Refresher {
  return new SessionRefresher(options)
}

class SessionRefresher implements Refresher {
  readonly #options: RefresherOptions
  readonly #pause: (milliseconds: number) => Promise<void>
  readonly #flights = new Map<string, Flight>()
  /** Session id -> when it is worth trying again, as far as the session itself cannot say. */
  readonly #notBefore = new LRUCache<string, Instant>({ max: 10_000 })
  readonly #failures = new LRUCache<string, number>({ max: 10_000 })
  /** Marks that may have been written although the store did not say so: nothing was sent under them. */
  readonly #unsent = new LRUCache<string, Instant>({ max: 10_000 })
  #closed = false

  constructor(options: RefresherOptions) {
    this.#options = options
    this.#pause = options.pause ?? ((milliseconds) => passing(milliseconds, undefined, { ref: false }))
  }

  refresh(session: Session, request: RequestView, portal: Portal, now: Instant): Promise<Refreshed> | undefined {
    const flight = this.#flights.get(session.id) ?? this.#begin(session, { request, portal }, now)
    if (!flight || !isAccessOver(session.tokens, now)) return undefined
    flight.patient ??= Promise.race([flight.result, this.#pause(patience).then(() => 'unchanged' as const)])
    return flight.patient
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#flights.values()].map(({ result }) => result))
  }

  #begin(session: Session, visit: Visit, now: Instant): Flight | undefined {
    const { id, identity } = session
    if (this.#closed || now < (this.#notBefore.get(id) ?? now) || !this.#options.providers.get(identity.provider)?.login?.renew)
      return undefined
    const result = this.#take(session, visit).finally(() => this.#flights.delete(id))
    const flight: Flight = { result }
    this.#flights.set(id, flight)
    return flight
  }

  async #take(session: Session, visit: Visit): Promise<Refreshed> {
    try {
      const lease = await this.#options.board.lease(`refresh/${session.id}`, leaseFor)
      if (!lease) return await this.#follow(session, visit)
      const beat = setInterval(() => lease.renew().catch(() => undefined), leaseFor / 3).unref()
      try {
        return await this.#lead(session, visit)
      } finally {
        clearInterval(beat)
        await lease.release()
      }
    } catch (error) {
      this.#later(session, afterTrouble)
      this.#say('warn', session, 'tokens could not be refreshed', error)
      return 'unchanged'
    }
  }

  /** Another process is at it: what it writes holds here too. */
  async #follow(session: Session, { portal }: Visit): Promise<Refreshed> {
    const { keeper, clock } = this.#options
    for (let look = 0; look < looks; look++) {
      await this.#pause(betweenLooks)
      const current = await keeper.reread(session, portal.session, clock())
      if (!current) return 'over'
      if (!isDue(current, clock())) return current
    }
    this.#later(session, afterTrouble)
    return 'unchanged'
  }

  async #lead(session: Session, visit: Visit): Promise<Refreshed> {
    const { keeper, clock } = this.#options
    const { session: rules } = visit.portal
    const now = clock()
    const current = await keeper.reread(session, rules, now)
    if (!current) return 'over'
    if (!isDue(current, now) || current.tokens?.refresh === undefined) return current
    const { spentAt } = current.tokens
    if (spentAt !== undefined && this.#unsent.get(session.id) !== spentAt) return this.#abandoned(current, spentAt, visit)
    const marked = spentAt === undefined ? await this.#mark(current, current.tokens, visit) : current
    this.#unsent.delete(session.id)
    if (marked) return this.#send(marked, visit)
    this.#later(session, 1000) // somebody else has changed it: the next request sees what
    return 'unchanged'
  }

  async #mark(current: Session, tokens: Tokens, { portal }: Visit): Promise<Session | undefined> {
    const { keeper, clock } = this.#options
    const now = clock()
    try {
      return await keeper.replace(current, { tokens: { ...tokens, spentAt: now } }, portal.session, now)
    } catch (error) {
      this.#unsent.set(current.id, now)
      throw error
    }
  }

  async #abandoned(current: Session, spentAt: Instant, visit: Visit): Promise<Refreshed> {
    const now = this.#options.clock()
    if (now >= spentAt + abandonedAfter)
      return this.#lose(current, visit, 'whoever sent the refresh token has died before the answer')
    this.#notBefore.set(current.id, spentAt + abandonedAfter)
    return current
  }

  async #send(marked: Session, visit: Visit): Promise<Refreshed> {
    const { providers } = this.#options
    let renewed: Identification | undefined
    try {
      renewed = await providers.get(marked.identity.provider)?.login?.renew?.(marked)
    } catch (error) {
      return this.#failed(marked, visit, error)
    }
    if (!renewed?.tokens) return this.#lose(marked, visit, 'no tokens came')
    this.#failures.delete(marked.id)
    const identity = await this.#shaped(renewed, marked, visit)
    if (identity instanceof PosternError) return this.#over(marked, visit, identity.detail)
    if (identity.account !== marked.identity.account) this.#renamed(marked, identity.account, visit)
    const change = { identity, tokens: renewed.tokens, ...(renewed.keep === undefined ? {} : { keep: renewed.keep }) }
    const written = await this.#write(marked, change, visit)
    return written === 'over' ? written : this.#done(marked, 'refreshed', written)
  }

  #renamed({ identity }: Session, account: string, { request, portal }: Visit): void {
    const { provider, account: before } = identity
    this.#options.log.audit('account changed at a refresh', { id: request.id, portal: portal.name, provider, account, before })
  }

  async #failed(marked: Session, visit: Visit, error: unknown): Promise<Refreshed> {
    const outcome = error instanceof RenewalError ? error.outcome : 'unknown'
    const detail = error instanceof RenewalError ? error.message : 'the refresh failed'
    if (outcome === 'ended') return this.#over(marked, visit, detail)
    if (outcome === 'unknown') return this.#lose(marked, visit, detail)
    const failures = (this.#failures.get(marked.id) ?? 0) + 1
    this.#failures.set(marked.id, failures)
    this.#say('warn', marked, 'the provider gives no new tokens just now', error)
    const tokens = { ...asGiven(marked.tokens as Tokens), refreshAt: this.#options.clock() + backoff(failures) }
    return this.#done(marked, 'later', await this.#write(marked, { tokens }, visit))
  }

  /** The provider, or what is known of the person beside it, says that they may not be here any more. */
  async #over(session: Session, { request, portal }: Visit, detail: string): Promise<Refreshed> {
    const { clock, log, keeper, end = (one, _, now) => keeper.end(one, now) } = this.#options
    // held here at once; elsewhere it is tried until it holds
    await end(session, portal, clock()).catch(() => undefined)
    const { provider, account } = session.identity
    log.audit('session ended at its refresh', { id: request.id, portal: portal.name, provider, account, detail })
    return this.#done(session, 'ended', 'over')
  }

  /** Nobody knows whether the refresh token was used up: it is forgotten, and nobody is signed out for it. */
  async #lose(session: Session, visit: Visit, detail: string): Promise<Refreshed> {
    const { provider, account } = session.identity
    const { request, portal } = visit
    this.#options.log.audit('session goes on without being refreshed', {
      id: request.id,
      portal: portal.name,
      provider,
      account,
      detail,
    })
    return this.#done(session, 'lost', await this.#write(session, { tokens: withoutRefresh(session.tokens as Tokens) }, visit))
  }

  #done(session: Session, result: RefreshResult, outcome: Refreshed): Refreshed {
    this.#options.onResult?.(session.identity.provider, result)
    return outcome
  }

  /** Who they are here now; an error where they are nobody any more. What cannot be asked just now leaves them as they were. */
  async #shaped({ identity, accessToken }: Identification, before: Session, visit: Visit): Promise<Identity | PosternError> {
    const { enrolments, clock } = this.#options
    const enrolment = enrolments?.get(before.identity.provider)
    if (!enrolment || identity === before.identity) return identity
    const at = { portal: visit.portal.name, request: visit.request, now: clock() }
    try {
      const person = await enrolment.shape(identity, at, accessToken, true)
      for (const portal of portalsOf(before, visit)) await enrolment.provision(person, { ...at, portal })
      return person
    } catch (error) {
      if (error instanceof PosternError && describe(error.reason).status === 403) return error
      this.#say('warn', before, 'new tokens came, but the person could not be looked up: they stay as they were', error)
      return before.identity
    }
  }

  async #write(session: Session, change: Change, visit: Visit): Promise<Refreshed> {
    const { keeper, clock } = this.#options
    const say: Writing['say'] = (level, msg, error) => this.#say(level, session, msg, error)
    const writing = { keeper, clock, pause: this.#pause, isClosed: () => this.#closed, say }
    const written = await writeUntilItHolds(writing, session, change, visit.portal.session)
    return written instanceof Error ? this.#unwritable(session, change, visit, written) : written
  }

  /** More than a session may hold: nobody goes on as who they are not any more. */
  #unwritable(session: Session, change: Change, visit: Visit, error: Error): Promise<Refreshed> {
    if (change.identity && error instanceof PosternError) return this.#over(session, visit, error.detail)
    throw error
  }

  #later(session: Session, milliseconds: number): void {
    this.#notBefore.set(session.id, this.#options.clock() + milliseconds)
  }

  #say(level: 'warn' | 'error', { identity }: Session, msg: string, error: unknown): void {
    const known = error instanceof PosternError ? error.detail : error instanceof RenewalError ? error.message : undefined
    const detail = known === undefined ? {} : { detail: known }
    this.#options.log.server(level, msg, { provider: identity.provider, account: identity.account, ...detail })
  }
}
