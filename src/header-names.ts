// Every header name that means something to us, and who may send it. A word: connection, upstream and config need it.
// Names are compared folded: case and every non-alphanumeric are one, as CGI, WSGI, PHP and IIS fold them into one
// variable (CVE-2025-64484, CVE-2026-88011; mod_auth_openidc's oidc_util_strnenvcmp).

/** What happens to a request header on its way to the portal. */
export type NameKind =
  | 'pass'
  /** Says who somebody is: only Postern may set it. */
  | 'identity'
  /** RFC 9110 section 7.6.1: ends at this hop. */
  | 'hop'
  /** `X-Forwarded-*` and kin: believed and passed on from a trusted proxy only; the four we rebuild never pass. */
  | 'forwarded'
  /** Rebuilt here, whoever sent it. */
  | 'rebuilt'
  /** Tells some portals another path or method than the one decided on: never passes. */
  | 'override'
  | 'host'
  | 'cookie'
  | 'authorization'
  | 'framing'

/** Lower case, every non-alphanumeric as `_`: the form in which two names are the same to a CGI. */
export const fold = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '_')

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'http2-settings',
  'proxy-authorization',
  'proxy-authenticate',
]
const structural = new Map<string, { readonly name: string; readonly kind: NameKind }>([
  ['host', { name: 'host', kind: 'host' }],
  ['cookie', { name: 'cookie', kind: 'cookie' }],
  ['authorization', { name: 'authorization', kind: 'authorization' }],
  ['content_length', { name: 'content-length', kind: 'framing' }],
  ['transfer_encoding', { name: 'transfer-encoding', kind: 'framing' }],
])
const rebuilt = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id']
/** Some frameworks take the method from here: `POST` with this is a `DELETE` that no route saw. */
const methodOverrides = ['x-http-method-override', 'x-http-method', 'x-method-override']
const overrides = [
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-original-method',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-original-host',
  'x-host',
  'x-override-url',
  'x-http-destinationurl',
  'x-envoy-original-path',
  'proxy',
]
const identityExact = [
  'remote-user',
  'auth-user',
  'x-forwarded-user',
  'x-forwarded-email',
  'x-forwarded-groups',
  'x-forwarded-preferred-username',
  'x-forwarded-access-token',
  'x-forwarded-client-cert',
  'x-arr-clientcert',
  'x-client-cert',
  'sm-user',
  'x-webauth-user',
]
const identityPrefixes = [
  'iv_',
  'am_eai_',
  'x_remote_',
  'x_auth_request_',
  'oidc_',
  'ssl_client_',
  'x_ssl_',
  'x_ms_client_principal',
  'x_amzn_oidc_',
]
const forwardedExact = ['forwarded', 'x-forwarded', 'forwarded-for', 'client-ip', 'front-end-https', 'x-scheme', 'x-script-name']
const forwardedPrefixes = [
  'x_forwarded_',
  'x_original_',
  'x_real_ip',
  'x_client_ip',
  'true_client_ip',
  'cf_connecting_ip',
  'x_cluster_client_ip',
]

/** The classifier keeps this many spellings; a client that invents more pays for its own work. */
const keptSpellings = 4096

/**
 * Builds the classifier of one generation.
 * @param routesNameMethods a route depends on the method, so no header may tell the portal another one
 * @param ours names in any portal's `headers`, any provider's identity headers, and `stripHeaders`, as written
 */
export function compileNames(ours: Iterable<string>, routesNameMethods = false): (rawName: string) => NameKind {
  const exact = new Map<string, NameKind>()
  for (const name of hopByHop) exact.set(fold(name), 'hop')
  for (const name of rebuilt) exact.set(fold(name), 'rebuilt')
  for (const name of overrides) exact.set(fold(name), 'override')
  if (routesNameMethods) for (const name of methodOverrides) exact.set(fold(name), 'override')
  for (const name of forwardedExact) exact.set(fold(name), 'forwarded')
  for (const name of [...identityExact, ...ours]) exact.set(fold(name), 'identity')
  const classify = (rawName: string): NameKind => {
    const folded = fold(rawName)
    const known = exact.get(folded)
    if (known) return known
    const own = structural.get(folded)
    // `content_length`: an alias of a name that frames or addresses the request never passes
    if (own) return rawName.toLowerCase() === own.name ? own.kind : 'identity'
    if (identityPrefixes.some((prefix) => folded.startsWith(prefix))) return 'identity'
    if (forwardedPrefixes.some((prefix) => folded.startsWith(prefix))) return 'forwarded'
    return 'pass'
  }

  const kept = new Map<string, NameKind>()
  return (rawName) => {
    const known = kept.get(rawName)
    if (known) return known
    const kind = classify(rawName)
    if (kept.size < keptSpellings) kept.set(rawName, kind)
    return kind
  }
}
