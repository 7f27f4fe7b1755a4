// Our own endpoints as functions from a request to an answer: chooser, start, callback, sign-out, "who am I". Owns their rules; must
// not know protocols (providers do), sockets or HTML. A door routes to it and renders what it returns.
import type { Answer, Identified, Instant, Portal, RequestView, Session } from '../../types.ts'
import { backChannel } from '../signing-out/back-channel.ts'
import { frontChannel } from '../signing-out/front-channel.ts'
import { createLogoutMemory } from '../signing-out/logout-memory.ts'
import { endEverywhere, signedOut, signOut } from '../signing-out/sign-out.ts'
import { callback } from './callback.ts'
import { chooser } from './chooser.ts'
import { displace } from './displacement.ts'
import { createFlowMemory, createFlows, type Waiting } from './flow.ts'
import { createKeptRequests } from './kept-request.ts'
import { resume } from './resume.ts'
import { chooserPath, refuse, type SignInContext, type SignInOptions } from './sign-in-context.ts'
import { start } from './start.ts'
import { firstProviders } from './usable.ts'

export interface SignIn {
  /** `/login?return=`; `choose=1` shows the page even where it has one choice or a default; `email=` goes to whose domain it is. */
  chooser(request: RequestView, portal: Portal): Promise<Answer>
  /**
   * `/start/{provider}?return=`; `as=other` ends the session here and has the provider ask again; `fresh=1` and `acr=` ask for
   * a sign-in that is recent or strong enough, of the same person where somebody is signed in; `kept=` leads back to a form.
   */
  start(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** Throws PosternError('store-unavailable'). */
  callback(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** GET or POST; `scope=local` leaves the provider's own session alone. */
  logout(request: RequestView, portal: Portal): Promise<Answer>
  /** `/resume/{slot}?return=`: what somebody had typed before they had to sign in again, once. */
  resume(request: RequestView, portal: Portal, slot: string): Promise<Answer>
  /** `/displace?return=`: whether the oldest session shall end for the one that waits. Throws PosternError('store-unavailable'). */
  displace(request: RequestView, portal: Portal): Promise<Answer>
  signedOut(request: RequestView, portal: Portal): Promise<Answer>
  /** POST with `request.form`: a logout token of the provider. */
  backChannel(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** `?iss=&sid=`, loaded in a frame of the provider's. */
  frontChannel(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** Whoever asks for the portal's own sign-out is signed out here too. Set-Cookie values for the portal's answer. */
  ended(request: RequestView, portal: Portal, session: Session): Promise<readonly string[]>
  /** JSON, times in ISO 8601; never a token. */
  session(request: RequestView, portal: Portal): Promise<Answer>
  /** Writes the lines of redirections nobody came back from, tells portals of sessions whose time is over; to be called every few seconds. */
  sweep(now: Instant): void
}

export function createSignIn(options: SignInOptions): SignIn {
  const context: SignInContext = {
    ...options,
    flows: createFlows(options.sealer),
    memory: options.memory ?? createFlowMemory(),
    kept: options.kept ?? createKeptRequests({ clock: options.clock }),
  }
  const reading =
    (answer: (request: RequestView, portal: Portal) => Answer | Promise<Answer>) =>
    async (request: RequestView, portal: Portal) =>
      request.method === 'GET' || request.method === 'HEAD' ? answer(request, portal) : refuse(request, 'method-refused')
  const { used, allowance } = options.logouts ?? createLogoutMemory(options.clock)
  return {
    chooser: reading((request, portal) => chooser(context, request, portal)),
    start: (request, portal, provider) => start(context, request, portal, provider),
    callback: (request, portal, provider) => callback(context, request, portal, provider),
    logout: (request, portal) => signOut(context, request, portal),
    resume: (request, portal, slot) => resume(context, request, portal, slot),
    displace: (request, portal) => displace(context, request, portal),
    signedOut: reading((request, portal) => signedOut(context, request, portal)),
    backChannel: (request, portal, provider) => backChannel(context, request, portal, provider, used),
    frontChannel: (request, portal, provider) => frontChannel(context, request, portal, provider, allowance),
    ended: async (request, portal, session) => (await endEverywhere(context, request, portal, session, 'portal')).cookies,
    session: reading((request, portal) => whoAmI(context, request, portal)),
    sweep: (now) => sweep(context, now),
  }
}

async function whoAmI(context: SignInContext, request: RequestView, portal: Portal): Promise<Answer> {
  const known = await context.identify(request, portal, undefined, context.clock())
  const { outcome, cookies } = known
  if (outcome.kind === 'identified') {
    const document = JSON.stringify(describeSession(known, outcome.identity, portal))
    return {
      show: { kind: 'document', type: 'application/json', body: document },
      cookies,
      provider: outcome.identity.provider,
      account: outcome.identity.account,
    }
  }
  if (outcome.kind === 'local' && known.session) {
    const body = JSON.stringify({ account: null, provider: outcome.provider, portal: portal.name, ...untilOf(known.session) })
    return { show: { kind: 'document', type: 'application/json', body }, cookies, provider: outcome.provider }
  }
  if (outcome.kind === 'rejected') return refuse(request, outcome.reason, {}, cookies)
  if (outcome.kind === 'unavailable')
    return refuse(request, outcome.reason ?? 'provider-unavailable', { retryAfter: outcome.retryAfter ?? 5 }, cookies)
  const signIn =
    outcome.kind === 'absent' && firstProviders(portal).length > 0 ? { signIn: chooserPath(context.basePath, portal.path) } : {}
  return refuse(
    request,
    'sign-in-needed',
    { ...signIn, challenge: `Bearer realm="${portal.name.replace(/[^ !#-[\]-~]/g, '')}"` },
    cookies,
  )
}

/** Named one by one: whatever a session holds besides stays inside (CVE-2024-39315). */
function describeSession({ session }: Identified, identity: Session['identity'], portal: Portal) {
  const { account, provider, name, email, groups } = identity
  return {
    account,
    provider,
    name,
    email,
    groups,
    portal: portal.name,
    authenticatedAt: time(identity.authenticatedAt),
    ...(session ? untilOf(session) : {}),
  }
}

const time = (at: Instant): string => new Date(at).toISOString()
const untilOf = ({ idleUntil, endsAt }: Session) => ({ idleUntil: time(idleUntil), endsAt: time(endsAt) })

function sweep(context: SignInContext, now: Instant): void {
  context.kept.prune()
  void context.onSignOut?.sweep(now)
  const late = context.memory.timedOut(now)
  if (late instanceof Promise) void late.then((known) => logTimeOuts(context, known))
  else logTimeOuts(context, late)
}

function logTimeOuts(context: SignInContext, late: readonly Waiting[]): void {
  for (const { requestId, portal, provider, credentialType: type, clientAddress } of late) {
    context.log.authentication({
      id: requestId,
      result: 'Failure',
      credentialType: type,
      provider,
      portal,
      clientIp: clientAddress,
      reason: 'Redirection timeout',
      message: `Timing out without response from ${provider}.`,
    })
    context.onSignIn?.(provider, 'Failure')
  }
}
