// Revocations that every replica hears of: told to a feed, read from it, told again until it has them. Owns how sure this process may
// be that it knows all. Knows no Redis; what it tells is sealed, and under names that say nothing.
import { PosternError } from '../../errors.ts'
import type { Feed, FeedPosition, News } from '../../feed.ts'
import type { Log } from '../../log.ts'
import type { Clock, Instant } from '../../types.ts'
import { createRevocationRing, type RevocationRing } from './revocation-ring.ts'
import {
  createRevocations,
  type KnownRevocations,
  keyOf,
  type Revocation,
  type Revocations,
  rememberedAfterwards,
  type Selector,
} from './revocations.ts'

export interface SharedRevocations extends Revocations {
  /** Reads what is new, and tells what could not be told before. Never rejects; false: the feed did not answer. */
  poll(): Promise<boolean>
  /** The feed is not closed. */
  close(): void
}
export interface SharedOptions {
  readonly feed: Feed
  /** `session.keys` as they are now: after a change all is read and told again. */
  readonly keys: () => readonly string[]
  readonly log: Pick<Log, 'server'>
  readonly clock: Clock
  /** Monotonic milliseconds: the time of day may jump while nothing was missed. */
  readonly ticks: () => number
  /** Milliseconds without an answer of the feed after which nobody can be called signed in; three polls at least. */
  readonly staleness: number
  readonly most?: number
  /** Milliseconds between two polls; 0: whoever made this polls. */
  readonly every?: number
}

/** What one message to the feed holds at most. */
const batch = 200
/** Replicas' clocks are kept by NTP to a few milliseconds; a sign-in with a person in it takes longer than this. */
const clockSkew = 1000
const complainEvery = 60_000

/** Knows nothing, and is not current, before the first poll: one is begun here. */
export function createSharedRevocations(options: SharedOptions): SharedRevocations {
  return new Shared(options)
}

class Shared implements SharedRevocations {
  readonly #options: SharedOptions
  readonly #known: KnownRevocations
  /** Not yet sure to be in the feed; never more than may be known. */
  readonly #untold = new Map<string, Revocation>()
  /** Of what was read or told, name in the feed -> key: all of it is read again after every loss, and opened once. */
  readonly #names = new Map<string, string>()
  readonly #most: number
  readonly #every: number
  readonly #timer: NodeJS.Timeout | undefined
  readonly #endHints: () => void
  #ring: RevocationRing | undefined
  #position: FeedPosition | undefined
  #readsAnew = false
  /** While all is read from the beginning: what was there. */
  #seen: Set<string> | undefined
  /** In ticks. */
  #heardAt: number | undefined
  #running: Promise<boolean> = Promise.resolve(false)
  #next: Promise<boolean> | undefined
  #isSilent = false
  #complainedAt = Number.NEGATIVE_INFINITY

  constructor(options: SharedOptions) {
    this.#options = options
    this.#most = options.most ?? 100_000
    this.#known = createRevocations({ log: options.log, clockSkew, most: this.#most })
    this.#every = options.every ?? 1000
    if (this.#every > 0) this.#timer = setInterval(() => void this.poll(), this.#every).unref()
    this.#endHints = options.feed.onHint(() => void this.poll())
    void this.poll()
  }

  get size(): number {
    return this.#known.size
  }
  isRevoked: Revocations['isRevoked'] = (session) => this.#known.isRevoked(session)
  startOf: Revocations['startOf'] = (session) => this.#known.startOf(session)
  onChange: Revocations['onChange'] = (listener) => this.#known.onChange(listener)

  isCurrent(): boolean {
    return (
      this.#heardAt !== undefined && this.#options.ticks() - this.#heardAt <= Math.max(this.#options.staleness, 3 * this.#every)
    )
  }

  async revoke(selector: Selector, at: Instant, until: Instant): Promise<void> {
    const key = keyOf(selector)
    await this.#known.revoke(selector, at, until) // holds before anything is awaited
    const entry = key === undefined ? undefined : this.#known.find(key)
    if (key === undefined || !entry) throw new PosternError('store-unavailable', 'too many ended sessions to remember')
    this.#untold.delete(key) // the newest goes last
    this.#untold.set(key, entry)
    const [oldest] = this.#untold.size > this.#most ? this.#untold.keys() : []
    if (oldest !== undefined) this.#untold.delete(oldest)
    await this.#tell([[key, entry]])
  }

  poll(): Promise<boolean> {
    // one at a time; whoever asks meanwhile gets one that began after they asked
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      this.#running = this.#round()
      return this.#running
    })
    return this.#next
  }

  async #round(): Promise<boolean> {
    const askedAt = this.#options.ticks()
    try {
      this.#followKeys()
      await this.#readAll()
      this.#heardAt = askedAt
      await this.#tellUntold()
      this.#heard(true)
      return true
    } catch (error) {
      this.#heard(false, error instanceof Error ? error.message : 'unknown error')
      return false
    }
  }

  async #readAll(): Promise<void> {
    if (this.#readsAnew) this.#position = undefined
    this.#readsAnew = false
    for (let more = true; more; ) {
      const page = await this.#options.feed.read(this.#position)
      if (page.anew) this.#seen = new Set()
      await this.#learn(page.news)
      this.#position = page.position
      more = page.more
    }
    if (this.#seen) this.#missAll(this.#seen)
    this.#seen = undefined
  }

  /** The feed began anew: what this process knows and the feed does not is told again. */
  #missAll(seen: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) {
      const entry = seen.has(key) ? undefined : this.#known.find(key)
      if (entry) this.#untold.set(key, entry)
    }
  }

  async #tellUntold(): Promise<void> {
    const now = this.#options.clock()
    const waiting = [...this.#untold]
    for (const [key, entry] of waiting) if (!matters(entry, now)) this.#untold.delete(key)
    const left = waiting.filter(([, entry]) => matters(entry, now))
    for (let from = 0; from < left.length; from += batch) await this.#tell(left.slice(from, from + batch))
  }

  async #tell(entries: readonly (readonly [string, Revocation])[]): Promise<void> {
    const { feed, clock } = this.#options
    const ring = this.#followKeys()
    const sealed = await Promise.all(entries.map(([key, entry]) => ring.sealed(key, entry)))
    await feed.tell(sealed.flat(), clock())
    // what was revoked again meanwhile is another entry
    for (const [key, entry] of entries) if (this.#untold.get(key) === entry) this.#untold.delete(key)
  }

  async #learn(news: readonly News[]): Promise<void> {
    const now = this.#options.clock()
    const ring = this.#followKeys()
    const live = news.filter((one) => matters(one, now))
    const strange = live.filter((one) => !this.#isKnown(one))
    const opened = await Promise.all(strange.map((one) => ring.opened(one)))
    const readable = opened.filter((one) => one !== undefined)
    this.#known.learn(readable, now)
    for (const [at, one] of opened.entries()) this.#name(strange[at]?.name ?? '', one && keyOf(one))
    for (const revocation of readable) this.#seen?.add(keyOf(revocation) ?? '')
    for (const { name } of live) this.#seen?.add(this.#names.get(name) ?? '')
    this.#complain(strange.length - readable.length, now)
  }

  #isKnown({ name, at, until }: News): boolean {
    const entry = this.#known.find(this.#names.get(name) ?? '')
    return entry !== undefined && entry.at >= at && entry.until >= until
  }
  #name(name: string, key: string | undefined): void {
    if (key === undefined) return
    if (this.#names.size >= 2 * this.#most) this.#names.clear() // costs opening them again
    this.#names.set(name, key)
  }

  #complain(unreadable: number, now: Instant): void {
    if (unreadable === 0 || now - this.#complainedAt < complainEvery) return
    this.#complainedAt = now
    const text = 'Ended sessions of other replicas cannot be read: do all have the same session.keys?'
    this.#options.log.server('warn', text, { unreadable })
  }

  /** Under other keys what could not be read may be readable; and what cannot be read any more is told again by who knows it. */
  #followKeys(): RevocationRing {
    const keys = this.#options.keys()
    if (this.#ring?.isOf(keys)) return this.#ring
    this.#readsAnew = true
    this.#names.clear()
    this.#ring = createRevocationRing(keys)
    return this.#ring
  }

  #heard(isThere: boolean, detail?: string): void {
    if (this.#isSilent === !isThere) return
    this.#isSilent = !isThere
    const { log } = this.#options
    if (isThere) log.server('info', 'ended sessions are shared with the other replicas again')
    else log.server('error', 'ended sessions cannot be shared with the other replicas', { detail })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#endHints()
  }
}

/** Also after its end, for as long as it is remembered. */
const matters = ({ until }: Pick<Revocation, 'until'>, now: Instant): boolean => until + rememberedAfterwards > now
