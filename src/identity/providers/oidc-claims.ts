// From what the provider asserts to somebody with an account. It knows claims, not how they were fetched or checked.
import { isClaimName } from '../../expression/claim-name.ts'
import { compileExpression } from '../../expression/compile.ts'
import type { AuthOutcome, Facts, Identity, Instant, Json } from '../../types.ts'
import { foldAccount, holdsControls } from './account.ts'

export type Claims = Readonly<Record<string, Json>>
/** One value taken out of claims: a claim's name as it is, or a JSONata expression over them. */
export interface Attribute {
  /** Claims it reads. */
  readonly reads: ReadonlySet<string>
  of(claims: Claims): Promise<Json | undefined>
}

/** Throws ExpressionError where the text is neither a claim's name nor an expression. */
export function compileAttribute(source: string): Attribute {
  if (isClaimName(source)) {
    return { reads: new Set([source]), of: async (claims) => (Object.hasOwn(claims, source) ? claims[source] : undefined) }
  }
  const expression = compileExpression(source, 'value')
  return { reads: expression.reads.claims, of: (claims) => expression.evaluate({ ...claims, claims } as Facts) }
}

/** About the token or this one exchange, not about the person; and addresses with bearer tokens of their own. */
const ofTheProtocol = new Set(
  'nonce at_hash c_hash s_hash exp iat nbf jti sid session_state _claim_names _claim_sources __proto__'.split(' '),
)

/** Every claim about the person. The ID token is signed: it wins over userinfo. */
export function joinClaims(idToken: Claims, userinfo: Claims): Claims {
  const said = Object.entries(idToken).filter(([, value]) => value !== null)
  const all = [...Object.entries(userinfo), ...said]
  return Object.fromEntries(all.filter(([name, value]) => !ofTheProtocol.has(name) && value !== undefined))
}

export interface ClaimOptions {
  readonly name: string
  readonly account: Attribute
  readonly groups: Attribute
  readonly accountCase: 'keep' | 'lower'
  readonly requireVerifiedEmail: boolean
}

/** `claims` as joinClaims gives them; `who` is checked by whoever calls; `now` in epoch milliseconds. */
export async function identityOf(
  claims: Claims,
  options: ClaimOptions,
  now: Instant,
  who: { readonly issuer: string; readonly subject: string } = { issuer: String(claims['iss']), subject: String(claims['sub']) },
): Promise<AuthOutcome> {
  const unverified = emailTrouble(claims, options.requireVerifiedEmail)
  if (unverified) return { kind: 'rejected', reason: 'email-not-verified', detail: unverified }
  const account = await options.account.of(claims).catch(() => undefined)
  const missing = accountTrouble(account)
  if (missing) return { kind: 'rejected', reason: 'account-missing', detail: missing }
  const identity: Identity = {
    provider: options.name,
    ...who,
    account: foldAccount(String(account), options.accountCase),
    ...textOf('name', claims['name']),
    ...textOf('email', claims['email']),
    ...textOf('assurance', claims['acr']),
    groups: listOf(await options.groups.of(claims)),
    claims,
    ...authenticated(claims['auth_time'], now),
  }
  return { kind: 'identified', identity }
}

/** Some providers write the boolean as text; Google's older userinfo has the words the other way round. */
function emailTrouble(claims: Claims, required: boolean): string | undefined {
  const verified = claims['email_verified'] ?? claims['verified_email'] ?? undefined
  if (verified === undefined) return required ? 'email_verified is absent' : undefined
  return verified === true || verified === 'true' ? undefined : 'email_verified is not true'
}

/** Why this is nobody's account; undefined: it is one. */
export function accountTrouble(account: Json | undefined): string | undefined {
  if (account === undefined || account === null) return 'the account attribute is missing'
  if (typeof account !== 'string') return 'the account attribute is not text'
  if (account.trim() === '') return 'the account attribute is empty'
  return holdsControls(account) ? 'the account attribute holds control characters' : undefined
}

const textOf = <Key extends string>(key: Key, value: Json | undefined): { readonly [key in Key]?: string } =>
  typeof value === 'string' && value !== '' ? ({ [key]: value } as { readonly [key in Key]: string }) : {}

/** Groups: text or a list. */
export function listOf(value: Json | undefined): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  return [...new Set(all.filter((one): one is string => typeof one === 'string' && one !== ''))]
}

/** Seconds since 1970 (OpenID Connect Core section 2); a provider whose clock runs ahead makes nobody fresher than now. */
function authenticated(authTime: Json | undefined, now: Instant): Pick<Identity, 'authenticatedAt' | 'authTimeKnown'> {
  if (typeof authTime !== 'number' || authTime <= 0) return { authenticatedAt: now }
  return { authenticatedAt: Math.min(authTime * 1000, now), authTimeKnown: true }
}
