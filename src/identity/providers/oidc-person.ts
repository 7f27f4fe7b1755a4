// From checked tokens to a person: where the claims are, whether they may be believed, whose they are. A sign-in and a refresh read
// them the same way. It knows no code, no flow and no session.
import { type Configuration, fetchUserInfo } from 'openid-client'
import type { AuthOutcome, Instant } from '../../types.ts'
import { logSafe } from './account.ts'
import type { OidcOptions } from './oidc.ts'
import { failed } from './oidc-answer.ts'
import { type Claims, compileAttribute, identityOf } from './oidc-claims.ts'
import { asksUserinfoWhenMissing, plainClaims, tenantTrouble, type Vendor } from './vendor.ts'

export interface Reader {
  /** What openid-client lets pass, and the tenant. */
  troubleOf(idToken: Claims, now: Instant): AuthOutcome | undefined
  /** Empty where it is not asked. Throws what the provider or openid-client objects to. */
  userinfo(configuration: Configuration, accessToken: string, idToken: Claims): Promise<Claims>
  /** The same without an ID token, which could have said everything: undefined where there is nobody to ask. */
  userinfoOf(configuration: Configuration, accessToken: string, subject: string): Promise<Claims | undefined>
  elsewhereTrouble(idToken: Claims, said: Claims): AuthOutcome | undefined
  /** `claims` are joined and checked. */
  identify(claims: Claims, now: Instant): Promise<AuthOutcome>
}

/** Providers' clocks run a little ahead; tokens from the future are refused (seconds). */
const clockTolerance = 60

/** Throws ExpressionError where an attribute cannot be used. */
export function createReader(options: OidcOptions, vendor: Vendor | undefined): Reader {
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  const wanted = wantedOf(options, [...account.reads, ...groups.reads])
  const ask = async (configuration: Configuration, accessToken: string, subject: string): Promise<Claims> =>
    (await fetchUserInfo(configuration, accessToken, subject)) as Claims
  return {
    troubleOf: (idToken, now) => tokenTrouble(idToken, now) ?? tenantTrouble(idToken, options),
    userinfo: async (configuration, accessToken, idToken) =>
      asksUserinfo(options, configuration, idToken, wanted, vendor)
        ? ask(configuration, accessToken, String(idToken['sub']))
        : {},
    userinfoOf: async (configuration, accessToken, subject) =>
      mayAskUserinfo(options, configuration) && (options.userinfo === 'always' || asksUserinfoWhenMissing(vendor))
        ? ask(configuration, accessToken, subject)
        : undefined,
    elsewhereTrouble: (idToken, said) => elsewhereTrouble(idToken, said, wanted),
    identify: (claims, now) => identityOf(plainClaims(claims, vendor), { ...options, account, groups }, now),
  }
}

function wantedOf(options: OidcOptions, reads: readonly string[]): ReadonlySet<string> {
  const wanted = new Set([...options.wantedClaims, ...reads])
  if (options.verify) wanted.add(options.verify.claim)
  // an address that is read is read with what is said of it: a false one in userinfo alone refuses too
  if (options.requireVerifiedEmail || wanted.has('email')) wanted.add('email_verified')
  return wanted
}

/** An empty subject would be everybody whom the provider forgot to name. */
function tokenTrouble(idToken: Claims, now: Instant): AuthOutcome | undefined {
  if (idToken['sub'] === '') return failed('JWT "sub" (subject) is empty')
  return Number(idToken['iat']) > now / 1000 + clockTolerance ? failed('JWT "iat" (issued at) lies in the future') : undefined
}

/**
 * Distributed claims (OpenID Connect Core section 5.6.2), as Entra writes them for people in too many groups: to go on without
 * what a rule reads would be to decide on less than there is.
 */
function elsewhereTrouble(idToken: Claims, said: Claims, wanted: ReadonlySet<string>): AuthOutcome | undefined {
  const names = idToken['_claim_names']
  if (typeof names !== 'object' || names === null) return undefined
  const missing = Object.keys(names).find((name) => wanted.has(name) && said[name] === undefined)
  return missing === undefined
    ? undefined
    : failed(`the claim ${logSafe(missing, 80)} is not in the token but kept elsewhere (too many groups?)`)
}

const mayAskUserinfo = (options: OidcOptions, configuration: Configuration): boolean =>
  options.userinfo !== 'never' && configuration.serverMetadata().userinfo_endpoint !== undefined

function asksUserinfo(
  options: OidcOptions,
  configuration: Configuration,
  idToken: Claims,
  wanted: ReadonlySet<string>,
  vendor: Vendor | undefined,
): boolean {
  if (!mayAskUserinfo(options, configuration)) return false
  if (options.userinfo === 'always') return true
  return asksUserinfoWhenMissing(vendor) && [...wanted].some((claim) => (idToken[claim] ?? undefined) === undefined)
}
