// The last refusals of this process, for whoever asks why. Owns what is remembered and how much: plain data about the person and
// the place; no token, no cookie, no query, no header. Costs nothing where nobody is refused.
import type { Reason } from '../errors.ts'
import type { Generation, Identity, Instant, RequestView } from '../types.ts'
import { tell } from './explain.ts'
import type { Explanation } from './explanation.ts'

export interface Refusal {
  readonly id: string
  readonly at: Instant
  /** Of the configuration that refused. */
  readonly generation: number
  readonly method: string
  /** Empty where no portal is known. */
  readonly host: string
  /** Without its query. */
  readonly path: string
  readonly clientIp: string | null
  readonly portal: string
  readonly reason: Reason
  /** Default: deny. A challenge is one that was answered, not sent to the sign-in. */
  readonly kind?: 'challenge' | 'deny'
  readonly rule?: string
  readonly message?: string
  readonly detail?: string
  readonly identity?: Identity
}
export interface Refusals {
  note(refusal: Refusal): void
  find(id: string): Refusal | undefined
  /** Newest first. */
  recent(): readonly Refusal[]
  /** How many, and how large, bytes. */
  size(): { readonly count: number; readonly bytes: number }
}

interface Shelf {
  readonly count: number
  readonly bytes: number
}
/** Scanners and broken clients, whom nobody knows, must not push out the people. Together 200 and 1 MiB. */
const people: Shelf = { count: 150, bytes: 768 * 1024 }
const strangers: Shelf = { count: 50, bytes: 256 * 1024 }

export function createRefusals(): Refusals {
  const shelves = [createShelf(people), createShelf(strangers)] as const
  return {
    note: (refusal) => {
      const plain = plainly(refusal)
      for (const shelf of shelves) shelf.remove(refusal.id)
      shelves[plain.identity ? 0 : 1].add(plain)
    },
    find: (id) => shelves[0].kept.get(id)?.refusal ?? shelves[1].kept.get(id)?.refusal,
    recent: () =>
      shelves.flatMap(({ kept }) => [...kept.values()].map(({ refusal }) => refusal).reverse()).sort((a, b) => b.at - a.at),
    size: () => ({ count: shelves[0].kept.size + shelves[1].kept.size, bytes: shelves[0].bytes() + shelves[1].bytes() }),
  }
}

/** A copy: it must hold nothing of the request but this, and what it is made of must not grow afterwards. */
function plainly({ identity, path, ...refusal }: Refusal): Refusal {
  const own = { ...refusal, path: path.split('?')[0]?.slice(0, 2048) ?? '' }
  if (!identity) return own
  const { provider, issuer, subject, account, groups, claims, authenticatedAt, assurance, added, profile } = identity
  const person = { provider, issuer, subject, account, groups, claims, authenticatedAt }
  // all that the facts are made of: a rule that is told without one of them would be told wrongly
  const more = { ...(assurance === undefined ? {} : { assurance }), ...(added ? { added } : {}), ...(profile ? { profile } : {}) }
  return { ...own, identity: { ...person, ...more } }
}

function createShelf({ count, bytes: most }: Shelf) {
  const kept = new Map<string, { readonly refusal: Refusal; readonly bytes: number }>()
  let bytes = 0
  const remove = (id: string): void => {
    bytes -= kept.get(id)?.bytes ?? 0
    kept.delete(id)
  }
  const add = (refusal: Refusal): void => {
    // two bytes a character, as the engine keeps them
    const own = JSON.stringify(refusal).length * 2
    if (own > most) return
    kept.set(refusal.id, { refusal, bytes: own })
    bytes += own
    for (const oldest of kept.keys()) {
      if (kept.size <= count && bytes <= most) break
      remove(oldest)
    }
  }
  return { kept, bytes: () => bytes, add, remove }
}

const ofRequest: ReadonlySet<string> = new Set(['query'])
/** At the callback the rules saw the page the person wanted. */
const ofCallback: ReadonlySet<string> = new Set(['method', 'path', 'query'])

/** The refusal with the rules behind it. The rules are those of now: a changed configuration is said. Never rejects. */
export async function explainRefusal(refusal: Refusal, generation: Generation): Promise<Explanation> {
  const { identity, kind = 'deny', reason, rule, message, detail } = refusal
  const portal = refusal.host === '' ? undefined : generation.findPortal(refusal.host, refusal.path)
  const isOwn = portal === undefined || generation.ownEndpoint(requestOf(refusal), portal) !== undefined
  const route = isOwn ? undefined : generation.findRoute(portal, refusal.path, refusal.method)
  const changed = refusal.generation !== generation.number
  return tell({
    decided: { kind, reason, identity, rule, message, detail },
    request: requestOf(refusal),
    portal,
    route,
    at: refusal.at,
    ...(isOwn ? { rulesOf: portal?.routes.at(-1), unknown: ofCallback } : { unknown: ofRequest }),
    notes: [
      ...(changed ? ['the configuration has changed since: the rules are shown as they are now'] : []),
      ...(identity || refusal.host === '' ? [] : ['who it was is not kept: nobody was known, or it failed before']),
    ],
  })
}

const requestOf = ({ id, method, host, path, clientIp }: Refusal): RequestView => ({
  id,
  method,
  host,
  path,
  query: '',
  cookies: '',
  lines: () => [],
  peer: { address: '', isTrustedProxy: false, certificateNames: [] },
  clientAddress: clientIp,
  navigation: false,
})
