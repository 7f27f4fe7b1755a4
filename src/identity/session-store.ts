// The contract of a session store: a token for the browser, and what it stands for. A store does not know cookies, requests
// or time; whether a session still counts is the keeper's to say. Every store runs test/identity/store-conformance.ts.
import type { Identity, Instant, Json } from '../types.ts'

/** A session as it is kept. */
export interface SessionRecord {
  readonly id: string
  readonly audience: string
  readonly identity: Identity
  readonly createdAt: Instant
  /** The last renewal: idle time counts from here. */
  readonly touchedAt: Instant
  readonly endsAt: Instant
  readonly keep?: Json
  readonly providerSession?: string
  readonly factors?: Readonly<Record<string, Instant>>
  readonly local?: true
  readonly madeBy?: string
}

export interface SessionStore {
  /**
   * The token under which the browser brings the record back: visible ASCII without `;`, `,`, `"`, `\`, and never beginning
   * with a digit. Throws PosternError('store-unavailable').
   */
  write(record: SessionRecord): Promise<string>
  /** undefined: nothing of ours, or no longer there. Throws PosternError('store-unavailable'), never on a bad token. */
  read(token: string): Promise<SessionRecord | undefined>
  /** Never throws; work in the background reports its own failures. A sealed cookie cannot be called back: `Revocations` can. */
  remove(id: string): void
}
