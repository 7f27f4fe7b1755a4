// What products do differently from OpenID Connect, each in one place. It reads options and claims; it asks nobody.
import type { AuthOutcome } from '../../types.ts'
import { logSafe } from './account.ts'
import type { Claims } from './oidc-claims.ts'

export type Vendor = 'entra' | 'google' | 'keycloak' | 'adfs'
export interface VendorOptions {
  /** Absent: seen from the addresses. */
  readonly vendor?: Vendor
  /** Tenant ids, as Entra writes them into `tid`. Empty: any that the issuer stands for. */
  readonly allowedTenants?: readonly string[]
  readonly issuer?: string
  readonly discoveryUri?: string
  readonly authorizationEndpoint?: string
}

const hosts: readonly (readonly [RegExp, Vendor])[] = [
  [/^(login\.microsoftonline\.(com|us|de)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)$/, 'entra'],
  [/^accounts\.google\.com$/, 'google'],
]
const paths: readonly (readonly [RegExp, Vendor])[] = [
  [/^\/adfs(\/|$)/, 'adfs'],
  [/\/realms\/[^/]+(\/|$)/, 'keycloak'],
]

export function vendorOf(options: VendorOptions): Vendor | undefined {
  if (options.vendor) return options.vendor
  const url = URL.parse(options.issuer ?? options.discoveryUri ?? options.authorizationEndpoint ?? '')
  if (!url) return undefined
  const byHost = hosts.find(([host]) => host.test(url.hostname))
  return (byHost ?? paths.find(([path]) => path.test(url.pathname)))?.[1]
}

/** Where every tenant has an issuer of its own, the one that is written holds this instead. */
export const tenantPlace = '{tenantid}'
/** The one tenant in which Microsoft keeps private people. */
const consumers = '9188040d-6c67-4c5b-b112-36a304b66dad'

/** Entra's addresses for people of several tenants, written as its discovery document writes the issuer. */
export function wholeIssuer(issuer: string, vendor: Vendor | undefined): string {
  if (vendor !== 'entra') return issuer
  return issuer
    .replace(/^(https?:\/\/[^/]+\/)(?:common|organizations|\{tenantid\})(?=\/|$)/i, `$1${tenantPlace}`)
    .replace(/^(https?:\/\/[^/]+\/)consumers(?=\/|$)/i, `$1${consumers}`)
}

/** Other texts that `iss` may hold for the same provider. */
export interface Spellings {
  has(iss: string): boolean
  /** The issuer that a token has to name, going by what it says of itself; undefined: it cannot be one of this provider's. */
  of(claims: Claims): string | undefined
  /** What the person's issuer is called afterwards. */
  canonical(iss: string): string
}

/** undefined: `issuer` is the only one. */
export function spellingsOf(issuer: string, vendor: Vendor | undefined): Spellings | undefined {
  if (issuer.includes(tenantPlace)) return perTenant(issuer)
  if (vendor !== 'google') return undefined
  // Google's documents: `https://accounts.google.com` or `accounts.google.com`; one person whichever is written
  const bare = issuer.replace(/^https?:\/\//, '')
  return {
    has: (iss) => iss === issuer || iss === bare,
    of: ({ iss }) => (iss === bare ? bare : issuer),
    canonical: () => issuer,
  }
}

/** The token's own tenant has to stand in its issuer: a `tid` beside another tenant's issuer is nobody's. */
function perTenant(issuer: string): Spellings {
  const [before = '', after = ''] = issuer.split(tenantPlace)
  return {
    has: (iss) =>
      iss.startsWith(before) && iss.endsWith(after) && isTenantId(iss.slice(before.length, iss.length - after.length)),
    of: ({ tid }) => (isTenantId(tid) ? before + tid + after : undefined),
    canonical: (iss) => iss,
  }
}

const isTenantId = (tid: unknown): tid is string => typeof tid === 'string' && /^[\w-]{1,64}$/.test(tid)

/** Of claims that are checked already. */
export function tenantTrouble(claims: Claims, options: Pick<VendorOptions, 'allowedTenants'>): AuthOutcome | undefined {
  const allowed = options.allowedTenants ?? []
  if (allowed.length === 0) return undefined
  const tenant = claims['tid']
  const isAllowed = typeof tenant === 'string' && allowed.some((one) => one.toLowerCase() === tenant.toLowerCase())
  if (isAllowed) return undefined
  const detail = typeof tenant === 'string' ? `the tenant ${logSafe(tenant, 80)} is not allowed` : 'the ID token names no tenant'
  return { kind: 'rejected', reason: 'tenant-refused', detail }
}

/** `claims` in the words of OpenID Connect. */
export function plainClaims(claims: Claims, vendor: Vendor | undefined): Claims {
  const edov = claims['xms_edov']
  if (vendor !== 'entra' || edov === undefined || claims['email_verified'] !== undefined) return claims
  // an address in Entra is what somebody's administrator wrote, unless its domain is proven to be the tenant's
  return { ...claims, email_verified: edov === true || edov === 1 || edov === '1' || edov === 'true' }
}

/** Google knows no `login`: a person who chooses the account again is the most that it does. */
export const plainPrompt = (prompt: string | undefined, vendor: Vendor | undefined): string | undefined =>
  vendor === 'google' && prompt === 'login' ? 'select_account' : prompt

/** ADFS says nothing but `sub` at userinfo, and refuses many tokens there. */
export const asksUserinfoWhenMissing = (vendor: Vendor | undefined): boolean => vendor !== 'adfs'
