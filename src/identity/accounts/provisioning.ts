// Owns that an account stands in the portal before its person arrives: one call per account, once more when the mapped shape has
// changed, made by one process where several want to. Must not know what the call says, nor who decided that somebody gets in.
import { hash, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { PosternError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { StateStore } from '../../state.ts'
import type { Clock, Facts, Identity, Instant, Json } from '../../types.ts'
import { CallError, type OutboundCall } from './outbound-call.ts'
import { keyed, sendRepeatedly } from './repeated-call.ts'

export interface Order {
  readonly portal: string
  /** Shaped: its profile is what the portal is told. */
  readonly identity: Identity
  readonly facts: Facts
  readonly call: OutboundCall
  /** Milliseconds for the call and its repetitions together. */
  readonly timeout: number
}
export interface Provisioning {
  /** Throws PosternError('provisioning-failed'), or 'store-unavailable'. Whoever signs in next tries again. */
  ensure(order: Order): Promise<void>
}
/** What could not be done, for the operator. No value of the call's. */
export interface ProvisioningFailure {
  readonly portal: string
  readonly provider: string
  readonly account: string
  readonly profile: string
  readonly at: string
  readonly detail: string
}
export interface ProvisioningOptions {
  readonly store: StateStore
  readonly clock: Clock
  readonly log: Pick<Log, 'audit'>
}

/** Milliseconds. */
const betweenLooks = 100
const betweenAttempts = 200
/** A process that ended in the middle of its call holds the others up no longer than this after its time. */
const grace = 5000
const failuresKept = 30 * 86_400_000
const failedPrefix = 'provisioning-failed:'

/** What the store holds of one account at one portal. */
interface Entry {
  /** What the portal was told last. */
  readonly done?: string
  /** How often it was told something: A, then B, then A again are three calls, not two. */
  readonly times: number
  /** Somebody is telling it now. */
  readonly lease?: { readonly by: string; readonly until: Instant }
}

export function createProvisioning(options: ProvisioningOptions): Provisioning {
  return {
    async ensure(order) {
      const id = idOf(order)
      const shape = shapeOf(order.identity)
      const turn = await takeTurn(options, order, `provisioned:${id}`, shape)
      if (turn === 'done') return
      await carryOut(options, order, turn, { id, shape })
    },
  }
}

/** Newest first. Throws PosternError('store-unavailable'). */
export async function provisioningFailures(store: StateStore): Promise<readonly ProvisioningFailure[]> {
  const entries = await store.list(failedPrefix, 1000)
  const failures = entries.map(([, value]) => value as unknown as ProvisioningFailure)
  return failures.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
}

interface Turn {
  readonly key: string
  readonly before: Entry
  readonly leased: Entry
}

/** Waits for whoever is at it; then it is done, or our turn. */
async function takeTurn({ store, clock }: ProvisioningOptions, order: Order, key: string, shape: string): Promise<Turn | 'done'> {
  const patience = AbortSignal.timeout(order.timeout)
  for (;;) {
    const known = await store.get(key)
    const entry = (known ?? { times: 0 }) as unknown as Entry
    const isBusy = entry.lease !== undefined && clock() < entry.lease.until
    if (!isBusy && entry.done === shape && entry.lease === undefined) return 'done'
    if (!isBusy) {
      const before = withoutLease(entry)
      const lease = { by: randomBytes(9).toString('base64url'), until: clock() + order.timeout + grace }
      const leased = { ...before, lease }
      if (await store.change(key, known, leased as unknown as Json)) return { key, before, leased }
    }
    if (patience.aborted) throw new PosternError('provisioning-failed', 'another process is at it and does not come to an end')
    await setTimeout(betweenLooks)
  }
}

/** Cut off in the middle: whether the portal was told is not known, so it is told again. */
function withoutLease({ lease: _, ...entry }: Entry): Entry {
  return entry
}

async function carryOut(
  { store, clock, log }: ProvisioningOptions,
  order: Order,
  { key, before, leased }: Turn,
  { id, shape }: { readonly id: string; readonly shape: string },
): Promise<void> {
  const { portal, identity } = order
  const who = { portal, provider: identity.provider, account: identity.account, profile: identity.profile?.name ?? '' }
  const failedKey = failedPrefix + id
  try {
    await tell(order, [id, shape, String(before.times)])
  } catch (error) {
    const detail = error instanceof CallError ? error.message : 'it failed'
    const failure = { ...who, at: new Date(clock()).toISOString(), detail }
    log.audit('provisioning failed', { ...who, detail })
    const keep = async () => store.change(failedKey, await store.get(failedKey), failure, clock() + failuresKept)
    // a store that fails as well hides nothing: the lease ends by itself
    await Promise.allSettled([giveBack(store, { key, before, leased }), keep()])
    throw new PosternError('provisioning-failed', `provisioning at ${portal}: ${detail}`)
  }
  log.audit('provisioned', who)
  // before it is done: whoever comes when it is looks at nothing any more
  const failed = await store.get(failedKey)
  if (failed !== undefined) await store.change(failedKey, failed, undefined)
  await store.change(key, leased as unknown as Json, { done: shape, times: before.times + 1 })
}

/** What the portal holds now is not known: even the shape it had before has to be told again. */
function giveBack(store: StateStore, { key, before: { times }, leased }: Turn): Promise<boolean> {
  return store.change(key, leased as unknown as Json, times === 0 ? undefined : { times })
}

/** Throws CallError. The same key every time, so that a portal that had heard it already does it once. */
async function tell({ call, facts, timeout }: Order, parts: readonly string[]): Promise<void> {
  const filled = keyed(await call.fill(facts), parts)
  await sendRepeatedly(call, filled, AbortSignal.timeout(timeout), betweenAttempts)
}

/** Groups are a set, and members of an object have no order: a provider that lists them otherwise has changed nothing. */
function shapeOf({ account, groups, profile }: Identity): string {
  return digest([account, [...new Set(groups)].sort(), profile?.name ?? null, sorted(profile?.attributes ?? {})])
}

function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const entries = Object.entries(value as Readonly<Record<string, Json>>)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, inner]) => [name, sorted(inner)]))
}

const idOf = ({ portal, identity: { provider, account } }: Order): string => digest([portal, provider, account])
const digest = (value: Json): string => hash('sha256', JSON.stringify(value), 'base64url')
