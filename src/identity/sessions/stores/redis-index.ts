// By what sessions in Redis are found, beside their ids: whose they are, when they end. Entries may outlive a session when a process
// dies between two steps; whoever meets one takes it out. Names stand here as HMACs only.
import { hash } from 'node:crypto'
import type { RedisConnection } from '../../../state/redis-connection.ts'
import type { Identity, Instant } from '../../../types.ts'
import type { Sealer } from '../seal.ts'
import { knownAfterwards, type SessionRecord } from '../session-store.ts'
import { indexing, reserving } from './redis-scripts.ts'

type Whose = Pick<SessionRecord, 'id' | 'audience' | 'identity'>
export interface Placed {
  readonly id: string
  readonly member: string
  readonly score: number
}
export type Person = Pick<Identity, 'issuer' | 'subject'>

const purpose = 'session-index'
/** Milliseconds for which a place counts that has no session yet: whoever took it may have died. */
const settling = 10_000
/** Entries of one place that anybody looks at. */
export const mostScanned = 10_000
const ends = 'postern:{sessions}:ends'
const all = 'postern:{sessions}:all'

export class RedisIndex {
  readonly #connection: RedisConnection
  readonly #sealer: Sealer

  constructor(connection: RedisConnection, sealer: Sealer) {
    this.#connection = connection
    this.#sealer = sealer
  }

  /** Under the first key of the ring; others hold what was filed before it came. */
  #keys(kind: 'person' | 'account', ...of: readonly string[]): readonly [string, ...string[]] {
    const [first, ...older] = this.#sealer.macs(JSON.stringify([kind, ...of]), purpose)
    const keyOf = (mac: string) => `postern:${kind}:${mac}`
    return [keyOf(first), ...older.map(keyOf)]
  }
  readonly #personKeys = ({ issuer, subject }: Person) => this.#keys('person', issuer, subject)

  /** undefined: there is a place for it. Else the ids of those in the way that surely had a session once. */
  async reserve(record: SessionRecord, limit: number, now: Instant): Promise<readonly string[] | undefined> {
    const [key, ...older] = this.#personKeys(record.identity)
    for (const old of older) await this.#merge(old, key, record, now)
    const member = memberOf(record)
    const start = member.slice(0, -record.id.length)
    const answer = await this.#connection.run(reserving, [key], [now, limit, start, member, now + settling, kept(record, now)])
    return answer === 1 ? undefined : (answer as readonly string[]).map(idOf)
  }

  async #merge(from: string, to: string, record: SessionRecord, now: Instant): Promise<void> {
    const flat = (await this.#connection.ask((redis) => redis.call('ZRANGE', from, 0, -1, 'WITHSCORES'))) as readonly string[]
    for (let at = 0; at < flat.length; at += 2)
      await this.#connection.run(indexing, [to], [flat[at + 1] ?? '0', flat[at] ?? '', ...bounds(record, now, over(now))])
  }

  /** Before there is a session, and when its end may have come nearer. */
  async announce(record: SessionRecord, until: Instant, now: Instant): Promise<void> {
    const [account] = this.#keys('account', record.identity.account)
    await Promise.all([
      // too early does no harm: whoever looks then finds the real end
      this.#connection.ask((redis) => redis.zadd(ends, until, record.id)),
      this.#connection.ask((redis) => redis.zadd(all, record.createdAt, record.id)),
      this.#connection.run(indexing, [account], [record.createdAt, record.id, ...bounds(record, now, '-inf')]),
    ])
  }

  /** It counts for its person until then. */
  async count(record: SessionRecord, until: Instant, now: Instant): Promise<void> {
    const [key] = this.#personKeys(record.identity)
    await this.#connection.run(indexing, [key], [until, memberOf(record), ...bounds(record, now, over(now))])
    if (!record.waits) await this.#connection.ask((redis) => redis.zrem(key, memberOf({ ...record, waits: true })))
  }

  async prolong(id: string, until: Instant): Promise<void> {
    await this.#connection.ask((redis) => redis.zadd(ends, 'XX', 'GT', until, id))
  }

  async forget(record: Whose): Promise<void> {
    const members = [memberOf(record), memberOf({ ...record, waits: true })]
    await Promise.all([
      this.settle([record.id]),
      ...this.#personKeys(record.identity).map((key) => this.#connection.ask((redis) => redis.zrem(key, ...members))),
      ...this.#keys('account', record.identity.account).map((key) => this.#connection.ask((redis) => redis.zrem(key, record.id))),
    ])
  }

  /** Nobody has to look for their end any more. */
  async settle(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await Promise.all([ends, all].map((key) => this.#connection.ask((redis) => redis.zrem(key, ...ids))))
  }

  /** Ids that may be over at `now`, the earliest first. */
  ended(now: Instant, most: number): Promise<readonly string[]> {
    return this.#connection.ask((redis) => redis.zrangebyscore(ends, '-inf', now, 'LIMIT', 0, most))
  }

  /** Where to look for sessions of this account, of this person, or of anybody. */
  places(of: { readonly account?: string; readonly person?: Person }): readonly string[] {
    if (of.person) return this.#personKeys(of.person)
    return of.account === undefined ? [all] : this.#keys('account', of.account)
  }

  /** A page of entries, in most places the newest first. */
  async page(place: string, from: number, length: number): Promise<readonly Placed[]> {
    const command = ['ZRANGE', place, from, from + length - 1, 'REV', 'WITHSCORES'] as const
    const flat = (await this.#connection.ask((redis) => redis.call(...command))) as readonly string[]
    return Array.from({ length: flat.length / 2 }, (_, at) => {
      const member = flat[2 * at] ?? ''
      return { id: idOf(member), member, score: Number(flat[2 * at + 1]) }
    })
  }

  /** Takes out what has no session, but for those that have none yet. */
  async drop(place: string, entries: readonly Placed[], now: Instant): Promise<void> {
    const isOfPerson = place.startsWith('postern:person:')
    const dead = entries.filter(({ score }) => (isOfPerson ? score > now + settling : score < now - settling))
    if (dead.length > 0) await this.#connection.ask((redis) => redis.zrem(place, ...dead.map(({ member }) => member)))
  }
}

/** `PORTAL.ID`; `PORTAL~ID` does not count yet. */
const memberOf = ({ id, audience, waits }: Pick<SessionRecord, 'id' | 'audience' | 'waits'>): string =>
  `${hash('sha256', audience, 'hex').slice(0, 12)}${waits ? '~' : '.'}${id}`
const idOf = (member: string): string => member.replace(/^[0-9a-f]{12}[.~]/, '')
const kept = (record: SessionRecord, now: Instant): number => Math.max(1, record.endsAt - now + knownAfterwards)
/** Of a place whose scores are ends: what is lower is over. */
const over = (now: Instant): number => now - knownAfterwards
/** Whoever signs in every minute for years fills nothing. */
const bounds = (record: SessionRecord, now: Instant, lowest: number | '-inf') => [kept(record, now), lowest, mostScanned]
