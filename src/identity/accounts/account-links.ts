// Which account belongs to whom, beyond the day of the first sign-in: first by e-mail, from then on by (issuer, subject). Owns
// the keys `link/`, `link-email/` and `link-account/` of the state store; knows no portal, no request and no protocol.
//
// A link is written before what it claims (its e-mail, its account), both under the same random attempt, and counts once it is no
// longer `pending`. A claim holds while its owner's link is of the same attempt: so whatever is left by a process that died, or by
// two that raced, is either finished or nobody's, and one comparing write at a time is all the store has to offer.
import { createHash, randomUUID } from 'node:crypto'
import { PosternError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { StateStore } from '../../state.ts'
import type { Clock, Identity, Instant, Json } from '../../types.ts'

/** As it is kept and as the admin listener shows it. */
export interface AccountLink {
  readonly id: string
  readonly account: string
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  /** At the first sign-in. */
  readonly email: string
  readonly linkedAt: Instant
}
export interface LinkOptions {
  /** Default true: the first e-mail counts only where `email_verified` is true. */
  readonly verified?: boolean
}
export type LinkOutcome =
  | { readonly kind: 'account'; readonly account: string }
  /** Refused, and audited. `detail` is for the log. */
  | {
      readonly kind: 'conflict'
      readonly reason: 'link-conflict' | 'email-not-verified' | 'account-missing'
      readonly detail: string
    }

export interface AccountLinks {
  /**
   * What `resolve` would answer now; writes nothing, so that whoever is refused afterwards leaves nothing behind.
   * Throws PosternError('store-unavailable').
   */
  look(identity: Identity, provider: string, options?: LinkOptions): Promise<LinkOutcome>
  /** Links whoever has none yet. Throws PosternError('store-unavailable'). */
  resolve(identity: Identity, provider: string, options?: LinkOptions): Promise<LinkOutcome>
  /** All, or those of this account in any case. At most 10 000. Throws PosternError('store-unavailable'). */
  list(account?: string): Promise<readonly AccountLink[]>
  /** False: there is no such link. The e-mail and the account are free again. Throws PosternError('store-unavailable'). */
  remove(id: string): Promise<boolean>
}

interface Kept extends AccountLink {
  readonly attempt: string
  readonly pending?: true
}
interface Claim {
  readonly owner: string
  readonly attempt: string
}

/** Milliseconds after which a sign-in that died between two writes is forgotten. */
const patience = 60_000
const attempts = 8

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')
/** No `-` in front: it is typed on a command line. */
const idOf = ({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): string =>
  createHash('sha256')
    .update(JSON.stringify([issuer, subject]))
    .digest('hex')
/**
 * Two spellings that a portal might take for one are one here: refusing is the safe mistake. Upper case folds what lower case leaves
 * apart (dotless i, long s, final sigma, sharp s), and nobody sees what is ignorable (soft hyphen, zero-width space).
 */
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .trim()
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
const linkKey = (id: string): string => `link/${id}`
const claimKeys = ({ email, account }: Pick<Kept, 'email' | 'account'>): readonly [string, string] => [
  `link-email/${digest(folded(email))}`,
  accountKey(account),
]
const accountKey = (account: string): string => `link-account/${digest(folded(account))}`
const asJson = (value: Kept | Claim): Json => value as unknown as Json

export function createAccountLinks(parts: {
  readonly store: StateStore
  readonly log: Pick<Log, 'audit'>
  readonly clock: Clock
}): AccountLinks {
  const { store, log, clock } = parts
  const read = async (id: string): Promise<Kept | undefined> => (await store.get(linkKey(id))) as unknown as Kept | undefined

  const holderIn = async (present: Claim | undefined, id: string): Promise<AccountLink | undefined> => {
    const holder = present && present.owner !== id ? await read(present.owner) : undefined
    return holder?.attempt === present?.attempt ? holder : undefined
  }

  /** Who else holds it; undefined: it is ours now. */
  async function claim(key: string, mine: Kept): Promise<AccountLink | undefined> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const present = (await store.get(key)) as unknown as Claim | undefined
      if (present?.owner === mine.id && present.attempt === mine.attempt) return undefined
      const holder = await holderIn(present, mine.id)
      if (holder) return holder
      const before = present && asJson(present)
      if (await store.change(key, before, asJson({ owner: mine.id, attempt: mine.attempt }))) return undefined
    }
    throw new PosternError('store-unavailable', 'an account link is contended')
  }

  /** The link first: claims without one are nobody's. */
  async function release(kept: Kept): Promise<boolean> {
    if (!(await store.change(linkKey(kept.id), asJson(kept), undefined))) return false
    const claimed = asJson({ owner: kept.id, attempt: kept.attempt })
    for (const key of claimKeys(kept)) await store.change(key, claimed, undefined)
    return true
  }

  function refuse(identity: Identity, provider: string, outcome: Omit<LinkOutcome & { kind: 'conflict' }, 'kind'>, link = '') {
    const { issuer, subject, account } = identity
    log.audit('account link refused', { provider, issuer, subject, account, ...outcome, ...(link ? { link } : {}) })
    return { kind: 'conflict', ...outcome } as const
  }

  async function begin(kept: Kept): Promise<boolean> {
    return store.change(linkKey(kept.id), undefined, asJson(kept), clock() + patience)
  }

  type Taken = { readonly what: string; readonly holder: AccountLink }
  async function firstTaken(
    wanted: Pick<Kept, 'email' | 'account'>,
    holderAt: (key: string) => Promise<AccountLink | undefined>,
  ): Promise<Taken | undefined> {
    const [emailKey, account] = claimKeys(wanted)
    for (const [what, key] of [
      ['e-mail address', emailKey],
      ['account', account],
    ] as const) {
      const holder = await holderAt(key)
      if (holder) return { what, holder }
    }
    return undefined
  }

  function refuseTaken(identity: Identity, provider: string, { what, holder }: Taken) {
    const detail = `the ${what} belongs to another subject`
    return refuse(identity, provider, { reason: 'link-conflict', detail }, holder.id)
  }

  async function look(identity: Identity, provider: string, options: LinkOptions = {}): Promise<LinkOutcome> {
    const { account } = identity
    const id = idOf(identity)
    const known = await read(id)
    if (known && !known.pending) return { kind: 'account', account: known.account }
    const email = firstEmail(identity, options)
    if (typeof email !== 'string') return refuse(identity, provider, email)
    const holderAt = async (key: string) => holderIn((await store.get(key)) as unknown as Claim | undefined, id)
    const taken = await firstTaken({ email, account }, holderAt)
    return taken ? refuseTaken(identity, provider, taken) : { kind: 'account', account }
  }

  async function resolve(identity: Identity, provider: string, options: LinkOptions = {}): Promise<LinkOutcome> {
    const id = idOf(identity)
    for (let attempt = 0; attempt < attempts; attempt++) {
      const known = await read(id)
      if (known && !known.pending) return { kind: 'account', account: known.account }
      const email = firstEmail(identity, options)
      if (typeof email !== 'string') return refuse(identity, provider, email)
      const pending = known ?? linkOf(id, identity, provider, email, clock())
      if (!known && !(await begin(pending))) continue
      const taken = await firstTaken(pending, (key) => claim(key, pending))
      if (taken) {
        const released = await release(pending)
        // somebody finished it meanwhile, or it was begun under another e-mail: once more
        if (!released || folded(pending.email) !== folded(email) || pending.account !== identity.account) continue
        return refuseTaken(identity, provider, taken)
      }
      const { pending: _, ...final } = pending
      if (!(await store.change(linkKey(id), asJson(pending), asJson(final)))) continue
      log.audit('account linked', { provider, issuer: final.issuer, subject: final.subject, account: final.account, link: id })
      return { kind: 'account', account: final.account }
    }
    throw new PosternError('store-unavailable', 'an account link is contended')
  }

  async function list(account?: string): Promise<readonly AccountLink[]> {
    if (account === undefined) {
      const entries = await store.list('link/', 10_000)
      return entries
        .map(([, value]) => value as unknown as Kept)
        .filter(isFinished)
        .map(shown)
    }
    const claimed = (await store.get(accountKey(account))) as unknown as Claim | undefined
    const kept = claimed && (await read(claimed.owner))
    return kept && isFinished(kept) && kept.attempt === claimed.attempt ? [shown(kept)] : []
  }

  async function remove(id: string): Promise<boolean> {
    if (!/^[\w-]{1,64}$/.test(id)) return false
    for (let attempt = 0; attempt < attempts; attempt++) {
      const kept = await read(id)
      if (!kept) return false
      if (!(await release(kept))) continue
      const { provider, issuer, subject, account } = kept
      log.audit('account link removed', { provider, issuer, subject, account, link: id })
      return true
    }
    throw new PosternError('store-unavailable', 'an account link is contended')
  }

  return { look, resolve, list, remove }
}

const isFinished = ({ pending }: Kept): boolean => !pending
const shown = ({ id, account, provider, issuer, subject, email, linkedAt }: Kept): AccountLink => ({
  id,
  account,
  provider,
  issuer,
  subject,
  email,
  linkedAt,
})

function firstEmail(identity: Identity, { verified = true }: LinkOptions) {
  const { email } = identity
  if (email === undefined || folded(email) === '')
    return { reason: 'account-missing', detail: 'the first sign-in brings no e-mail address' } as const
  if (verified && !isVerified(identity.claims))
    return { reason: 'email-not-verified', detail: 'the first sign-in needs a verified e-mail address' } as const
  return email
}

/** The same words that providers/ takes for a verified address. */
const isVerified = (claims: Identity['claims']): boolean =>
  [true, 'true'].includes((claims['email_verified'] ?? claims['verified_email'] ?? false) as string | boolean)

const linkOf = (id: string, identity: Identity, provider: string, email: string, linkedAt: Instant): Kept => ({
  id,
  account: identity.account,
  provider,
  issuer: identity.issuer,
  subject: identity.subject,
  email,
  linkedAt,
  attempt: randomUUID(),
  pending: true,
})
