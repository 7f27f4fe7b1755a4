// Sessions that were ended before their time, for as long as somebody could still bring them. A sealed cookie cannot be called
// back, so this process remembers. Knows session ids and provider sessions as opaque text; no cookie, no request.
import type { Log } from '../log.ts'
import type { Instant, Session } from '../types.ts'

export interface Revocations {
  /**
   * Ends every session with this id or provider session that was created up to `at`: whoever signs in again afterwards, in
   * the same provider session, is not meant.
   * @param until when the last of them would have ended by itself
   */
  revoke(key: string, at: Instant, until: Instant): void
  isRevoked(session: Pick<Session, 'id' | 'providerSession' | 'createdAt'>): boolean
  readonly size: number
}

interface Entry {
  readonly at: Instant
  readonly until: Instant
}

/** Milliseconds between two looks for what has ended by itself, and between two complaints. */
const pruneEvery = 60_000

/** @param most entries kept; beyond it the oldest goes, and the log says so */
export function createRevocations(options: { readonly log: Log; readonly most?: number }): Revocations {
  const most = options.most ?? 100_000
  const entries = new Map<string, Entry>()
  let prunedAt = Number.NEGATIVE_INFINITY
  let saidAt = Number.NEGATIVE_INFINITY

  const prune = (now: Instant) => {
    if (now - prunedAt < pruneEvery) return
    prunedAt = now
    for (const [key, { until }] of entries) if (until <= now) entries.delete(key)
  }
  const makeRoom = (now: Instant) => {
    const oldest = entries.keys().next().value
    if (entries.size < most || oldest === undefined) return
    entries.delete(oldest)
    if (now - saidAt < pruneEvery) return
    saidAt = now
    options.log.server('warn', 'Too many ended sessions to remember: the oldest are forgotten and may open again.', { most })
  }
  const covers = (key: string | undefined, createdAt: Instant): boolean => {
    const entry = key === undefined ? undefined : entries.get(key)
    return entry !== undefined && createdAt <= entry.at
  }
  return {
    revoke(key, at, until) {
      prune(at)
      const before = entries.get(key)
      entries.delete(key) // the newest goes last
      makeRoom(at)
      entries.set(key, { at: Math.max(at, before?.at ?? at), until: Math.max(until, before?.until ?? until) })
    },
    isRevoked: ({ id, providerSession, createdAt }) =>
      entries.size > 0 && (covers(id, createdAt) || covers(providerSession, createdAt)),
    get size() {
      return entries.size
    },
  }
}
