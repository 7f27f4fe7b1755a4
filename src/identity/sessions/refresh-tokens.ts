// What the tokens of a session say about themselves, and how they are handed from one session to the next.
import type { Instant, Session, SessionRules, Tokens } from '../../types.ts'
import type { SessionKeeper } from './session.ts'

/** The provider is to be asked again. */
export const isDue = ({ tokens }: Pick<Session, 'tokens'>, now: Instant): boolean =>
  tokens?.refreshAt !== undefined && now >= tokens.refreshAt

export const isAccessOver = (tokens: Tokens | undefined, now: Instant): boolean =>
  tokens?.accessEndsAt !== undefined && now >= tokens.accessEndsAt

/** As the provider gave them: nothing is under way. */
export function asGiven({ spentAt: _, ...tokens }: Tokens): Tokens {
  return tokens
}

/** The access token, for as long as it lasts. */
export function withoutRefresh({ access, accessEndsAt }: Tokens): Tokens {
  return { access, ...(accessEndsAt === undefined ? {} : { accessEndsAt }) }
}

/** Nothing newer: the refresh token that was sent, or what is left where somebody gave it up. */
export const isSame = (current: Tokens | undefined, sent: Tokens | undefined): boolean =>
  current !== undefined && current.access === sent?.access && (current.refresh === undefined || current.refresh === sent.refresh)

/** Milliseconds until the next try: 30 seconds, doubled up to 5 minutes. */
export const backoff = (failures: number): number => Math.min(30_000 * 2 ** (failures - 1), 300_000)

const attempts = 3

/**
 * Out of one session for another that takes its place: nobody may send the refresh token for the old one any more. One that is on its
 * way stays behind. Throws PosternError('store-unavailable').
 */
export async function takeTokens(
  keeper: Pick<SessionKeeper, 'replace' | 'reread'>,
  session: Session,
  rules: SessionRules,
  now: Instant,
): Promise<Tokens | undefined> {
  let current: Session | undefined = session
  for (let attempt = 0; attempt < attempts && current?.tokens; attempt++) {
    const { tokens } = current
    if (await keeper.replace(current, { tokens: null }, rules, now))
      return tokens.spentAt === undefined ? tokens : withoutRefresh(tokens)
    current = await keeper.reread(current, rules, now)
  }
  return undefined
}
