// Coming back from a provider: is this the sign-in that this browser began here, and whom does the provider name? Knows flows; what
// the answer of a provider means is the provider's own business, and who may enter is decided in admission.ts.
import { PosternError } from '../../errors.ts'
import type { Answer, AuthOutcome, Portal, RequestView } from '../../types.ts'
import { admit } from './admission.ts'
import { type Arrival, fail } from './arrival.ts'
import { choicesOf } from './chooser.ts'
import { type FlowRecord, type FlowState, flowLifetime } from './flow.ts'
import { returnAddress } from './return-address.ts'
import { redirect, refuse, type SignInContext, startPath, type Wish } from './sign-in-context.ts'
import { loginProviders, providerAnywhere } from './usable.ts'

export async function callback(context: SignInContext, request: RequestView, asked: Portal, name: string): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  const provider = providerAnywhere(context, asked, name)
  if (!provider) return refuse(request, 'endpoint-unknown')
  const now = context.clock()
  const here: Arrival = { context, request, portal: asked, provider, now, returnTo: asked.path, wish: {}, cookies: [] }
  const text = stateIn(request.query)
  if (text === undefined) return fail(here, 'sign-in-failed', 'the answer does not hold exactly one state, and one code or error')
  const state = await context.flows.openState(text)
  const portal = state && context.portals.get(state.portal)
  if (!portal) return fail(here, 'sign-in-unknown', 'the state is not ours')
  if (portal.origin !== asked.origin) return relay(context, request, portal, name)
  const own = loginProviders(portal).find((candidate) => candidate.name === name)
  if (!own) return fail(here, 'sign-in-unknown', 'the sign-in began with another provider')
  const cookies = context.flows.clear(state.id, request, portal.session)
  return arrive({ ...here, portal, provider: own, returnTo: portal.path, cookies }, state, text)
}

/** CVE-2023-27496: a missing or doubled parameter is refused before anything looks at it. */
function stateIn(query: string): string | undefined {
  const parameters = new URLSearchParams(query)
  const [state, ...more] = parameters.getAll('state')
  const answers = parameters.getAll('code').length + parameters.getAll('error').length
  return state && more.length === 0 && answers === 1 ? state : undefined
}

/** Another portal's sign-in, whose provider knows only this callback: its own origin goes on, with the untouched query. */
function relay(context: SignInContext, request: RequestView, portal: Portal, provider: string): Answer {
  const to = `${portal.origin}${context.basePath}/callback/${encodeURIComponent(provider)}${request.query}`
  return { ...redirect(to), headers: ['Referrer-Policy', 'no-referrer'], provider }
}

async function arrive(arrival: Arrival, state: FlowState, text: string): Promise<Answer> {
  const { context, request, portal, provider, now } = arrival
  await context.memory.arrived(state.id)
  const flow = await context.flows.find(state, request, portal.session)
  // judged again where it is used: the portal's paths may be others than when the person left
  const returning = flow
    ? { ...arrival, returnTo: returnAddress(flow.returnTo, portal, context.basePath), wish: wishIn(flow) }
    : arrival
  if (now - state.at >= flowLifetime)
    return { ...fail(returning, 'sign-in-expired', 'Redirection timeout'), words: 'Redirection timeout' }
  if (!flow) return stranger(arrival, 'no flow cookie: another browser, or used before')
  if (flow.provider !== provider.name) return fail(returning, 'sign-in-unknown', 'the sign-in began with another provider')
  const isFirst = await Promise.resolve(context.memory.use(state.id)).catch(storeDown)
  // its cookie stays: nothing was asked of the provider yet, and the same address can be loaded again
  if (isFirst instanceof PosternError)
    return fail({ ...returning, cookies: [] }, isFirst.reason, isFirst.detail, laterAs(isFirst))
  if (!isFirst) return stranger(arrival, 'used before')
  const answer = await conclude(returning, flow, await completed(returning, flow, text)).catch(storeDown)
  if (!(answer instanceof PosternError)) return answer
  const signIn = startPath(context.basePath, provider.name, returning.returnTo, returning.wish)
  return fail(returning, answer.reason, answer.detail, { signIn, ...laterAs(answer) })
}

function storeDown(error: unknown): PosternError {
  if (error instanceof PosternError && error.reason === 'store-unavailable') return error
  throw error
}
const laterAs = ({ retryAfter = 5 }: PosternError): { readonly retryAfter: number } => ({ retryAfter })

/** For whoever has to start again. */
const wishIn = ({ expects, kept }: FlowRecord): Wish => ({
  ...(expects?.fresh ? { fresh: true } : {}),
  ...(expects?.acr === undefined ? {} : { acr: expects.acr }),
  ...(kept === undefined ? {} : { kept }),
})

/** A double click, or the back button: who is signed in meanwhile goes to the portal, not to an error. */
async function stranger(arrival: Arrival, detail: string): Promise<Answer> {
  const { context, request, portal, now, cookies } = arrival
  const known = await context.identify(request, portal, undefined, now)
  if (known.outcome.kind === 'identified') return redirect(portal.origin + portal.path, [...cookies, ...known.cookies])
  return fail(arrival, 'sign-in-unknown', detail)
}

async function completed({ request, provider }: Arrival, flow: FlowRecord, state: string): Promise<AuthOutcome> {
  try {
    return await provider.login.complete(request, flow.flow, { callback: flow.callback, state })
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    if (error.reason !== 'provider-unavailable') return { kind: 'rejected', reason: error.reason, detail: error.detail }
    return {
      kind: 'unavailable',
      detail: error.detail,
      ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    }
  }
}

async function conclude(arrival: Arrival, flow: FlowRecord, outcome: AuthOutcome): Promise<Answer> {
  const { provider } = arrival
  switch (outcome.kind) {
    case 'identified':
      return admit(arrival, flow, outcome)
    case 'rejected':
      return fail(arrival, outcome.reason, outcome.detail)
    case 'unavailable':
      return fail(arrival, 'provider-unavailable', outcome.detail, {
        retryAfter: outcome.retryAfter ?? 5,
        ...(flow.expects?.after === undefined ? { choices: await choicesOf(arrival, provider.name) } : {}),
      })
    default:
      return fail(arrival, 'sign-in-failed', `the provider answered with ${outcome.kind}`)
  }
}
