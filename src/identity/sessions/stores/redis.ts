// Sessions in Redis, for any number of replicas. A session is one hash: the sealed record, and beside it what changes with every use.
// All that it is found by is redis-index.ts's. docs/decisions/sessions.md says what a process that dies may leave behind.
import { randomUUID } from 'node:crypto'
import type { RedisConnection } from '../../../state/redis-connection.ts'
import type { Clock, Instant, Json } from '../../../types.ts'
import type { Sealer } from '../seal.ts'
import { knownAfterwards, type SessionFilter, type SessionList, type SessionRecord, type SessionStore } from '../session-store.ts'
import { byAge, fits } from './filter.ts'
import { type Placed, RedisIndex } from './redis-index.ts'
import { claiming, replacing, touching, writing } from './redis-scripts.ts'
import { createReferences } from './reference.ts'

/** Raised when the record's shape changes: what an older version wrote is then nobody's session. */
const version = 1
const purpose = 'session-record'
/** Characters. */
const longest = 512 * 1024
const pageLength = 200
/** Entries of an index that one list looks at: beyond it, the list is not complete. */
const mostScanned = 10_000

const keyOf = (id: string): string => `postern:session:${id}`

/** The connection outlives generations; the sealer has the keys of one. `staleness` in milliseconds. */
export function createRedisStore(parts: {
  readonly connection: RedisConnection
  readonly sealer: Sealer
  readonly clock: Clock
  readonly staleness: number
}): SessionStore {
  const { connection, sealer, clock, staleness } = parts
  const { tokenOf, idOf } = createReferences(sealer)
  const index = new RedisIndex(connection, sealer)

  const seal = ({ touchedAt: _, over: __, ...record }: SessionRecord): Promise<string> =>
    sealer.seal({ version, record: record as unknown as Json }, purpose)
  const keptFor = (until: Instant): number => Math.max(1, until - clock() + knownAfterwards)

  /** undefined: not sealed by us, or not as this session in this revision. */
  async function open(id: string, sealed: string, revision: string, touched: string): Promise<SessionRecord | undefined> {
    const opened = (await sealer.open(sealed, purpose, longest)) as { version?: Json; record?: Json } | undefined
    if (opened?.version !== version) return undefined
    const record = { ...(opened.record as unknown as SessionRecord), touchedAt: Number(touched) }
    return record.id === id && record.revision === Number(revision) && Number.isSafeInteger(record.touchedAt) ? record : undefined
  }
  async function load(id: string): Promise<{ readonly record: SessionRecord; readonly until: Instant } | undefined> {
    const fields = ['sealed', 'revision', 'touched', 'over', 'until']
    const [sealed, revision, touched, over, until] = await connection.ask((redis) => redis.hmget(keyOf(id), ...fields))
    const record = sealed && revision && touched ? await open(id, sealed, revision, touched) : undefined
    return record && { record: over ? { ...record, over: true } : record, until: Number(until) }
  }

  /** In the way of a new session may be what a dying process left behind. */
  async function hasPlace(record: SessionRecord, limit: number): Promise<boolean> {
    const inTheWay = await index.reserve(record, limit, clock())
    if (!inTheWay) return true
    const found = await Promise.all(inTheWay.map(load))
    const dead = inTheWay.filter((_, at) => !found[at] || found[at].record.over)
    if (dead.length === 0) return false
    await Promise.all(dead.map((id) => index.forget({ ...record, id })))
    return (await index.reserve(record, limit, clock())) === undefined
  }

  async function take(id: string, now: Instant): Promise<SessionRecord | undefined> {
    const answer = (await connection.run(claiming, [keyOf(id)], [now, randomUUID(), knownAfterwards])) as readonly string[]
    const [state, sealed = '', revision = '', touched = ''] = answer
    if (state === 'later') await index.prolong(id, Number(sealed))
    else await index.settle([id])
    const record = state === 'yours' ? await open(id, sealed, revision, touched) : undefined
    if (record) await index.forget(record)
    return record
  }

  return {
    keeps: true,
    staleness,
    tokenOf,
    async create(record, until, limit) {
      const sealed = await seal(record)
      if (limit !== undefined && !record.waits && !(await hasPlace(record, limit))) return undefined
      await index.announce(record, until, clock())
      const { revision, touchedAt } = record
      await connection.run(writing, [keyOf(record.id)], [sealed, revision, touchedAt, until, keptFor(until)])
      await index.count(record, until, clock())
      return tokenOf(record)
    },
    async read(token, audience) {
      const id = idOf(token, audience)
      const record = id === undefined ? undefined : (await load(id))?.record
      return record?.audience === audience ? record : undefined
    },
    async touch(record, until) {
      await index.count(record, until, clock())
      const values = [record.touchedAt, until, keptFor(until)]
      const [answer] = await Promise.all([connection.run(touching, [keyOf(record.id)], values), index.prolong(record.id, until)])
      if (answer === 1) return tokenOf(record)
      await index.forget(record)
      return undefined
    },
    async replace(record, until) {
      const { revision, touchedAt, endsAt } = record
      const values = [await seal(record), revision, touchedAt, until, endsAt, clock(), knownAfterwards]
      if ((await connection.run(replacing, [keyOf(record.id)], values)) !== 1) return undefined
      await Promise.all([index.announce(record, until, clock()), index.count(record, until, clock())])
      return tokenOf(record)
    },
    async remove(record) {
      await connection.ask((redis) => redis.del(keyOf(record.id)))
      await index.forget(record)
    },
    list: (filter, most) => listFrom(index, filter, Math.max(0, most), clock(), load),
    async takeExpired(now, most) {
      const taken: SessionRecord[] = []
      for (let page = 0; page * pageLength < mostScanned && taken.length < most; page++) {
        const ids = await index.ended(now, Math.min(pageLength, most - taken.length))
        if (ids.length === 0) break
        const records = await Promise.all(ids.map((id) => take(id, now)))
        taken.push(...records.filter((record) => record !== undefined))
      }
      return taken
    },
  }
}

type Load = (id: string) => Promise<{ readonly record: SessionRecord; readonly until: Instant } | undefined>

async function listFrom(index: RedisIndex, filter: SessionFilter, most: number, now: Instant, load: Load): Promise<SessionList> {
  if (filter.id !== undefined) {
    const one = await load(filter.id)
    const records = one && isOpen(one, now) && fits(one.record, filter) ? [one.record] : []
    return { records: records.slice(0, most), complete: records.length <= most }
  }
  const found = new Map<string, SessionRecord>()
  let complete = true
  for (const place of index.places(filter)) {
    const isOrdered = filter.person === undefined
    const gone: Placed[] = []
    for (let from = 0; ; from += pageLength) {
      if (from >= mostScanned || (isOrdered && found.size > most)) {
        complete = false
        break
      }
      const page = await index.page(place, from, pageLength)
      const loaded = await Promise.all(page.map(({ id }) => load(id)))
      gone.push(...page.filter((_, at) => !loaded[at]))
      for (const one of loaded) if (one && isOpen(one, now) && fits(one.record, filter)) found.set(one.record.id, one.record)
      if (page.length < pageLength) break
    }
    await index.drop(place, gone, now)
  }
  const records = [...found.values()].sort(byAge)
  return { records: records.slice(0, most), complete: complete && records.length <= most }
}

const isOpen = ({ record, until }: { readonly record: SessionRecord; readonly until: Instant }, now: Instant): boolean =>
  !record.over && now < until
