// The page that asks whether somebody wants to sign out, where another site's page asked for it. Owns the proof that the answer is the
// person's own.
import type { Answer, Identified, Portal, Provider, RequestView, Session, Show } from '../../types.ts'
import type { SignInContext } from '../signing-in/sign-in-context.ts'

/** Browsers without Fetch Metadata send `Origin: null` from a page with no referrer, such as ours. */
export async function isConfirmed(
  { sealer }: SignInContext,
  request: RequestView,
  session: Session | undefined,
): Promise<boolean> {
  const token = new URLSearchParams(request.query).get('confirm')
  return (
    request.method === 'POST' && session !== undefined && token !== null && (await sealer.open(token, 'sign-out')) === session.id
  )
}

/** @param endAt where the provider would send the person on to */
export async function confirm(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  known: Identified,
  session: Session | undefined,
  endAt: (provider: Provider, session: Session) => Promise<Show | undefined>,
): Promise<Answer> {
  const query = new URLSearchParams()
  if (new URLSearchParams(request.query).get('scope') === 'local') query.set('scope', 'local')
  if (session) query.set('confirm', await context.sealer.seal(session.id, 'sign-out'))
  const identity = session?.identity ?? (known.outcome.kind === 'identified' ? known.outcome.identity : undefined)
  const provider = portal.providers.find(({ name }) => name === session?.identity.provider)
  const page = {
    name: 'confirm-sign-out' as const,
    action: `${context.basePath}/logout${query.size > 0 ? `?${query}` : ''}`,
    formTargets: originsOf(session && provider ? await endAt(provider, session) : undefined),
    ...(identity ? { account: identity.account } : {}),
  }
  return {
    show: { kind: 'page', page },
    cookies: [],
    ...(identity ? { provider: identity.provider, account: identity.account } : {}),
  }
}

/** Content-Security-Policy `form-action` holds for redirections after the form too: the provider's origin must be in it. */
const originsOf = (show: Show | undefined): readonly string[] =>
  show?.kind === 'redirect' && URL.canParse(show.to) ? [new URL(show.to).origin] : []
