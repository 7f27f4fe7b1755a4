// The `providers` section: every protocol of this build with the keys it takes.
import { z } from 'zod'
import { ruleList } from './rule-reference.ts'
import { signingIn } from './signing-in.ts'
import {
  block,
  durationInSeconds,
  emailDomain,
  flag,
  headerName,
  name,
  oneOrMore,
  pem,
  providerUrl,
  range,
  text,
  url,
} from './values.ts'

const entry = {
  name: name.describe('What portals, logs and addresses call it.'),
  enabled: flag.prefault(true).describe('`false`: it is as if it were not there.'),
  default: flag.prefault(false).describe('The one taken where a person does not choose.'),
  label: z.exactOptional(text).describe('The button: "Login with LABEL". Default: `name`.'),
  credentialsName: z.exactOptional(text).describe('Logs say `NAME (CREDENTIALS)`.'),
}
const common = {
  ...entry,
  accountCase: z.enum(['keep', 'lower']).prefault('keep').describe('`lower`: accounts are compared and handed on in lower case.'),
  rules: ruleList.describe('Hold for everybody who comes through this provider.'),
}

/** Parameters of the authorization request that belong to the protocol. */
const ownParameters =
  /^(client_id|response_type|response_mode|redirect_uri|state|nonce|scope|code_challenge|code_challenge_method|request|request_uri|prompt|max_age|acr_values)$/
/** What Postern's own start address means by its query. */
const startParameters = /^(return|as|fresh|acr|kept|home|fell|choose|email|claims|code|error)$/
const authorizationParameters = z
  .record(
    z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'is no parameter name → use plain letters')
      .refine(
        (key) => !ownParameters.test(key) && key !== 'login_hint',
        'is set by Postern itself → use the key of its own (scope, prompt, maxAge, acrValues, loginHint), or take it away',
      ),
    text,
  )
  .prefault({})

const passParameters = z
  .array(
    z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is no parameter name → use plain letters, as in ui_locales')
      .refine(
        (key) => !ownParameters.test(key) && !startParameters.test(key),
        'belongs to the sign-in itself: nobody may set it from outside → take it out of the list',
      ),
    { error: 'must be a list of parameter names → write [login_hint, ui_locales]' },
  )
  .prefault(['login_hint'])

/** How people get to a provider that they sign in at. */
const asking = {
  domains: z
    .array(emailDomain, { error: 'must be a list of domains → write [company.com]' })
    .prefault([])
    .describe('Whoever types an e-mail address of one of them goes straight here. `"*.company.com"` is one label more.'),
  loginHint: z
    .exactOptional(block)
    .describe('JSONata over the facts known before the sign-in, `login_hint` (what was typed) among them: sent as `login_hint`.'),
  verify: z
    .exactOptional(
      z.strictObject({
        claim: text.describe('Claim of the person who came back.'),
        equals: block.describe('JSONata over the facts known before the sign-in; the claim must be the same text.'),
      }),
    )
    .describe('Whoever comes back must be whom we asked for.'),
  fallback: z.exactOptional(name).describe('Provider that people are sent to while this one is unavailable.'),
  passParameters: passParameters.describe('Query parameters of the start address that are handed to the provider.'),
}

const callbackUrl = z
  .exactOptional(url)
  .describe('Redirect URI as registered. Default: `{portal publicUrl}{basePath}/callback/{provider}`.')
const groupsAttribute = block.prefault('groups').describe('Claim that holds the groups, text or list.')
const requireVerifiedEmail = flag
  .prefault(false)
  .describe('`email_verified: false` always refuses; `true`: an absent one refuses too.')
const clientId = z.exactOptional(text).describe('As registered at the provider. Needed unless `enabled: false`.')
const clientSecret = z.exactOptional(text).describe('As registered at the provider.')
const prompt = z.exactOptional(text).describe('`prompt` of every sign-in.')
const tls = z
  .exactOptional(z.strictObject({ ca: z.exactOptional(pem).describe('Authorities to trust instead of the usual ones.') }))
  .describe("The provider's certificate.")
const refresh = flag
  .prefault(false)
  .describe(
    '`true`: access and refresh token are kept, and the provider is asked again before the access token ends; claims, profiles and rules are judged anew. Needs a store that keeps sessions.',
  )
const furtherParameters = authorizationParameters.describe('Further parameters of the authorization request.')

/** `openid` is always asked for. */
const scope = text.transform((value) => {
  const scopes = value.split(/\s+/).filter((one) => one !== '')
  return (scopes.includes('openid') ? scopes : ['openid', ...scopes]).join(' ')
})

const oidc = z.strictObject({
  protocol: z.literal('OIDC'),
  ...common,
  issuer: z.exactOptional(providerUrl).describe('Alone it is enough: discovery at `{issuer}/.well-known/openid-configuration`.'),
  discoveryUri: z.exactOptional(providerUrl).describe('Where the discovery document lies, if elsewhere.'),
  authorizationEndpoint: z.exactOptional(providerUrl).describe('By hand; wins over the discovered one.'),
  tokenEndpoint: z.exactOptional(providerUrl).describe('By hand; wins over the discovered one.'),
  jwksUri: z.exactOptional(providerUrl).describe('By hand; wins over the discovered one.'),
  userinfoEndpoint: z.exactOptional(providerUrl).describe('By hand; wins over the discovered one.'),
  endSessionEndpoint: z.exactOptional(providerUrl).describe('By hand; wins over the discovered one.'),
  clientId,
  clientSecret,
  clientAuthentication: z
    .exactOptional(
      z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'], {
        error:
          'is not one of client_secret_basic, client_secret_post, private_key_jwt, none → write the one registered at the provider (tls_client_auth is not part of this version)',
      }),
    )
    .describe('Default: `client_secret_basic` with a `clientSecret`, `private_key_jwt` with a `clientKey`, else `none`.'),
  clientKey: z
    .exactOptional(pem)
    .describe('Private key for `private_key_jwt`: PEM or JWK text, or the name of a file that holds it.'),
  clientKeyId: z.exactOptional(text).describe('`kid` of that key.'),
  scope: scope.prefault('openid email profile').describe('`openid` is always there.'),
  callbackUrl,
  accountAttribute: block
    .prefault('email')
    .describe('Claim, or JSONata over the claims, that names the account. Alias: `stxAccountAttribute`.'),
  groupsAttribute,
  requireVerifiedEmail,
  vendor: z
    .exactOptional(z.enum(['entra', 'google', 'keycloak', 'adfs']))
    .describe('Whose product it is: known quirks. Default: seen from the addresses.'),
  allowedTenants: z
    .array(text)
    .prefault([])
    .describe(
      'Tenant ids whose people may come in. Needed where an Entra address (`common`, `organizations`) is for every tenant.',
    ),
  userinfo: z
    .enum(['auto', 'always', 'never'])
    .prefault('auto')
    .describe('`auto`: asked when a claim that something reads is missing from the ID token.'),
  endSession: flag.prefault(true).describe('`false`: `/logout` does not go to the provider.'),
  refresh,
  prompt,
  maxAge: z
    .exactOptional(durationInSeconds)
    .describe('An older sign-in at the provider is not taken; checked against `auth_time`.'),
  acrValues: z.exactOptional(text).describe('`acr_values` of every sign-in.'),
  authorizationParameters: furtherParameters,
  ...asking,
  ...signingIn,
  tls,
})

const byHand = z.exactOptional(providerUrl).describe('Needed unless `enabled: false`.')
const oauth2 = z.strictObject({
  protocol: z.literal('OAUTH2'),
  ...common,
  authorizationEndpoint: byHand,
  tokenEndpoint: byHand,
  userinfoEndpoint: z.exactOptional(providerUrl).describe('Says who the person is, as JSON. Needed unless `enabled: false`.'),
  issuer: z.exactOptional(text).describe('Within it a subject is unique. Default: `oauth2:{name}`.'),
  clientId,
  clientSecret,
  clientAuthentication: z
    .exactOptional(
      z.enum(['client_secret_basic', 'client_secret_post', 'none'], {
        error:
          'is not one of client_secret_basic, client_secret_post, none → write the one that the provider documents for its token endpoint',
      }),
    )
    .describe('Default: `client_secret_basic` with a `clientSecret`, else `none`.'),
  scope: z.exactOptional(text).describe('Nothing is asked for unless it stands here.'),
  callbackUrl,
  subjectAttribute: text.prefault('sub').describe('Member of the userinfo answer that never changes, e.g. `id`.'),
  accountAttribute: z
    .exactOptional(block)
    .describe(
      'Member, or JSONata over the userinfo answer, that names the account, e.g. `login`. Needed unless `enabled: false`.',
    ),
  groupsAttribute,
  requireVerifiedEmail,
  refresh,
  prompt,
  authorizationParameters: furtherParameters,
  ...asking,
  ...signingIn,
  tls,
})

const local = z.strictObject({
  protocol: z.literal('LOCAL'),
  ...entry,
  label: text.prefault("Use the portal's own sign-in").describe('The button.'),
})

const webseal = z.strictObject({
  protocol: z.literal('WEBSEAL'),
  ...common,
  trustedSourceIps: z.array(range).prefault([]).describe("WebSEAL's addresses. Empty: the mode is off."),
  clientIpHeader: z
    .exactOptional(headerName)
    .describe("Where the peer is one of `trustedProxies`: the header with WebSEAL's address."),
  clientAddressHeader: z
    .exactOptional(headerName)
    .describe('Header in which WebSEAL names the client, e.g. `iv-remote-address`.'),
  userHeader: headerName.prefault('iv-user').describe('Who it is.'),
  groupsHeader: headerName.prefault('iv-groups').describe('Which groups.'),
  encoding: z.enum(['utf8_uri', 'utf8_bin', 'lcp_uri']).prefault('utf8_uri').describe("The junction's `-e`."),
  sharedSecret: z.exactOptional(text).describe("The junction's Basic password (`-b supply`)."),
  clientCertificate: oneOrMore
    .prefault([])
    .describe('Subjects or alternative names of the client certificate; needs `server.tls.clientCa`.'),
  onMissing: z
    .exactOptional(z.enum(['deny', 'anonymous', 'login']))
    .describe('When WebSEAL names nobody. Default: `login` where the portal has another provider, else `deny`.'),
  passThrough: z
    .array(headerName)
    .prefault([])
    .describe('Headers of WebSEAL that the portal may see, e.g. `[iv-creds, iv_server_name]`.'),
  strict: flag.prefault(false).describe('`true`: identity headers from anybody else are 403 instead of removed.'),
  logoutUrl: text
    .regex(/^(\/(?![/\\])|https:\/\/)/, 'is no path and no https URL → write for example /pkmslogout')
    .prefault('/pkmslogout')
    .describe('Where `/logout` sends a person whom WebSEAL signed in.'),
})

/** Known words of the contract that this build does not do. */
export const absentProtocols = ['SAML', 'BEARER', 'LOGIN-API', 'TOKEN-API']

const labelled = <P extends { name: string; label?: string }>(provider: P): P & { label: string } => ({
  ...provider,
  label: provider.label ?? provider.name,
})

/** What a provider that is not configured yet may lack; checks refuse it where it is enabled. Empty text stands in for it. */
const whole = <P extends object, K extends string>(provider: P, ...keys: readonly K[]): P & Record<K, string> =>
  ({ ...Object.fromEntries(keys.map((key) => [key, ''])), ...provider }) as P & Record<K, string>

/** One provider; load.ts folds the protocol to upper case before. */
export const providerSchema = z.discriminatedUnion('protocol', [
  oidc.transform((provider) => labelled(whole(provider, 'clientId'))),
  oauth2.transform((provider) => ({
    ...labelled(whole(provider, 'clientId', 'authorizationEndpoint', 'tokenEndpoint', 'userinfoEndpoint', 'accountAttribute')),
    issuer: provider.issuer ?? `oauth2:${provider.name}`,
  })),
  webseal.transform(labelled),
  local.transform((provider) => ({ ...provider, rules: [] as z.output<typeof ruleList> })),
])
