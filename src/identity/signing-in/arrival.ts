// One person back from a provider, and how they are told that it did not work.
import type { Reason } from '../../errors.ts'
import type { Answer, Failure } from '../../types.ts'
import { chooserPath, type Errand, type LoginProvider, note, refuse, startPath } from './sign-in-context.ts'
import { loginProviders } from './usable.ts'

export interface Arrival extends Errand {
  readonly provider: LoginProvider
  /** Deletes the flow cookie. */
  readonly cookies: readonly string[]
}

/** Answers that a retry with the same account would get again. */
const personal: ReadonlySet<Reason> = new Set([
  'rule-refused',
  'rule-failed',
  'account-missing',
  'email-not-verified',
  'tenant-refused',
  'session-too-large',
  'assurance-too-low',
  'other-person',
  'hint-mismatch',
  'no-profile',
  'link-conflict',
  'post-login-refused',
])

/** Logs the cause, tells the person the catalogue's sentence, and offers to start again. */
export function fail(arrival: Arrival, reason: Reason, detail: string, extra: Partial<Failure> = {}): Answer {
  const { context, request, portal, provider, cookies } = arrival
  const account = extra.account === undefined ? {} : { account: extra.account }
  note(context, request, portal, provider, {
    result: 'Failure',
    reason,
    message: `Sign-in with ${provider.name} failed: ${detail}`,
    ...account,
  })
  return refuse(request, reason, { provider: provider.name, ...wayOn(arrival, reason), ...extra }, cookies)
}

function wayOn({ context, portal, provider, returnTo, wish }: Arrival, reason: Reason): Partial<Failure> {
  if (!loginProviders(portal).some(({ name }) => name === provider.name))
    return { signIn: chooserPath(context.basePath, returnTo, wish) }
  const again = startPath(context.basePath, provider.name, returnTo, wish)
  // the very same address again: nothing is used up
  if (reason === 'store-unavailable') return {}
  const other = { otherAccount: startPath(context.basePath, provider.name, returnTo, { other: true }) }
  // whoever was signed in still is, and may want to go on as that
  if (reason === 'other-person') return { signIn: again, ...other }
  return personal.has(reason) ? other : { signIn: again }
}
