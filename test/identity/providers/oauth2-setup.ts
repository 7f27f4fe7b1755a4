// GitHub's way: no ID token, a number for a subject, a login for an account.
import { createProvider } from '../../../src/identity/providers/index.ts'
import type { OAuth2Options } from '../../../src/identity/providers/oauth2.ts'
import type { CrookedProvider, Lies } from '../../support/crooked-provider.ts'
import { createRecorder } from './fixtures.ts'
import { clientId, clientSecret } from './oidc-setup.ts'

export const octocat = { sub: undefined, id: 583231, login: 'OctoCat', name: 'The Octocat', email: null, groups: ['cats'] }
/** What such a provider answers when it is honest. */
export const honest: Lies = { tokenAnswer: { id_token: undefined, scope: 'read:user' }, userinfo: { claims: octocat } }

export function oauth2At(idp: Pick<CrookedProvider, 'issuer'>, options: Partial<OAuth2Options> = {}) {
  const time = { now: Date.now() }
  const log = createRecorder()
  const provider = createProvider(
    {
      protocol: 'OAUTH2',
      name: 'HUB',
      label: 'Hub',
      authorizationEndpoint: `${idp.issuer}/authorize`,
      tokenEndpoint: `${idp.issuer}/token`,
      userinfoEndpoint: `${idp.issuer}/userinfo`,
      clientId,
      clientSecret,
      subjectAttribute: 'id',
      accountAttribute: 'login',
      accountCase: 'keep',
      groupsAttribute: 'groups',
      requireVerifiedEmail: false,
      callTimeout: 20_000,
      ...options,
    },
    { log, clock: () => time.now },
  )
  return { provider, log, time }
}
