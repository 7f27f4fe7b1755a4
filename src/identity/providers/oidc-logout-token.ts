// Logout tokens (OpenID Connect Back-Channel Logout 1.0): whether one is the provider's, is about a sign-out, and is fresh. Owns the
// key set it is checked with. Must not know: sessions, whether the token was used before, what is ended by it.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { CustomFetch, ServerMetadata } from 'openid-client'
import { PosternError } from '../../errors.ts'
import type { Clock, Instant, LoggedOut } from '../../types.ts'
import type { Endpoints } from './oidc-endpoints.ts'
import { type Spellings, spellingsOf, type Vendor, wholeIssuer } from './vendor.ts'

export interface LogoutTokenOptions {
  readonly clientId: string
  readonly clock: Clock
  readonly ask: CustomFetch
  /** Milliseconds, for one look at the key set. */
  readonly timeout: number
  readonly endpoints: Pick<Endpoints, 'current'>
  readonly vendor: Vendor | undefined
}

/** Seconds: section 4 wants tokens to live for two minutes at most; clocks differ, and queues take their time. */
const freshFor = 300
const clockTolerance = 60
/** Milliseconds between two looks at the key set, whatever comes in meanwhile; and how long what was found is taken for whole. */
const betweenLooks = 30_000
const staleAfter = 600_000
const event = 'http://schemas.openid.net/event/backchannel-logout'
/** Characters: each is kept or hashed, and none of a real provider's is as long. */
const longestText = 512

/**
 * Reads a logout token, checked as section 2.6 says. A `typ` is not demanded, since most providers do not write one; where there is
 * one it must be `logout+jwt` or plain `JWT`. An `exp` is not demanded either (Keycloak before 22.0.8, Hydra and authentik leave it
 * out): `iat` bounds the token's life in any case. Throws PosternError('logout-token-refused' | 'provider-unavailable').
 */
export function createLogoutTokenReader(options: LogoutTokenOptions): (token: string) => Promise<LoggedOut> {
  const keysOf = createKeys(options)
  return async (token) => {
    const metadata = await options.endpoints.current()
    const spellings = spellingsOf(metadata.issuer, options.vendor)
    const { payload, protectedHeader } = await verified(token, metadata, options, keysOf)
    const trouble =
      typeTrouble(protectedHeader.typ) ?? issuerTrouble(payload.iss, metadata.issuer, spellings) ?? claimTrouble(payload)
    if (trouble !== undefined) throw refused(trouble)
    return loggedOut(payload, spellings?.canonical(payload.iss as string) ?? metadata.issuer)
  }
}

const refused = (detail: string): PosternError => new PosternError('logout-token-refused', detail)

async function verified(token: string, metadata: ServerMetadata, options: LogoutTokenOptions, keysOf: Keys) {
  try {
    return await jwtVerify(token, keysOf(String(metadata.jwks_uri)), {
      algorithms: metadata.id_token_signing_alg_values_supported ?? [],
      audience: options.clientId,
      clockTolerance,
      maxTokenAge: freshFor,
      currentDate: new Date(options.clock()),
    })
  } catch (error) {
    if (error instanceof PosternError) throw error
    // jose's own sentences name the check and no value
    throw refused(error instanceof errors.JOSEError ? error.message : 'it is no JWT')
  }
}

/** RFC 8725 section 3.11: what is typed as something else was made for something else. */
function typeTrouble(typ: unknown): string | undefined {
  if (typ === undefined) return undefined
  const plain = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
  return plain === 'logout+jwt' || plain === 'jwt' ? undefined : 'unexpected "typ" header'
}

function issuerTrouble(iss: unknown, issuer: string, spellings: Spellings | undefined): string | undefined {
  const isOurs = typeof iss === 'string' && (spellings ? spellings.has(iss) : iss === issuer)
  return isOurs ? undefined : 'unexpected "iss" claim'
}

function claimTrouble(claims: JWTPayload): string | undefined {
  const events = claims['events']
  const isAboutLogout = isObject(events) && Object.hasOwn(events, event) && isObject(events[event])
  if (!isAboutLogout) return 'its "events" is not about a logout'
  // an ID token must never do for a logout token
  if (Object.hasOwn(claims, 'nonce')) return 'it holds a "nonce"'
  if (!isText(claims.jti)) return 'its "jti" is missing or no text'
  const { sub } = claims
  const sid = claims['sid']
  if (sub === undefined && sid === undefined) return 'it names neither "sub" nor "sid"'
  if (sub !== undefined && !isText(sub)) return 'its "sub" is no text'
  return sid === undefined || isText(sid) ? undefined : 'its "sid" is no text'
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= longestText

/** `endsAt`: from then on the token is refused for its age, here and everywhere. */
function loggedOut(claims: JWTPayload, issuer: string): LoggedOut {
  const { sub, jti, iat = 0, exp = Number.POSITIVE_INFINITY } = claims
  const sid = claims['sid']
  return {
    issuer,
    jti: String(jti),
    endsAt: (Math.min(exp, iat + freshFor) + clockTolerance + 1) * 1000,
    ...(typeof sid === 'string' ? { sid } : {}),
    ...(sub === undefined ? {} : { subject: sub }),
  }
}

/** Going by what the configuration says, or what is known of the provider: it is not asked. */
export function createIssuerOf(
  { issuer: written }: { readonly issuer?: string },
  endpoints: Pick<Endpoints, 'status'>,
  vendor: Vendor | undefined,
): (iss: string) => string | undefined {
  return (iss) => {
    const known = endpoints.status().endpoints?.['issuer'] ?? (written === undefined ? undefined : wholeIssuer(written, vendor))
    if (known === undefined) return undefined
    const spellings = spellingsOf(known, vendor)
    if (spellings) return spellings.has(iss) ? spellings.canonical(iss) : undefined
    return iss === known || iss === `${known}/` || `${iss}/` === known ? iss : undefined
  }
}

type Keys = (uri: string) => JWTVerifyGetKey
interface KeySet {
  readonly uri: string
  readonly at: Instant
  readonly find: JWTVerifyGetKey
}

/** A flood of made-up key ids asks the provider once per half minute, also while it does not answer, and whichever way a clock was set. */
function createKeys({ ask, clock, timeout }: LogoutTokenOptions): Keys {
  let known: KeySet | undefined
  let asking: Promise<boolean> | undefined
  let askedAt = Number.NEGATIVE_INFINITY

  const load = async (uri: string): Promise<boolean> => {
    try {
      known = { uri, at: clock(), find: createLocalJWKSet(await keySetAt(uri, ask, timeout)) }
      return true
    } catch {
      return false // what was known serves on; where nothing was, nobody can be believed
    }
  }
  const look = (uri: string): Promise<boolean> => {
    if (!asking && Math.abs(clock() - askedAt) < betweenLooks) return Promise.resolve(false)
    if (!asking) {
      askedAt = clock()
      asking = load(uri).finally(() => {
        asking = undefined
      })
    }
    return asking
  }
  return (uri) => async (header, input) => {
    if (known?.uri !== uri || Math.abs(clock() - known.at) >= staleAfter) await look(uri)
    if (known?.uri !== uri) throw new PosternError('provider-unavailable', `no key set from ${uri.replace(/\?.*/s, '')}`)
    try {
      return await known.find(header, input)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await look(uri))) throw error
      return known.find(header, input)
    }
  }
}

async function keySetAt(uri: string, ask: CustomFetch, timeout: number): Promise<JSONWebKeySet> {
  const answer = await ask(uri, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: undefined,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeout),
  })
  if (answer.status !== 200) throw new TypeError('no key set')
  return (await answer.json()) as JSONWebKeySet
}
