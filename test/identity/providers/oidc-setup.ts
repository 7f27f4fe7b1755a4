// A sign-in from begin to complete, against whichever provider a test has started.
import { createOidcProvider, type OidcOptions } from '../../../src/identity/providers/oidc.ts'
import type { AuthOutcome, LoginStart, Provider } from '../../../src/types.ts'
import { arrivalOf, createRecorder } from './fixtures.ts'

export const clientId = 'postern & co'
export const clientSecret = 'a secret: with / every + thing % in it'
/** With a query of its own, as CAS clients have it. */
export const callback = 'http://portal.example/cas/login?client_name=PLAY'

export const defaults: Omit<OidcOptions, 'issuer'> = {
  name: 'PLAY',
  label: 'PLAY',
  clientId,
  clientSecret,
  scope: 'openid email profile',
  accountAttribute: 'email',
  accountCase: 'keep',
  groupsAttribute: 'groups',
  requireVerifiedEmail: false,
  userinfo: 'auto',
  endSession: true,
  wantedClaims: new Set(),
}

export function createSubject(options: Partial<OidcOptions>) {
  const time = { now: Date.now() }
  const log = createRecorder()
  const provider = createOidcProvider({ ...defaults, ...options }, { log, clock: () => time.now })
  return { provider, log, time }
}

export interface SignedIn {
  readonly authorizationUrl: string
  readonly outcome: AuthOutcome
}
/** `atProvider` gets the authorization URL and returns what the browser loads next. */
export async function signIn(
  provider: Provider,
  atProvider: (authorizationUrl: string) => string | Promise<string>,
  start: Partial<LoginStart> = {},
): Promise<SignedIn> {
  const at = { state: 'sealed-state', callback, ...start }
  const { show, flow } = await provider.login!.begin(at)
  if (show.kind !== 'redirect') throw new Error('no redirect')
  const loaded = await atProvider(show.to)
  // a flow travels sealed: what JSON loses is lost
  const outcome = await provider.login!.complete(arrivalOf(loaded), JSON.parse(JSON.stringify(flow)), at)
  return { authorizationUrl: show.to, outcome }
}
