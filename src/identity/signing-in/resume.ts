// `/resume/{slot}`: somebody is back from signing in, and what they had typed goes where they had sent it. Owns who may have it
// back: the same person, at the same portal, in another session, once. The portal's own rules are asked when the browser sends it.
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Identified, Portal, RequestView } from '../../types.ts'
import { type KeptRequest, slotIn } from './kept-request.ts'
import { returnAddress } from './return-address.ts'
import { portalOf, refuse, type SignInContext } from './sign-in-context.ts'

export async function resume(context: SignInContext, request: RequestView, asked: Portal, name: string): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  // whatever only looks must not use it up
  if (isPrefetch(request) || request.frame) return refuse(request, 'sign-in-needed')
  const wanted = new URLSearchParams(request.query).get('return')
  const portal = portalOf(context, asked, wanted)
  const slot = slotIn(name)
  const known = await context.identify(request, portal, undefined, context.clock())
  const kept = slot === undefined ? undefined : await context.kept.take(slot, request, portal.session)
  const cookies = [...known.cookies, ...(slot === undefined ? [] : context.kept.clear(slot, request, portal.session))]
  const trouble = whyNot(kept, known, portal)
  if (!kept || trouble !== undefined || known.outcome.kind !== 'identified') {
    const { id } = request
    context.log.server('info', 'what somebody had typed could not be given back', { id, portal: portal.name, why: trouble })
    return refuse(request, 'kept-request-gone', { page: returnAddress(wanted, portal, context.basePath) }, cookies)
  }
  const { provider, account } = known.outcome.identity
  const { target: action, fields } = kept
  const page = { name: 'resume' as const, action, fields, formTargets: formTargets(context, portal, provider) }
  return { show: { kind: 'page', page }, cookies, provider, account }
}

function whyNot(kept: KeptRequest | undefined, { outcome, session }: Identified, portal: Portal): string | undefined {
  if (!kept) return 'it is over, was given back before, or belongs to another browser'
  if (kept.portal !== portal.name) return 'it belongs to another portal'
  if (outcome.kind !== 'identified') return 'nobody is signed in'
  // whoever sits at an unlocked screen has the session that would not do, and must not read what was typed in it
  if (kept.session !== undefined && kept.session === session?.id) return 'the session is still the one that would not do'
  const { issuer, subject } = outcome.identity
  return kept.issuer === issuer && kept.subject === subject ? undefined : 'somebody else signed in'
}

/**
 * Content-Security-Policy `form-action` holds for redirections after the form too: other portals of this person's provider, which
 * a portal may lead to, and where our own next sign-in does. Of other portals a person learns nothing.
 */
function formTargets({ portals }: SignInContext, portal: Portal, provider: string): readonly string[] {
  const knows = ({ providers }: Portal) => providers.some(({ name }) => name === provider)
  const origins = [...portals.values()].filter(knows).map(({ origin }) => origin)
  const providers = [...portal.providers, ...portal.secondFactors.map((factor) => factor.provider)]
  const signIns = providers.map((asked) => asked.status?.().endpoints?.['authorization_endpoint'])
  return [...origins, ...signIns].filter((target) => target !== undefined)
}
