// What this process has read of sessions lately: by token, and by session for whoever has only that. Of one session the latest
// revision counts, in whatever order answers arrive. Does not judge, and asks nobody.
import { LRUCache } from 'lru-cache'
import type { Instant, Session, SessionRules } from '../../types.ts'
import type { Found } from './session.ts'
import type { SessionRecord } from './session-store.ts'
import { sessionOf } from './session-time.ts'

export interface Entry {
  readonly token: string
  readonly record: SessionRecord
  readonly session: Session
  /** What a request that brings it is told, where nothing has to be done. */
  readonly found: Found
  readonly readAt: Instant
  /** Until then the store is not asked again: `isFresh`. */
  readonly freshUntil: Instant
  /** Characters, roughly. */
  readonly size: number
  /** One renewal for a whole burst of requests, and for clients that are slow to take it. */
  renewal?: Renewal
}
export interface Renewal {
  at: Instant
  found: Found | Promise<Found>
}

/** A clock that was set back makes nothing fresh for longer: what was read in the future is read again. */
export const isFresh = ({ readAt, freshUntil }: Entry, now: Instant): boolean =>
  now < freshUntil && readAt - now <= freshUntil - readAt

/** Characters of tokens and claims together. */
const mostCached = 64_000_000

export class SessionCache {
  readonly #byToken: LRUCache<string, Entry>
  readonly #tokens = new Map<string, readonly string[]>()
  readonly #staleness: number

  constructor(most: number, staleness: number) {
    this.#staleness = staleness
    this.#byToken = new LRUCache({
      max: most,
      maxSize: mostCached,
      sizeCalculation: ({ size }) => size,
      dispose: ({ record, token }, _key, reason) => {
        if (reason !== 'set') this.#unlist(record.id, token)
      },
    })
  }

  /** Sessions, not tokens. */
  get size(): number {
    return this.#tokens.size
  }

  get(token: string): Entry | undefined {
    return this.#byToken.get(token)
  }

  /** What is known best of a session, under whichever token. */
  latest(id: string): Entry | undefined {
    const [first, ...others] = (this.#tokens.get(id) ?? []).flatMap((token) => this.#byToken.peek(token) ?? [])
    return others.reduce((best, one) => (best === undefined || isLater(one.record, best.record) ? one : best), first)
  }

  /** The latest of every session. */
  records(): readonly SessionRecord[] {
    return [...this.#tokens.keys()].flatMap((id) => this.latest(id)?.record ?? [])
  }

  /** @param readAt when the store was asked for what is believed */
  put(token: string, read: SessionRecord, rules: SessionRules, readAt: Instant): Entry {
    const best = this.latest(read.id)
    const isOlder = best !== undefined && best.record.revision > read.revision
    const record = isOlder ? best.record : read
    const before = this.#byToken.get(token)
    const renewal = before?.record.id === record.id ? before.renewal : undefined
    const entry: Entry = {
      // a copy: a piece of a Cookie line would keep the whole line in memory
      token: Buffer.from(token, 'latin1').toString('latin1'),
      readAt: isOlder ? Math.max(best.readAt, readAt) : readAt,
      freshUntil: (isOlder ? Math.max(best.readAt, readAt) : readAt) + this.#staleness,
      ...contentOf(record, best?.record.revision === record.revision ? best : undefined, rules, token),
      ...(renewal ? { renewal } : {}),
    }
    this.#byToken.set(entry.token, entry)
    const listed = this.#tokens.get(record.id) ?? []
    if (!listed.includes(entry.token)) this.#tokens.set(record.id, [...listed, entry.token])
    return entry
  }

  forget(id: string): void {
    for (const token of this.#tokens.get(id) ?? []) this.#byToken.delete(token)
  }

  #unlist(id: string, token: string): void {
    const left = (this.#tokens.get(id) ?? []).filter((one) => one !== token)
    if (left.length > 0) this.#tokens.set(id, left)
    else this.#tokens.delete(id)
  }
}

const isLater = (a: SessionRecord, b: SessionRecord): boolean =>
  a.revision > b.revision || (a.revision === b.revision && a.touchedAt > b.touchedAt)

/** Verdicts are kept per Identity object, so an unchanged session keeps its objects. */
function contentOf(
  read: SessionRecord,
  known: Entry | undefined,
  rules: SessionRules,
  token: string,
): Pick<Entry, 'record' | 'session' | 'found' | 'size'> {
  const record = known ? { ...read, identity: known.record.identity } : read
  const session = sessionOf(record, rules)
  const size = known?.size ?? Math.max(token.length * 2, JSON.stringify([record.identity, record.tokens, record.keep]).length)
  if (known && known.session.idleUntil === session.idleUntil && known.session.endsAt === session.endsAt)
    return { record, session: known.session, found: known.found, size }
  return { record, session, found: record.waits ? { waiting: session, cookies: [] } : { session, cookies: [] }, size }
}
