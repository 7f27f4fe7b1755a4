// The way out: what is kept of a sign-in for it, and where the browser is sent.
import { buildEndSessionUrl, type Configuration } from 'openid-client'
import type { Json, Session, Show } from '../../types.ts'
import type { Claims } from './oidc-claims.ts'

interface SignOutOptions {
  readonly endSession: boolean
}

/** An ID token longer than this is not kept for the sign-out: it would fill the session cookie and break the URL. */
const longestHint = 4096

/** For the way out: the ID token as hint, and the provider's own session id. */
export function keepOf(
  options: SignOutOptions,
  configuration: Configuration,
  idToken: string | undefined,
  claims: Claims,
): { keep?: Json } {
  const hinted = options.endSession && configuration.serverMetadata().end_session_endpoint !== undefined
  const hint = hinted && idToken !== undefined && idToken.length <= longestHint ? { idToken } : {}
  const sid = typeof claims['sid'] === 'string' ? { sid: claims['sid'] } : {}
  const keep = { ...hint, ...sid }
  return Object.keys(keep).length > 0 ? { keep } : {}
}

/** OpenID Connect RP-Initiated Logout 1.0 section 2. Nowhere to go where the provider has no such end point or is down. */
export async function endOf(
  options: SignOutOptions,
  client: () => Promise<Configuration>,
  session: Session,
  returnTo: URL,
): Promise<Show | undefined> {
  const configuration = options.endSession ? await client().catch(() => undefined) : undefined
  if (configuration?.serverMetadata().end_session_endpoint === undefined) return undefined
  const { idToken } = (session.keep ?? {}) as { readonly idToken?: Json }
  const hint = typeof idToken === 'string' ? { id_token_hint: idToken } : {}
  const to = buildEndSessionUrl(configuration, { ...hint, post_logout_redirect_uri: returnTo.href })
  return { kind: 'redirect', to: to.href }
}
