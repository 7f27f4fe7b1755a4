// A refresh at a provider without ID tokens (RFC 6749 section 6): userinfo is asked again, and has to name the same person.
import { type Configuration, type CustomFetch, refreshTokenGrant } from 'openid-client'
import { RenewalError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Login } from '../../types.ts'
import type { Person } from './oauth2.ts'
import type { Claims } from './oidc-claims.ts'
import { asSignedIn } from './oidc-renewal.ts'
import { tokensOf } from './oidc-tokens.ts'
import { detailOf, ended, endedBy, isAway, renewalErrorOf, watchTokenEndpoint } from './renewal-error.ts'

interface Party {
  readonly client: () => Promise<Configuration>
  readonly once: (ask: CustomFetch) => Promise<Configuration>
  readonly ask: CustomFetch
  readonly clock: Clock
  readonly log: Log
  readonly person: Person
  readonly userinfoOf: (configuration: Configuration, accessToken: string, patiently: boolean) => Promise<Claims | undefined>
}

/** Throws RenewalError. The identity is the session's own object where userinfo could not be asked just now. */
export function createPlainRenewal(party: Party): NonNullable<Login['renew']> {
  return async ({ tokens: before, identity }) => {
    if (before?.refresh === undefined) throw new RenewalError('not-taken', 'there is no refresh token')
    const { issuer, token_endpoint: endpoint } = (await party.client()).serverMetadata()
    const { ask, sent } = watchTokenEndpoint(party.ask, endpoint)
    const configuration = await party.once(ask)
    const answer = await refreshTokenGrant(configuration, before.refresh).catch((error: unknown) => {
      throw renewalErrorOf(error, sent)
    })
    const now = party.clock()
    const given = { kind: 'identified', tokens: tokensOf(answer, now, before), accessToken: answer.access_token } as const
    const said = await askPatiently(party, configuration, answer.access_token, identity.provider)
    if (said === 'away') return { ...given, identity }
    if (!said) throw ended('userinfo does not take the new token, or names nobody')
    const outcome: AuthOutcome = await party.person(said, issuer, now)
    if (outcome.kind !== 'identified') throw endedBy(outcome)
    if (outcome.identity.subject !== identity.subject || issuer !== identity.issuer) throw ended('the subject changed')
    return { ...given, identity: asSignedIn(outcome.identity, identity) }
  }
}

async function askPatiently(
  { userinfoOf, log }: Party,
  configuration: Configuration,
  accessToken: string,
  provider: string,
): Promise<Claims | 'away' | undefined> {
  try {
    return await userinfoOf(configuration, accessToken, true)
  } catch (error) {
    if (!isAway(error)) throw ended(`userinfo: ${detailOf(error)}`)
    const detail = detailOf(error)
    log.server('warn', 'new tokens came, but userinfo cannot be asked: the claims stay as they were', { provider, detail })
    return 'away'
  }
}
