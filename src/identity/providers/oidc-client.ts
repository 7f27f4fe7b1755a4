// How we prove who we are to the provider, and the openid-client configuration every call is made with.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { importJWK } from 'jose'
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  type CustomFetch,
  customFetch,
  enableNonRepudiationChecks,
  getJwksCache,
  None,
  PrivateKeyJwt,
  type ServerMetadata,
  setJwksCache,
} from 'openid-client'

export interface ClientOptions {
  readonly clientId: string
  readonly clientSecret?: string
  readonly clientAuthentication?: 'client_secret_basic' | 'client_secret_post' | 'none' | 'private_key_jwt'
  /** PEM or JWK text. */
  readonly clientKey?: string
  readonly clientKeyId?: string
}

export interface Client {
  /** One per metadata object, so that the key set it has fetched stays known. */
  for(metadata: ServerMetadata): Promise<Configuration>
  /** Of one exchange, with calls of its own. */
  once(metadata: ServerMetadata, ask: CustomFetch): Promise<Configuration>
}

/**
 * The configuration for what the provider says of itself. `timeout` in milliseconds, per call. Throws TypeError where secret or
 * key do not fit.
 */
export function createClient(options: ClientOptions, context: { readonly ask: CustomFetch; readonly timeout: number }): Client {
  if (options.clientId === '') throw new TypeError('clientId is empty')
  const authentication = clientAuthentication(options)
  let kept: { readonly metadata: ServerMetadata; readonly configuration: Promise<Configuration> } | undefined

  const build = async (metadata: ServerMetadata, ask: CustomFetch) => {
    const configuration = new Configuration(metadata, options.clientId, {}, await authentication())
    configuration[customFetch] = ask
    configuration.timeout = context.timeout / 1000
    // which addresses may be http was decided when they were read
    allowInsecureRequests(configuration)
    // openid-client does not check the ID token's signature on its own
    enableNonRepudiationChecks(configuration)
    return configuration
  }
  return {
    for: (metadata) => {
      if (kept?.metadata !== metadata) kept = { metadata, configuration: build(metadata, context.ask) }
      return kept.configuration
    },
    once: build,
  }
}

/** The key set that `from` has fetched is known to `to`. */
export function shareKeys(from: Configuration, to: Configuration): void {
  const keys = getJwksCache(from)
  if (keys) setJwksCache(to, keys)
}

/** RFC 6749 section 2.3.1 wants Basic; openid-client's own default is the body. */
function clientAuthentication(options: ClientOptions): () => Promise<ClientAuth> {
  const byKey = options.clientKey ? 'private_key_jwt' : 'none'
  const method = options.clientAuthentication ?? (options.clientSecret ? 'client_secret_basic' : byKey)
  switch (method) {
    case 'none':
      return async () => None()
    case 'private_key_jwt':
      return privateKeyJwt(options)
    default: {
      const secret = options.clientSecret
      if (!secret) throw new TypeError(`clientSecret is needed for ${method}`)
      return async () => (method === 'client_secret_post' ? ClientSecretPost(secret) : ClientSecretBasic(secret))
    }
  }
}

/** RFC 7523 section 2.2. */
function privateKeyJwt({ clientKey, clientKeyId }: ClientOptions): () => Promise<ClientAuth> {
  if (!clientKey) throw new TypeError('clientKey is needed for private_key_jwt')
  const { key, alg, kid } = readKey(clientKey)
  const id = clientKeyId ?? kid
  return async () => {
    const usable = await importJWK({ ...key.export({ format: 'jwk' }), alg }, alg)
    return PrivateKeyJwt({ key: usable as CryptoKey, ...(id === undefined ? {} : { kid: id }) })
  }
}

function readKey(text: string): { key: KeyObject; alg: string; kid?: string } {
  try {
    if (!text.trimStart().startsWith('{')) {
      const key = createPrivateKey(text)
      return { key, alg: algorithmOf(key) }
    }
    const jwk = JSON.parse(text) as { alg?: unknown; kid?: unknown }
    const key = createPrivateKey({ key: jwk as never, format: 'jwk' })
    const alg = typeof jwk.alg === 'string' ? jwk.alg : algorithmOf(key)
    return { key, alg, ...(typeof jwk.kid === 'string' ? { kid: jwk.kid } : {}) }
  } catch {
    // the cause would quote the key
    throw new TypeError('clientKey is not a private key (PEM or JWK; RSA, EC P-256/384/521 or Ed25519)')
  }
}

function algorithmOf(key: KeyObject): string {
  const curves: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
  const kinds: Record<string, string | undefined> = {
    rsa: 'RS256',
    'rsa-pss': 'PS256',
    ed25519: 'EdDSA',
    ec: curves[key.asymmetricKeyDetails?.namedCurve ?? ''],
  }
  const alg = kinds[key.asymmetricKeyType ?? '']
  if (!alg) throw new TypeError('unknown kind of key')
  return alg
}
