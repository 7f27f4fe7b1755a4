// A provider tells us, server to server, that it has signed somebody out (OpenID Connect Back-Channel Logout 1.0). Owns the form, that a
// token counts once, and the answers; what makes a token a token is the provider's own business.
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Board } from '../../board.ts'
import { PosternError, type Reason } from '../../errors.ts'
import type { Answer, Clock, Identity, LoggedOut, Portal, RequestView } from '../../types.ts'
import { providerSessionOf } from '../sessions/new-session.ts'
import { type LoginProvider, refuse, type SignInContext } from '../signing-in/sign-in-context.ts'
import { providerAnywhere } from '../signing-in/usable.ts'
import { endSessions, type Meant, ofProviderSession } from './ending.ts'

/** Where ids of logout tokens that were taken are kept. */
export type UsedTokens = Pick<Board, 'get' | 'put'>

/** Seconds after which a provider may try again. */
const tryAgainAfter = '5'
const mostRemembered = 10_000
const taken = '1'

/** For one process, where there is no board. */
export function createUsedTokens(clock: Clock): UsedTokens {
  const used = new LRUCache<string, number>({ max: mostRemembered })
  return {
    async get(key) {
      return (used.get(key) ?? 0) > clock() ? taken : undefined
    },
    async put(key, _, forMs) {
      used.set(key, clock() + forMs)
    },
  }
}

export async function backChannel(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  name: string,
  used: UsedTokens,
): Promise<Answer> {
  if (request.method !== 'POST') return refuse(request, 'method-refused')
  const provider = providerAnywhere(context, portal, name)
  if (!provider?.login.readLogoutToken) return refuse(request, 'endpoint-unknown')
  try {
    const loggedOut = await provider.login.readLogoutToken(tokenIn(request))
    return await end(context, request, portal, provider, loggedOut, used)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    if (error.reason !== 'logout-token-refused' && error.reason !== 'provider-unavailable') throw error
    const { reason, detail } = error
    context.log.audit('logout token refused', { id: request.id, portal: portal.name, provider: name, reason, detail })
    return reason === 'logout-token-refused' ? wrong(reason, name) : later(reason, name)
  }
}

function tokenIn({ form }: RequestView): string {
  const [token, ...more] = form?.getAll('logout_token') ?? []
  if (!token || more.length > 0) throw new PosternError('logout-token-refused', 'the form does not hold exactly one logout_token')
  return token
}

async function end(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  provider: LoginProvider,
  loggedOut: LoggedOut,
  used: UsedTokens,
): Promise<Answer> {
  const tokens = context.board ?? used
  if (await wasTaken(loggedOut, tokens)) throw new PosternError('logout-token-refused', 'its "jti" was used before')
  const { isSure, found } = await endSessions(context, meantBy(loggedOut, provider), 'provider')
  context.log.audit('signed out by the provider', {
    id: request.id,
    portal: portal.name,
    provider: provider.name,
    what: loggedOut.sid === undefined ? 'all sessions of the person' : 'one session at the provider',
    accounts: [...new Set(found.map(({ identity }) => identity.account))],
  })
  const isDone = isSure && (await isKept(loggedOut, tokens, context.clock))
  return isDone ? answered(200, '', { provider: provider.name }) : later('store-unavailable', provider.name)
}

const keyOf = ({ issuer, jti }: LoggedOut): string => `logout-token ${hash('sha256', JSON.stringify([issuer, jti]), 'base64url')}`

/** Where nobody can say it counts: rather ended twice than not at all. */
const wasTaken = (loggedOut: LoggedOut, tokens: UsedTokens): Promise<boolean> =>
  tokens.get(keyOf(loggedOut)).then((text) => text !== undefined, unlessDown)

/** Only once all of it holds: whoever is told to try again brings the same token. False: it could not be written. */
const isKept = (loggedOut: LoggedOut, tokens: UsedTokens, clock: Clock): Promise<boolean> =>
  tokens.put(keyOf(loggedOut), taken, Math.max(1, loggedOut.endsAt - clock())).then(() => true, unlessDown)

function unlessDown(error: unknown): false {
  if (error instanceof PosternError && error.reason === 'store-unavailable') return false
  throw error
}

/** Section 2.7: one session at the provider where it is named, else all of the person's. */
function meantBy({ issuer, sid, subject }: LoggedOut, { name }: LoginProvider): Meant {
  const person = subject === undefined ? undefined : { issuer, subject }
  const filter = person ? { person } : { provider: name }
  if (sid !== undefined) return ofProviderSession(providerSessionBySid(issuer, sid), filter)
  if (!person) throw new PosternError('logout-token-refused', 'it names nobody')
  return { selector: { person }, filter }
}

/** What a session of this `sid` has for its `providerSession`. */
export const providerSessionBySid = (issuer: string, sid: string): string =>
  providerSessionOf({ issuer, subject: '', claims: {} } as unknown as Identity, { sid })

const answered = (status: number, body: string, more: Partial<Answer> = {}): Answer => ({
  status,
  show: { kind: 'document', type: 'application/json', body },
  cookies: [],
  ...more,
})
/** Section 2.8, in the words of RFC 6749 section 5.2. Why is for the log. */
const wrong = (reason: Reason, provider: string): Answer =>
  answered(400, '{"error":"invalid_request","error_description":"the logout token is not accepted"}', { reason, provider })
const later = (reason: Reason, provider: string): Answer =>
  answered(503, '{"error":"temporarily_unavailable","error_description":"not certain to hold everywhere yet"}', {
    reason,
    provider,
    headers: ['Retry-After', tryAgainAfter],
  })
