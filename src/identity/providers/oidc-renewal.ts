// Asking the provider again for somebody who is signed in (OpenID Connect Core section 12): the refresh token for new tokens, those
// for new claims, with the checks of a sign-in. What was true of the sign-in itself - when, how strong - stays as it was then.
import {
  type Configuration,
  refreshTokenGrant,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
} from 'openid-client'
import { RenewalError } from '../../errors.ts'
import type { AuthOutcome, Identity, Json, Login, Session } from '../../types.ts'
import type { Health } from './health.ts'
import type { OidcOptions, Party } from './oidc.ts'
import { type Claims, joinClaims } from './oidc-claims.ts'
import { shareKeys } from './oidc-client.ts'
import type { Endpoints } from './oidc-endpoints.ts'
import { judgeOneOf } from './oidc-grant.ts'
import { keepOf } from './oidc-sign-out.ts'
import { tokensOf } from './oidc-tokens.ts'
import { detailOf, ended, endedBy, isAway, renewalErrorOf, type Sent, watchTokenEndpoint } from './renewal-error.ts'
import { spellingsOf } from './vendor.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>
interface Renewed {
  readonly configuration: Configuration
  readonly tokens: TokenEndpointResponse & TokenEndpointResponseHelpers
  /** Not every provider sends one again. */
  readonly idToken?: Claims | undefined
}

/** About one sign-in and not about the person: a refresh moves none of them. */
const ofTheSignIn = ['auth_time', 'acr', 'acrs', 'amr'] as const

/** What only the ID token said is remembered, for answers that come without one. */
export function withFirstWords(keep: Json | undefined, claims: Claims, userinfo: Claims): Json {
  const first = Object.entries(claims).filter(([name]) => userinfo[name] === undefined)
  return { ...(keep as object | undefined), first: Object.fromEntries(first) }
}

function firstWordsOf({ keep, identity }: Session): Claims {
  const { first } = (keep ?? {}) as { readonly first?: Claims }
  return first ?? identity.claims
}

/** Throws RenewalError. The identity is the session's own object where the provider could not be asked about the person just now. */
export function createRenewal(options: OidcOptions, party: Party): NonNullable<Login['renew']> {
  return async (session) => {
    const refresh = session.tokens?.refresh
    if (refresh === undefined) throw new RenewalError('not-taken', 'there is no refresh token')
    const metadata = await party.endpoints.current().catch((error: unknown) => {
      throw renewalErrorOf(error, { asked: false })
    })
    const { ask, sent } = watchTokenEndpoint(party.health.ask, metadata.token_endpoint)
    try {
      const renewed = await redeem({ ...party, ask, metadata }, refresh)
      if ('kind' in renewed) throw endedBy(renewed)
      return await personOf(options, party, session, renewed)
    } catch (error) {
      if (sent.answer && isAway(error)) return unchecked(party, session, sent.answer, error)
      throw renewalErrorOf(error, sent)
    }
  }
}

async function redeem(
  party: Party & { readonly ask: Health['ask']; readonly metadata: Awaited<ReturnType<Endpoints['current']>> },
  refresh: string,
): Promise<Renewed | AuthOutcome> {
  const { client, metadata, ask, vendor } = party
  const attempt = async (configuration: Configuration): Promise<Renewed> => {
    const tokens = await refreshTokenGrant(configuration, refresh)
    return { configuration, tokens, idToken: tokens.claims() as unknown as Claims | undefined }
  }
  const spellings = spellingsOf(metadata.issuer, vendor)
  if (spellings) return judgeOneOf({ client, metadata, ask }, spellings, attempt)
  const [standing, own] = await Promise.all([client.for(metadata), client.once(metadata, ask)])
  shareKeys(standing, own)
  const renewed = await attempt(own)
  shareKeys(own, standing)
  return renewed
}

async function personOf(options: OidcOptions, party: Party, session: Session, renewed: Renewed): Promise<Identification> {
  const { idToken, configuration, tokens } = renewed
  const now = party.clock()
  if (idToken) refuseOthers(idToken, party, session, configuration)
  const given = { tokens: tokensOf(tokens, now, session.tokens), accessToken: tokens.access_token }
  const userinfo = await userinfoFor(party, session, renewed)
  const same: Identification = { kind: 'identified', identity: session.identity, ...given, ...keptOf(session.keep) }
  if (userinfo === 'away' || (!idToken && !userinfo)) return same
  const claims = claimsOf(session, idToken, userinfo ?? {})
  const elsewhere = idToken && party.reader.elsewhereTrouble(idToken, claims)
  if (elsewhere) throw endedBy(elsewhere)
  const outcome = await party.reader.identify(claims, now)
  if (outcome.kind !== 'identified') throw endedBy(outcome)
  const hint = idToken ? keepOf(options, configuration, tokens.id_token, idToken).keep : undefined
  const { first: _, ...before } = (session.keep ?? {}) as { readonly [key: string]: Json }
  const keep = withFirstWords({ ...before, ...(hint as object | undefined) }, claims, userinfo ?? {})
  return { kind: 'identified', identity: asSignedIn(outcome.identity, session.identity), ...given, keep }
}

const keptOf = (keep: Json | undefined): { readonly keep?: Json } => (keep === undefined ? {} : { keep })

/** The signature, `aud` and times are openid-client's to check; that it is still the same person of the same issuer is ours. */
function refuseOthers(
  idToken: Claims,
  { reader, vendor, clock }: Party,
  { identity }: Session,
  configuration: Configuration,
): void {
  if (idToken['sub'] !== identity.subject) throw ended('the subject changed')
  const said = String(idToken['iss'])
  if ((spellingsOf(configuration.serverMetadata().issuer, vendor)?.canonical(said) ?? said) !== identity.issuer)
    throw ended('the issuer changed')
  const trouble = reader.troubleOf(idToken, clock())
  if (trouble) throw endedBy(trouble)
}

/** `away`: it cannot be asked, and the new tokens must not be lost for that. */
async function userinfoFor(
  { reader, log }: Party,
  { identity }: Session,
  { configuration, tokens, idToken }: Renewed,
): Promise<Claims | 'away' | undefined> {
  try {
    return idToken
      ? await reader.userinfo(configuration, tokens.access_token, idToken)
      : await reader.userinfoOf(configuration, tokens.access_token, identity.subject)
  } catch (error) {
    if (!isAway(error)) throw ended(`userinfo: ${detailOf(error)}`)
    log.server('warn', 'new tokens came, but userinfo cannot be asked: the claims stay as they were', {
      provider: identity.provider,
      detail: detailOf(error),
    })
    return 'away'
  }
}

/**
 * Where an ID token came, it and userinfo are everything there is, as at a sign-in. Without one, what only the first one said stays,
 * and whatever userinfo has ever said has to stand in it again.
 */
function claimsOf(session: Session, idToken: Claims | undefined, userinfo: Claims): Claims {
  const first = firstWordsOf(session)
  const { issuer, subject } = session.identity
  const said = idToken ? joinClaims(idToken, userinfo) : joinClaims({}, { ...first, ...userinfo })
  const once = { ...session.identity.claims, ...first }
  const others = Object.entries(said).filter(([name]) => !(ofTheSignIn as readonly string[]).includes(name))
  const signIn = ofTheSignIn.flatMap((name) => (once[name] === undefined ? [] : [[name, once[name]] as const]))
  return Object.fromEntries([...others, ...signIn, ['iss', issuer] as const, ['sub', subject] as const])
}

/** Nobody becomes fresher or stronger by a refresh. */
export function asSignedIn(identity: Identity, before: Identity): Identity {
  const { assurance: _, authTimeKnown: __, authenticatedAt: ___, ...person } = identity
  const { assurance, authTimeKnown, authenticatedAt } = before
  return {
    ...person,
    authenticatedAt,
    ...(authTimeKnown ? { authTimeKnown } : {}),
    ...(assurance === undefined ? {} : { assurance }),
  }
}

/** Milliseconds. */
const soon = 30_000

/**
 * Tokens came, and the keys to check the ID token beside them cannot be had: the refresh token is kept, or it would be lost; the
 * access token goes to nobody before it is known whose it is.
 */
function unchecked({ clock, log }: Party, session: Session, answer: NonNullable<Sent['answer']>, error: unknown): Identification {
  const now = clock()
  const { provider } = session.identity
  log.server('warn', 'new tokens came that cannot be checked just now', { provider, detail: detailOf(error) })
  const tokens = tokensOf(answer as unknown as TokenEndpointResponse, now, session.tokens)
  return {
    kind: 'identified',
    identity: session.identity,
    ...keptOf(session.keep),
    tokens: { ...tokens, accessEndsAt: now, ...(tokens.refresh === undefined ? {} : { refreshAt: now + soon }) },
  }
}
