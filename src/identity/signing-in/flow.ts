// One sign-in between going away and coming back: sealed state, flow cookie, single use, ten minutes. Owns their form and their
// time; must not know what a provider puts into a flow, nor who is signed in by it.
import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Board } from '../../board.ts'
import { cookieNames, cookieValue } from '../../cookies.ts'
import type { Instant, Json, RequestView, SessionRules } from '../../types.ts'
import type { Sealer } from '../sessions/seal.ts'
import { deletion } from '../sessions/session-cookie.ts'

/** Milliseconds from `/start` to the callback. */
export const flowLifetime = 600_000
const mostFlowCookies = 5
const mostRemembered = 10_000

/** What travels in `state`, sealed. */
export interface FlowState {
  readonly portal: string
  readonly id: string
  readonly at: Instant
}
/** What stays in the browser's flow cookie, sealed. */
export interface FlowRecord extends FlowState {
  readonly provider: string
  readonly audience: string
  readonly returnTo: string
  /** Where what the person had typed is kept. */
  readonly kept?: string
  /** The exact redirect URI that was sent. */
  readonly callback: string
  /** The provider's own. */
  readonly flow: Json
  readonly expects?: Expectations
}
/** What was asked of this sign-in; all of it is held against what comes back. People and texts as fingerprints. */
export interface Expectations {
  /** The provider really asks. */
  readonly fresh?: true
  /** One of these, separated by spaces. */
  readonly acr?: string
  /** Who has to come back; for a second factor, whose session it is added to. */
  readonly person?: string
  /** What the claim of `verify` must hold. */
  readonly verified?: string
  /** A second factor for people of this provider. */
  readonly after?: string
}

type Cookies = Pick<RequestView, 'cookies'>

/** Sortable by age, not guessable. */
export const newFlowId = (now: Instant): string => now.toString(36).padStart(9, '0') + randomBytes(9).toString('base64url')
const flowId = /^[0-9a-z]{9}[A-Za-z0-9_-]{12}$/

export interface Flows {
  sealState(state: FlowState): Promise<string>
  /** undefined: not ours. Its age is the caller's to judge. */
  openState(text: string): Promise<FlowState | undefined>
  /** Set-Cookie values: this flow's, and deletions so that the newest five remain. */
  keep(record: FlowRecord, request: Cookies, rules: SessionRules): Promise<readonly string[]>
  /** undefined: another browser, another portal, or gone. */
  find(state: FlowState, request: Cookies, rules: SessionRules): Promise<FlowRecord | undefined>
  /** Set-Cookie values that delete this flow's cookie, where the request sent it. */
  clear(id: string, request: Cookies, rules: SessionRules): readonly string[]
}

export function createFlows(sealer: Sealer): Flows {
  const nameOf = (rules: SessionRules, id: string) => `${rules.cookieName}.f${id}`
  return {
    sealState: ({ portal, id, at }) => sealer.seal({ portal, id, at }, 'state'),
    openState: async (text) => (await sealer.open(text, 'state')) as FlowState | undefined,
    async keep(record, request, rules) {
      const attributes = attributesOf(rules)
      const sealed = await sealer.seal(record as unknown as Json, 'flow')
      const older = idsIn(request.cookies, rules).slice(mostFlowCookies - 1)
      return [
        `${nameOf(rules, record.id)}=${sealed}; ${attributes}; Max-Age=${flowLifetime / 1000}`,
        ...older.map((id) => deletion(nameOf(rules, id), attributes)),
      ]
    },
    async find(state, request, rules) {
      const sealed = cookieValue(request.cookies, nameOf(rules, state.id))
      const record = sealed === undefined ? undefined : ((await sealer.open(sealed, 'flow')) as FlowRecord | undefined)
      return record?.id === state.id && record.at === state.at && record.audience === rules.audience ? record : undefined
    },
    clear: (id, request, rules) =>
      cookieValue(request.cookies, nameOf(rules, id)) === undefined ? [] : [deletion(nameOf(rules, id), attributesOf(rules))],
  }
}

/** Ids of the flow cookies a request brings, the newest first. */
function idsIn(cookies: string, rules: SessionRules): readonly string[] {
  const prefix = `${rules.cookieName}.f`
  const ids = cookieNames(cookies, prefix, 128).map((name) => name.slice(prefix.length))
  return [...new Set(ids.filter((id) => flowId.test(id)))].sort().reverse()
}

/** Lax whatever the session cookie is: the callback is a link followed from another site. */
const attributesOf = ({ cookieAttributes }: SessionRules): string =>
  `${cookieAttributes.replace(/;?\s*SameSite=[A-Za-z]+/i, '')}; SameSite=Lax`

/** What is remembered of flows; outlives a reload. */
export interface FlowMemory {
  /** Somebody was sent away by this process. */
  expect(id: string, waiting: Waiting): void
  /** They are back, here. Never rejects. */
  arrived(id: string): void | Promise<void>
  /** Those whose time ended and whom no replica has seen, each once. Synchronous and never rejecting where there is no board. */
  timedOut(now: Instant): readonly Waiting[] | Promise<readonly Waiting[]>
  /**
   * False where this flow was used before, at whichever replica. Throws PosternError('store-unavailable'): then it may not be used, and
   * can be tried again.
   */
  use(id: string): boolean | Promise<boolean>
}
export interface Waiting {
  readonly at: Instant
  readonly requestId: string
  readonly portal: string
  readonly provider: string
  readonly credentialType: string
  readonly clientAddress: string | null
}
export interface FlowMemoryOptions {
  /** Where replicas tell each other; without one this process is alone. */
  readonly board?: Board
  readonly most?: number
}

/** Bounded: of more than `most` at a time the oldest are forgotten. */
export function createFlowMemory({ board, most = mostRemembered }: FlowMemoryOptions = {}): FlowMemory {
  const here = rememberHere(most)
  return board ? shareOn(board, here) : here
}

interface HereOnly extends FlowMemory {
  isExpected(id: string): boolean
  timedOut(now: Instant): readonly Waiting[]
  late(now: Instant): readonly (readonly [id: string, waiting: Waiting])[]
  wasUsed(id: string): boolean
  use(id: string): boolean
}

function rememberHere(most: number): HereOnly {
  const waiting = new Map<string, Waiting>()
  const used = new LRUCache<string, true>({ max: most })
  const late = (now: Instant) => {
    const those: (readonly [string, Waiting])[] = []
    for (const entry of waiting) {
      if (now - entry[1].at < flowLifetime) break // in the order they began
      those.push(entry)
    }
    return those
  }
  return {
    expect(id, who) {
      const oldest = waiting.keys().next().value
      if (waiting.size >= most && oldest !== undefined) waiting.delete(oldest)
      waiting.set(id, who)
    },
    isExpected: (id) => waiting.has(id),
    arrived: (id) => void waiting.delete(id),
    late,
    timedOut(now) {
      const those = late(now)
      for (const [id] of those) waiting.delete(id)
      return those.map(([, who]) => who)
    },
    wasUsed: (id) => used.has(id),
    use(id) {
      if (used.has(id)) return false
      used.set(id, true)
      return true
    },
  }
}

/** Twice its life, for clocks that differ between replicas. */
const sharedFor = 2 * flowLifetime

function shareOn(board: Board, here: HereOnly): FlowMemory {
  const arrivedKey = (id: string) => `flow-arrived ${id}`
  return {
    expect: here.expect,
    async arrived(id) {
      if (here.isExpected(id)) here.arrived(id)
      // a line too many in the log of the one who waits is all that can come of it
      else await board.put(arrivedKey(id), '1', sharedFor).catch(() => undefined)
    },
    async timedOut(now) {
      const unseen: Waiting[] = []
      try {
        for (const [id, who] of here.late(now)) {
          const seen = await board.get(arrivedKey(id))
          if (!here.isExpected(id)) continue // the look before this one was still under way
          here.arrived(id)
          if (seen === undefined) unseen.push(who)
        }
      } catch {
        // those who were not asked about are asked about next time
      }
      return unseen
    },
    async use(id) {
      if (here.wasUsed(id) || !(await board.once(`flow-used ${id}`, sharedFor))) return false
      return here.use(id)
    },
  }
}
