// Sessions in the memory of one process: gone with it. The contents outlive a reload, the store (with the keys of its generation)
// does not.
import type { Clock, Identity, Instant } from '../../../types.ts'
import type { Sealer } from '../seal.ts'
import { knownAfterwards, type SessionRecord, type SessionStore } from '../session-store.ts'
import { byAge, fits } from './filter.ts'
import { createReferences } from './reference.ts'

interface Kept {
  readonly record: SessionRecord
  readonly until: Instant
}
/** Made once per process. */
export interface MemorySessions {
  readonly byId: Map<string, Kept>
  /** Person and audience -> ids. */
  readonly byPerson: Map<string, Set<string>>
  sweptAt: Instant
}
export const createMemorySessions = (): MemorySessions => ({
  byId: new Map(),
  byPerson: new Map(),
  sweptAt: Number.NEGATIVE_INFINITY,
})

/** Milliseconds. Another generation of this process may have changed it. */
const staleness = 1000
const sweepEvery = 60_000

export function createMemoryStore(parts: {
  readonly sessions: MemorySessions
  readonly sealer: Sealer
  readonly clock: Clock
}): SessionStore {
  const { sessions, clock } = parts
  const { byId, byPerson } = sessions
  const { tokenOf, idOf } = createReferences(parts.sealer)

  /** One that can still be renewed and changed. */
  const live = (id: string): Kept | undefined => {
    const kept = byId.get(id)
    return kept?.record.over ? undefined : kept
  }
  const keep = (record: SessionRecord, until: Instant) => {
    byId.set(record.id, { record, until })
    const person = personKey(record.identity, record.audience)
    const ids = byPerson.get(person) ?? new Set()
    byPerson.set(person, ids.add(record.id))
  }
  const forget = (id: string) => {
    const kept = byId.get(id)
    if (!kept) return
    byId.delete(id)
    const person = personKey(kept.record.identity, kept.record.audience)
    const ids = byPerson.get(person)
    ids?.delete(id)
    if (ids?.size === 0) byPerson.delete(person)
  }
  const sweep = (now: Instant) => {
    if (Math.abs(now - sessions.sweptAt) < sweepEvery) return
    sessions.sweptAt = now
    for (const [id, { until }] of byId) if (until + knownAfterwards <= now) forget(id)
  }
  const count = (identity: Identity, audience: string, now: Instant): number =>
    [...(byPerson.get(personKey(identity, audience)) ?? [])].filter((id) => {
      const kept = live(id)
      return kept !== undefined && !kept.record.waits && now < kept.until
    }).length

  return {
    keeps: true,
    staleness,
    tokenOf,
    idOf,
    async create(record, until, limit) {
      const now = clock()
      sweep(now)
      if (limit !== undefined && !record.waits && count(record.identity, record.audience, now) >= limit) return undefined
      keep(record, until)
      return tokenOf(record)
    },
    async read(token, audience) {
      const id = idOf(token, audience)
      const kept = id === undefined ? undefined : byId.get(id)
      return kept && clock() < kept.until + knownAfterwards ? kept.record : undefined
    },
    async touch(record, until) {
      const kept = live(record.id)
      if (!kept) return undefined
      const { touchedAt } = record
      if (touchedAt > kept.record.touchedAt) byId.set(record.id, { record: { ...kept.record, touchedAt }, until })
      return tokenOf(record)
    },
    async replace(record, until) {
      const kept = live(record.id)
      if (!kept || kept.record.revision !== record.revision - 1) return undefined
      const touchedAt = Math.max(kept.record.touchedAt, record.touchedAt)
      forget(record.id)
      keep({ ...record, touchedAt }, Math.min(Math.max(until, kept.until), record.endsAt))
      return tokenOf(record)
    },
    async remove({ id }) {
      forget(id)
    },
    async list(filter, most) {
      const now = clock()
      const kept = filter.id === undefined ? [...byId.values()] : [byId.get(filter.id)].filter((one) => one !== undefined)
      const found = kept.filter(({ record, until }) => !record.over && now < until && fits(record, filter))
      const records = found.map(({ record }) => record).sort(byAge)
      return { records: records.slice(0, Math.max(0, most)), complete: records.length <= most }
    },
    async takeExpired(now, most) {
      sweep(now)
      const taken: SessionRecord[] = []
      for (const [id, { record, until }] of byId) {
        if (taken.length >= most) break
        if (until > now || record.over) continue
        taken.push(record)
        byId.set(id, { record: { ...record, over: true }, until })
      }
      return taken
    },
  }
}

const personKey = ({ issuer, subject }: Identity, audience: string): string => JSON.stringify([issuer, subject, audience])
