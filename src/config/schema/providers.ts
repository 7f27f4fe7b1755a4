// The `providers` section: every protocol of this build with the keys it takes.
import { z } from 'zod'
import { ruleList } from './rule-reference.ts'
import { block, durationInSeconds, flag, headerName, name, oneOrMore, pem, providerUrl, range, text, url } from './values.ts'

const common = {
  name: name.describe('What portals, logs and addresses call it.'),
  enabled: flag.prefault(true).describe('`false`: it is as if it were not there.'),
  default: flag.prefault(false).describe('The one taken where a person does not choose.'),
  label: z.exactOptional(text).describe('The button: "Login with LABEL". Default: `name`.'),
  credentialsName: z.exactOptional(text).describe('Logs say `NAME (CREDENTIALS)`.'),
  accountCase: z.enum(['keep', 'lower']).prefault('keep').describe('`lower`: accounts are compared and handed on in lower case.'),
  rules: ruleList.describe('Hold for everybody who comes through this provider.'),
}

/** Parameters of the authorization request that belong to the protocol. */
const ownParameters =
  /^(client_id|response_type|response_mode|redirect_uri|state|nonce|scope|code_challenge|code_challenge_method|request|request_uri|prompt|max_age|acr_values)$/
const authorizationParameters = z
  .record(
    z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'is no parameter name → use plain letters')
      .refine(
        (key) => !ownParameters.test(key),
        'is set by Postern itself → use the key of its own (scope, prompt, maxAge, acrValues), or take it away',
      ),
    text,
  )
  .prefault({})

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
  clientId: text.describe('As registered at the provider.'),
  clientSecret: z.exactOptional(text).describe('As registered at the provider.'),
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
  callbackUrl: z
    .exactOptional(url)
    .describe('Redirect URI as registered. Default: `{portal publicUrl}{basePath}/callback/{provider}`.'),
  accountAttribute: block
    .prefault('email')
    .describe('Claim, or JSONata over the claims, that names the account. Alias: `stxAccountAttribute`.'),
  groupsAttribute: block.prefault('groups').describe('Claim that holds the groups, text or list.'),
  requireVerifiedEmail: flag
    .prefault(false)
    .describe('`email_verified: false` always refuses; `true`: an absent one refuses too.'),
  userinfo: z
    .enum(['auto', 'always', 'never'])
    .prefault('auto')
    .describe('`auto`: asked when a claim that something reads is missing from the ID token.'),
  endSession: flag.prefault(true).describe('`false`: `/logout` does not go to the provider.'),
  prompt: z.exactOptional(text).describe('`prompt` of every sign-in.'),
  maxAge: z
    .exactOptional(durationInSeconds)
    .describe('An older sign-in at the provider is not taken; checked against `auth_time`.'),
  acrValues: z.exactOptional(text).describe('`acr_values` of every sign-in.'),
  authorizationParameters: authorizationParameters.describe('Further parameters of the authorization request.'),
  tls: z
    .exactOptional(z.strictObject({ ca: z.exactOptional(pem).describe('Authorities to trust instead of the usual ones.') }))
    .describe("The provider's certificate."),
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
export const absentProtocols = ['OAUTH2', 'SAML', 'BEARER', 'LOGIN-API', 'TOKEN-API', 'LOCAL']

const labelled = <P extends { name: string; label?: string }>(provider: P): P & { label: string } => ({
  ...provider,
  label: provider.label ?? provider.name,
})

/** One provider; load.ts folds the protocol to upper case before. */
export const providerSchema = z.discriminatedUnion('protocol', [oidc.transform(labelled), webseal.transform(labelled)])
