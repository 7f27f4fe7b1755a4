// Going away to a provider: what it is asked with, what has to come back, and another way where it cannot be reached. Owns the flow
// cookie's beginning; whether the person may go there was decided before.
import { PosternError } from '../../errors.ts'
import type { Answer, Facts, Identity, LoginStart, Provider } from '../../types.ts'
import { choicesOf, hasControl } from './chooser.ts'
import { factsAtStart, fingerprintOf, verifiedText } from './expectations.ts'
import { type Expectations, newFlowId } from './flow.ts'
import {
  chooserPath,
  credentialType,
  type Errand,
  type LoginProvider,
  note,
  redirect,
  redirection,
  refuse,
  startPath,
} from './sign-in-context.ts'
import { firstProviders, isUsable } from './usable.ts'

/** Longest value of a parameter that is passed on. */
const longestParameter = 500
/** The way back, and what we say ourselves: never taken from a link. */
const ours: ReadonlySet<string> = new Set([
  'return',
  'as',
  'fresh',
  'acr',
  'kept',
  'home',
  'fell',
  'prompt',
  'max_age',
  'acr_values',
])

/** One sign-in about to begin. */
export interface Departure {
  readonly errand: Errand
  readonly query: URLSearchParams
  readonly provider: LoginProvider
  readonly callback: string
  /** Whose session this makes fresher or stronger. */
  readonly known: Identity | undefined
  /** A second factor for `known`. */
  readonly after?: string
  /** Whoever is somebody else: the provider asks, too. */
  readonly other: boolean
  readonly fresh: boolean
  readonly cookies: readonly string[]
}

export async function sendAway(departure: Departure): Promise<Answer> {
  const { errand, query, provider, callback, known, cookies } = departure
  const { context, request, portal, returnTo, now: at, wish } = errand
  const facts = factsAtStart(errand, known, parameterIn(query, 'login_hint'))
  const verified = await verifiedText(provider, facts)
  if (verified === null) return refuseUnverifiable(departure)
  const state = { portal: portal.name, id: newFlowId(at), at }
  try {
    const loginStart = await loginStartOf(departure, facts, await context.flows.sealState(state))
    const { show, flow } = await provider.login.begin(loginStart)
    const record = {
      ...state,
      provider: provider.name,
      audience: portal.session.audience,
      returnTo,
      callback,
      flow,
      expects: expectationsOf(departure, verified),
      ...(wish.kept === undefined ? {} : { kept: wish.kept }),
    }
    const kept = await context.flows.keep(record, request, portal.session)
    expect(errand, state.id, provider)
    note(context, request, portal, provider, { result: 'Redirection', message: redirection(provider) })
    return { show, cookies: [...cookies, ...kept], provider: provider.name }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return cannotBegin(departure, error)
  }
}

/** To be missed where nobody comes back. */
function expect({ context, request, portal, now }: Errand, flowId: string, provider: Provider): void {
  const { id: requestId, clientAddress } = request
  const waiting = { portal: portal.name, provider: provider.name, credentialType: credentialType(provider) }
  context.memory.expect(flowId, { at: now, requestId, clientAddress, ...waiting })
}

const expectationsOf = ({ errand, known, after, fresh }: Departure, verified: string | undefined): Expectations => ({
  ...(fresh ? { fresh } : {}),
  ...(errand.wish.acr === undefined || after !== undefined ? {} : { acr: errand.wish.acr }),
  ...(known ? { person: fingerprintOf(known) } : {}),
  ...(after === undefined ? {} : { after }),
  ...(verified === undefined ? {} : { verified }),
})

/** Hints and demands as the provider gets them. `prompt` is one value: Entra refuses a list, and `select_account` is unknown to many. */
async function loginStartOf(departure: Departure, facts: Facts, state: string): Promise<LoginStart> {
  const { errand, query, provider, callback, after, other, fresh } = departure
  const { acr } = errand.wish
  const { asking } = provider
  const passed = (asking?.passParameters ?? []).filter((name) => !ours.has(name))
  const typed = passed.includes('login_hint') ? parameterIn(query, 'login_hint') : undefined
  const loginHint = asking?.loginHint ? await asking.loginHint(facts) : typed
  const extra = passed.flatMap((name) => {
    const value = name === 'login_hint' ? undefined : parameterIn(query, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  const maxAge = fresh ? secondsOf(errand) : undefined
  return {
    state,
    callback,
    ...(other || fresh ? { prompt: 'login' } : {}),
    ...(fresh ? { fresh } : {}),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(acr === undefined || after !== undefined ? {} : { acr }),
    ...(loginHint ? { loginHint } : {}),
    ...(extra.length > 0 ? { extra: Object.fromEntries(extra) } : {}),
  }
}

/** What the page asks for; never so little that a person cannot be back in time. */
function secondsOf({ context, portal, returnTo }: Errand): number | undefined {
  const { pathname } = new URL(returnTo, portal.origin)
  const maxAge = context.findRoute?.(portal, pathname, 'GET')?.freshness?.maxAge
  return typeof maxAge === 'number' ? Math.max(60, Math.floor(maxAge / 1000)) : undefined
}

/** Given once, of a decent length, and one line. */
function parameterIn(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name)
  return value && more.length === 0 && value.length <= longestParameter && !hasControl(value) ? value : undefined
}

/** `verify` wants a name to hold against the claim, and nobody has said one: nobody who comes back could be the right one. */
function refuseUnverifiable({ errand, provider, cookies }: Departure): Answer {
  const { context, request, portal, returnTo, wish } = errand
  note(context, request, portal, provider, {
    result: 'Failure',
    reason: 'hint-mismatch',
    message: `Sign-in with ${provider.name} could not begin: verify.equals gives nothing to hold the claim against`,
  })
  const signIn = `${chooserPath(context.basePath, returnTo, wish)}&choose=1`
  return refuse(request, 'hint-mismatch', { provider: provider.name, signIn }, cookies)
}

async function cannotBegin(departure: Departure, error: PosternError): Promise<Answer> {
  const { errand, provider, after, cookies } = departure
  const { context, request, portal, returnTo, wish } = errand
  const message = `Sign-in with ${provider.name} could not begin: ${error.detail}`
  note(context, request, portal, provider, { result: 'Failure', reason: error.reason, message })
  const isDown = error.reason === 'provider-unavailable'
  const elsewhere = isDown ? await fallbackPath(departure) : undefined
  if (elsewhere !== undefined) return { ...redirect(elsewhere, cookies), provider: provider.name }
  const again = {
    provider: provider.name,
    signIn: startPath(context.basePath, provider.name, returnTo, wish),
    ...(isDown ? { retryAfter: error.retryAfter ?? 5 } : {}),
    ...(after === undefined ? { choices: await choicesOf(errand, provider.name) } : {}),
  }
  return refuse(request, error.reason, again, cookies)
}

/** Once, so that two which are each other's fallback send nobody round; a second factor stands in for no other. */
async function fallbackPath({ errand, query, provider, after }: Departure): Promise<string | undefined> {
  const { context, portal, returnTo, wish } = errand
  const name = provider.asking?.fallback
  const fallback = firstProviders(portal).find((candidate) => candidate.name === name)
  if (!fallback || after !== undefined || query.get('fell') === '1' || !(await isUsable(errand, fallback))) return undefined
  const own = new Set(['return', 'as', 'fresh', 'acr', 'kept', 'home', 'fell'])
  const others = [...query]
    .filter(([key]) => !own.has(key))
    .map(([key, value]) => `&${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  return `${startPath(context.basePath, fallback.name, returnTo, wish)}${others.join('')}&fell=1`
}
