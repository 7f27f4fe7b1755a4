// When a session ends, and when it is renewed. Today's rules hold for yesterday's sessions.
import type { Instant, Session, SessionRules } from '../../types.ts'
import type { SessionRecord } from './session-store.ts'

/** Milliseconds; an idle time of less than two minutes would end between two of them. */
const shortestRenewal = ({ idle }: SessionRules): number => (idle > 0 ? Math.min(60_000, idle / 2) : 60_000)

/** A lifetime that was shortened ends older sessions too. */
export const endOf = (record: SessionRecord, rules: SessionRules): Instant =>
  Math.min(record.endsAt, record.createdAt + rules.lifetime)
/** When it is over, if nobody uses it meanwhile. */
export const overAt = (record: SessionRecord, rules: SessionRules): Instant =>
  Math.min(idleAt(record, rules), endOf(record, rules))
/** Idle 0: only the lifetime counts. */
const idleAt = (record: SessionRecord, rules: SessionRules): Instant => record.touchedAt + (rules.idle || rules.lifetime)

/** Milliseconds from one renewal to the next. */
export const renewalOf = (rules: SessionRules): number => Math.max(rules.idle / 10, shortestRenewal(rules))
/** It is time for one, and it would change something. */
export const wantsRenewal = (record: SessionRecord, rules: SessionRules, now: Instant): boolean =>
  now - record.touchedAt >= renewalOf(rules) && idleAt(record, rules) < endOf(record, rules)

export function sessionOf({ touchedAt, over: _, ...kept }: SessionRecord, rules: SessionRules): Session {
  const record = { ...kept, touchedAt }
  return { ...kept, endsAt: endOf(record, rules), idleUntil: overAt(record, rules) }
}

/** For whoever ends it and has no rules at hand. */
export const asSession = ({ touchedAt: _, over: __, ...record }: SessionRecord): Session => ({
  ...record,
  idleUntil: record.endsAt,
})
