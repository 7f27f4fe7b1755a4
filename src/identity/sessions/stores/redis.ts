// Sessions in Redis, for any number of replicas. A session is one hash: the sealed record, and beside it what changes with every use.
// All that it is found by is redis-index.ts's. docs/decisions/sessions.md says what a process that dies may leave behind.
import { randomUUID } from 'node:crypto'
import type { RedisConnection } from '../../../state/redis-connection.ts'
import type { Clock, Instant, Json } from '../../../types.ts'
import type { Sealer } from '../seal.ts'
import { knownAfterwards, type SessionFilter, type SessionList, type SessionRecord, type SessionStore } from '../session-store.ts'
import { byAge, fits } from './filter.ts'
import { mostScanned, type Placed, RedisIndex } from './redis-index.ts'
import { claiming, replacing, touching, writing } from './redis-scripts.ts'
import { createReferences } from './reference.ts'

/** Raised when the record's shape changes: what an older version wrote is then nobody's session. */
const version = 1
const purpose = 'session-record'
/** Characters. */
const longest = 512 * 1024
const pageLength = 200
/** Milliseconds between two looks for entries that nobody has found the end of, and how many are looked at. */
const tidyEvery = 10_000
const mostTidied = 1000

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
  async function load(id: string): Promise<Loaded> {
    const fields = ['sealed', 'revision', 'touched', 'over', 'until']
    const values = await connection.ask((redis) => redis.hmget(keyOf(id), ...fields).catch(unlessForeign))
    if (values.every((value) => value === null)) return 'gone'
    const [sealed, revision, touched, over, until] = values
    const record = sealed && revision && touched ? await open(id, sealed, revision, touched) : undefined
    return record ? { record: over ? { ...record, over: true } : record, until: Number(until) } : 'unreadable'
  }

  /** In the way of a new session may be what a dying process left behind. */
  async function hasPlace(record: SessionRecord, limit: number): Promise<boolean> {
    const inTheWay = await index.reserve(record, limit, clock())
    if (!inTheWay) return true
    const found = await Promise.all(inTheWay.map(load))
    const dead = inTheWay.filter((_, at) => {
      const one = recordOf(found[at])
      return !one || one.over
    })
    if (dead.length === 0) return false
    await Promise.all(dead.map((id) => index.forget({ ...record, id })))
    return (await index.reserve(record, limit, clock())) === undefined
  }

  let tidiedAt = Number.NEGATIVE_INFINITY
  /** Nobody has to ask for expired sessions; what is indexed under no person must not stay for ever. */
  async function tidy(now: Instant): Promise<void> {
    if (Math.abs(now - tidiedAt) < tidyEvery) return
    tidiedAt = now
    const ids = await index.ended(now - 2 * knownAfterwards, mostTidied)
    const found = await Promise.all(ids.map(load))
    await index.settle(ids.filter((_, at) => found[at] === 'gone' || recordOf(found[at])?.over))
    await Promise.all(found.map(keptOf).map((one) => one && index.prolong(one.record.id, one.until)))
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
    idOf,
    async create(record, until, limit) {
      const sealed = await seal(record)
      if (limit !== undefined && !record.waits && !(await hasPlace(record, limit))) return undefined
      await index.announce(record, until, clock())
      const { revision, touchedAt } = record
      await connection.run(writing, [keyOf(record.id)], [sealed, revision, touchedAt, until, keptFor(until)])
      await index.count(record, until, clock())
      void tidy(clock()).catch(() => undefined) // the next one
      return tokenOf(record)
    },
    async read(token, audience) {
      const id = idOf(token, audience)
      const record = id === undefined ? undefined : recordOf(await load(id))
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

interface Kept {
  readonly record: SessionRecord
  readonly until: Instant
}
/** `unreadable`: of another version, or under a key that only other replicas have. */
type Loaded = Kept | 'gone' | 'unreadable'
type Load = (id: string) => Promise<Loaded>

const keptOf = (loaded: Loaded | undefined): Kept | undefined => (typeof loaded === 'object' ? loaded : undefined)
const recordOf = (loaded: Loaded | undefined): SessionRecord | undefined => keptOf(loaded)?.record

/** What is no hash is no session of ours: nobody is kept waiting for it. */
function unlessForeign(error: unknown): (string | null)[] {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return [null, '', null, null, null]
  throw error
}

async function listFrom(index: RedisIndex, filter: SessionFilter, most: number, now: Instant, load: Load): Promise<SessionList> {
  if (filter.id !== undefined) {
    const one = keptOf(await load(filter.id))
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
      gone.push(...page.filter((_, at) => loaded[at] === 'gone'))
      for (const one of loaded.map(keptOf))
        if (one && isOpen(one, now) && fits(one.record, filter)) found.set(one.record.id, one.record)
      if (page.length < pageLength) break
    }
    await index.drop(place, gone, now)
  }
  const records = [...found.values()].sort(byAge)
  return { records: records.slice(0, most), complete: complete && records.length <= most }
}

const isOpen = ({ record, until }: Kept, now: Instant): boolean => !record.over && now < until
