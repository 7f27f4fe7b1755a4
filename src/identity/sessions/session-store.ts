// The contract of a session store: a token for the browser, and what it stands for. A store does not know cookies, requests or
// portals' rules; whether a session still counts is the keeper's to say. Every store runs test/identity/sessions/store-conformance.ts.
import type { Identity, Instant, Json, Tokens } from '../../types.ts'

/** A session as it is kept. */
export interface SessionRecord {
  readonly id: string
  readonly audience: string
  readonly identity: Identity
  readonly createdAt: Instant
  /** The last renewal: idle time counts from here. */
  readonly touchedAt: Instant
  readonly endsAt: Instant
  /** Counts the changes of everything but `touchedAt`, from 0: `replace` takes only what follows on what is there. */
  readonly revision: number
  readonly keep?: Json
  readonly tokens?: Tokens
  readonly providerSession?: string
  readonly factors?: Readonly<Record<string, Instant>>
  readonly local?: true
  readonly madeBy?: string
  /** Opens nothing yet: its person is asked whether another of their sessions shall end for it. */
  readonly waits?: true
  /** It was given by `takeExpired`: whoever still brings it is somebody known, and nobody signed in, whatever the times say. */
  readonly over?: true
}
/** What a list is narrowed by; all of it must hold. */
export interface SessionFilter {
  readonly id?: string
  readonly account?: string
  readonly provider?: string
  readonly audience?: string
  readonly person?: Pick<Identity, 'issuer' | 'subject'>
}
export interface SessionList {
  readonly records: readonly SessionRecord[]
  /** False: there are more, or the store cannot know of all. */
  readonly complete: boolean
}

/** Milliseconds for which a session that is over is still read, so that its person is somebody known. */
export const knownAfterwards = 3_600_000

/** Throws PosternError('store-unavailable') from every method, and nothing else for what a browser sends. */
export interface SessionStore {
  /** It has the sessions itself, and the browser only a reference: they can be counted, listed and changed behind its back. */
  readonly keeps: boolean
  /** Milliseconds for which a record that was read or written is believed without asking again. */
  readonly staleness: number
  /**
   * The token under which the browser brings the record back: visible ASCII without `;`, `,`, `"`, `\`, never beginning with a digit.
   * @param until when the session is over, if nobody uses it meanwhile; after that it may be gone
   * @param limit undefined is given where the record's person has so many sessions of its audience already (those that wait do not
   *   count); however many processes ask at once. Only where the store `keeps`.
   */
  create(record: SessionRecord, until: Instant, limit?: number): Promise<string | undefined>
  /** undefined: nothing of ours, of another audience, or no longer there. Never throws on a bad token. */
  read(token: string, audience: string): Promise<SessionRecord | undefined>
  /** The token that `create` would give; only where the store `keeps`. */
  tokenOf?(record: Pick<SessionRecord, 'id' | 'audience'>): string
  /** Whose token it is, by itself: asks nobody. undefined: not ours, or for another audience. Only where the store `keeps`. */
  idOf?(token: string, audience: string): string | undefined
  /** Writes down its `touchedAt` (the later of two stays). The token, which may be another from now on; undefined: it is gone. */
  touch(record: SessionRecord, until: Instant): Promise<string | undefined>
  /** Everything anew; `revision` is one more than that of what is there. undefined: it is gone, or somebody was faster. */
  replace(record: SessionRecord, until: Instant): Promise<string | undefined>
  /** A sealed cookie cannot be called back: `Revocations` can. */
  remove(record: Pick<SessionRecord, 'id' | 'audience' | 'identity'>): Promise<void>
  /** The newest first. */
  list(filter: SessionFilter, most: number): Promise<SessionList>
  /**
   * Sessions that were over at `now` for want of use or time: each is given once, to one process. From then on nothing renews or
   * changes it; it is read as `over` for a while.
   */
  takeExpired(now: Instant, most: number): Promise<readonly SessionRecord[]>
}
