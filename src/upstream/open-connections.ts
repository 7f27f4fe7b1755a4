// Connections and answers that go on: each ends when the session does that opened it, before its time or at its time. One list and one
// timer for all. Knows no store and no revocation: it asks.
import type { Allow, Clock, Instant, Session } from '../types.ts'

export interface SessionWatch {
  readonly clock: Clock
  /** The session was ended before its time. */
  readonly isRevoked?: (session: Session) => boolean
  /** After every change of what is revoked. Gives how to stop listening. */
  readonly onRevocation?: (listener: () => void) => () => void
  /**
   * Until when it goes on by what is known now: other requests may have renewed it. undefined: it is over. Without it, a connection
   * ends when its session would have ended as it was when it was opened.
   */
  readonly stillOpen?: (session: Session) => Promise<Instant | undefined>
}
export interface OpenConnections {
  /** @param close is called at most once, and never after what this gives was called */
  add(kind: Kind, opener: Opener, close: (why: string) => void): () => void
  /** No longer asks anybody once the last is gone. */
  close(): void
}
/**
 * `stream`: ends with the session. `answer`: may have an end of its own, like a page or a download: a person's time may run out
 * meanwhile, and somebody signed out has it for a few seconds more at most.
 */
export type Kind = 'stream' | 'answer'
type Opener = Pick<Allow, 'session' | 'endsAt'>

interface Entry {
  readonly session: Session | undefined
  readonly kind: Kind
  readonly since: Instant
  readonly close: (why: string) => void
  endsAt: Instant
  isRevoked: boolean
  isAsking: boolean
}

/** Milliseconds between two looks at all of them, however fast people are signed out. */
const shortestLook = 500
const shortestWait = 100
const longestWait = 1000
/** What a page or an answer to a script has, whose person is signed out meanwhile. */
const grace = 10_000

export function createOpenConnections(watch: SessionWatch): OpenConnections {
  return new Connections(watch)
}

class Connections implements OpenConnections {
  readonly #watch: SessionWatch
  readonly #entries = new Set<Entry>()
  #stopListening: (() => void) | undefined
  #isClosing = false
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #looking: NodeJS.Timeout | undefined
  #hasChanged = false

  constructor(watch: SessionWatch) {
    this.#watch = watch
  }

  add(kind: Kind, { session, endsAt }: Opener, close: (why: string) => void): () => void {
    const end = (kind === 'answer' ? session?.endsAt : endsAt) ?? Number.POSITIVE_INFINITY
    if (!session && end === Number.POSITIVE_INFINITY) return nothing
    const since = this.#watch.clock()
    const entry: Entry = { kind, session, since, close, endsAt: end, isRevoked: false, isAsking: false }
    this.#entries.add(entry)
    this.#listen()
    this.#lookAt(entry) // it may have been signed out while the portal was asked
    this.#wakeAt(entry.endsAt)
    return () => this.#remove(entry)
  }

  close(): void {
    this.#isClosing = true
    this.#stopIfIdle()
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry)
    if (this.#isClosing) this.#stopIfIdle()
  }
  #stopIfIdle(): void {
    if (this.#entries.size > 0) return
    this.#stopListening?.()
    this.#stopListening = undefined
    clearTimeout(this.#timer)
    clearTimeout(this.#looking)
    this.#timer = undefined
    this.#looking = undefined
  }
  #end(entry: Entry, why: string): void {
    if (!this.#entries.has(entry)) return
    this.#remove(entry)
    entry.close(why)
  }

  #listen(): void {
    this.#stopListening ??= this.#watch.onRevocation?.(this.#look)
  }

  /** At once, and then once for all that changes in the next moment. */
  readonly #look = (): void => {
    if (this.#looking) {
      this.#hasChanged = true
      return
    }
    this.#looking = setTimeout(() => {
      this.#looking = undefined
      if (this.#hasChanged) this.#look()
    }, shortestLook).unref()
    this.#hasChanged = false
    this.#lookAtAll()
  }
  readonly #lookAtAll = (): void => {
    for (const entry of this.#entries) this.#lookAt(entry)
  }
  #lookAt(entry: Entry): void {
    if (!entry.session || entry.isRevoked || !this.#watch.isRevoked?.(entry.session)) return
    entry.isRevoked = true
    if (entry.kind === 'stream') return this.#end(entry, signedOut)
    entry.endsAt = Math.min(entry.endsAt, entry.since + grace)
    this.#wakeAt(entry.endsAt)
  }

  /** Never long at a time: a machine that slept, or a clock that was set, ends nothing late. */
  #wakeAt(instant: Instant): void {
    const now = this.#watch.clock()
    const at = Math.min(Math.max(instant, now), now + longestWait)
    if (this.#timer && at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(this.#wake, at - now).unref()
  }
  readonly #wake = (): void => {
    this.#timer = undefined
    const now = this.#watch.clock()
    const due = new Map<string, Entry[]>()
    for (const entry of this.#entries) {
      if (entry.endsAt > now || entry.isAsking) continue
      const { session } = entry
      if (!session || entry.isRevoked || !this.#watch.stillOpen) this.#end(entry, entry.isRevoked ? signedOut : over)
      else {
        const ofSession = due.get(session.id)
        if (ofSession) ofSession.push(entry)
        else due.set(session.id, [entry])
      }
    }
    for (const entries of due.values()) void this.#ask(entries, now)
    this.#wakeForNext(now)
  }
  #wakeForNext(now: Instant): void {
    let next = Number.POSITIVE_INFINITY
    for (const { endsAt, isAsking } of this.#entries) if (!isAsking && endsAt < next) next = endsAt
    if (next !== Number.POSITIVE_INFINITY) this.#wakeAt(Math.max(next, now + shortestWait))
  }

  /** One question for all that a session has opened. Who cannot be asked says no: it is opened again as soon as they can. */
  async #ask(entries: readonly Entry[], now: Instant): Promise<void> {
    for (const entry of entries) entry.isAsking = true
    const [{ session } = { session: undefined }] = entries
    const until = session && (await this.#watch.stillOpen?.(session).catch(() => undefined))
    for (const entry of entries) {
      entry.isAsking = false
      if (until === undefined || until <= now) this.#end(entry, over)
      else if (!entry.isRevoked) entry.endsAt = until
    }
    // the others have been looked at when these began to ask
    if (until !== undefined && until > now) this.#wakeAt(Math.max(until, now + shortestWait))
  }
}

const nothing = (): void => {}
const signedOut = 'its person was signed out'
const over = 'its session is over'
