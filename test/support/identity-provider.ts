// A real OpenID provider (oidc-provider) on loopback, with a login form and nothing to consent to.
import { randomBytes, randomUUID } from 'node:crypto'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Context, Provider } from 'oidc-provider'
import type { Json } from '../../src/types.ts'
import { listenOnLoopback } from './loopback.ts'
import { createPerson, type Person } from './person.ts'
import { createRoomyAdapter } from './roomy-adapter.ts'

export interface TestClient {
  readonly client_id: string
  readonly client_secret?: string
  /** Compared exactly, query included. */
  readonly redirect_uris: readonly string[]
  readonly post_logout_redirect_uris?: readonly string[]
  readonly token_endpoint_auth_method?: 'client_secret_basic' | 'client_secret_post' | 'none' | 'private_key_jwt'
  readonly jwks?: { readonly keys: readonly JWK[] }
  readonly id_token_signed_response_alg?: string
  readonly backchannel_logout_uri?: string
  /** Its ID tokens and logout tokens name a `sid`. */
  readonly backchannel_logout_session_required?: boolean
}
export interface TestAccount {
  /** Default: anything goes. */
  readonly password?: string
  /** Beside `sub`, which is the account's key: email, email_verified, hd, groups, department, … */
  readonly claims?: Readonly<Record<string, Json>>
}
export interface IdentityProviderOptions {
  readonly clients: readonly TestClient[]
  readonly accounts: Readonly<Record<string, TestAccount>>
  /** Where the claims stand; the ID token, unless told otherwise. */
  readonly claimsIn?: 'id_token' | 'userinfo'
  /** Seconds. */
  readonly ttl?: {
    readonly idToken?: number
    readonly code?: number
    readonly session?: number
    readonly accessToken?: number
    readonly refreshToken?: number
  }
  /** Hundreds of people: what it knows of them must not be pushed out. */
  readonly crowd?: boolean
  /** A refresh token for every sign-in, used once: whoever comes with it again loses everything that came of it. */
  readonly rotation?: boolean
  /** Default 0: any free one. */
  readonly port?: number
  /** Default true. */
  readonly endSession?: boolean
  /** Default false: nobody is told, server to server, of a sign-out. */
  readonly backChannelLogout?: boolean
  /** Default RS256. */
  readonly algorithm?: 'RS256' | 'ES256' | 'EdDSA'
}
export interface IdentityProvider {
  readonly issuer: string
  readonly port: number
  /** Path and query of every request that came, in order. */
  readonly asked: readonly string[]
  /** Refresh tokens that were taken. */
  readonly refreshes: () => number
  /** What its token end point objected to, a refresh token that comes twice among it. */
  readonly grantErrors: readonly string[]
  /** Signs in with a browser of its own; returns the callback URL that the browser would load next. */
  signIn(authorizationUrl: string, account: string, password?: string): Promise<string>
  /** A browser that stays signed in from one `go` to the next; `fill` is `{ user, password }` or `{ logout: 'yes' }`. */
  person(): Person
  /** Signs with new keys from now on; the old ones are gone. */
  rotateKeys(): Promise<void>
  /** Nothing listens any more; `resume` listens on the same port with the same keys and sessions. */
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

/** Every client must use PKCE S256. */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const library = await load()
  const asked: string[] = []
  const cookieKey = randomBytes(32).toString('hex')
  let provider: Provider
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.url ?? '')
    if (request.url?.startsWith('/interaction/')) return void interact(provider, options, request, response)
    provider
      .callback()(request, response)
      .catch(() => response.destroy())
  }
  let server = await listenOnLoopback(answer, options.port)
  let refreshes = 0
  const grantErrors: string[] = []
  const build = async () => {
    const built = new library.Provider(server.origin, await configuration(options, library, cookieKey))
    built.on('grant.success', ({ oidc }: Context) => void (oidc.params?.['grant_type'] === 'refresh_token' && refreshes++))
    built.on(
      'grant.error',
      (_: Context, error: Error & { error_detail?: string }) =>
        void grantErrors.push(`${error.message}: ${error.error_detail ?? ''}`),
    )
    return built
  }
  provider = await build()
  const person = () => createPerson(server.origin)
  return {
    issuer: server.origin,
    port: server.port,
    asked,
    refreshes: () => refreshes,
    grantErrors,
    person,
    signIn: (url, user, password = 'any') => person().go(url, { user, password }),
    rotateKeys: async () => {
      provider = await build()
    },
    pause: () => server.close(),
    resume: async () => {
      server = await listenOnLoopback(answer, server.port)
    },
    close: () => server.close(),
  }
}

/** On its way in the library warns of every Node that it does not know yet. */
async function load() {
  const { warn, info } = console
  console.warn = () => {}
  console.info = () => {}
  try {
    const [library, { createMemoryAdapter }] = await Promise.all([
      import('oidc-provider'),
      import('oidc-provider/lib/adapters/memory_adapter.js'),
    ])
    return { ...library, adapter: createMemoryAdapter(0) }
  } finally {
    console.warn = warn
    console.info = info
  }
}

type Library = Awaited<ReturnType<typeof load>>

async function configuration(options: IdentityProviderOptions, library: Library, cookieKey: string) {
  const { accounts, ttl = {} } = options
  const names = new Set(Object.values(accounts).flatMap(({ claims }) => Object.keys(claims ?? {})))
  const email = ['email', 'email_verified']
  const policy = library.interactionPolicy.base()
  policy.add(new library.interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0)
  return {
    adapter: options.crowd ? createRoomyAdapter() : library.adapter,
    clients: options.clients,
    jwks: { keys: [await signingKey(options.algorithm ?? 'RS256')] },
    cookies: { keys: [cookieKey] },
    pkce: { required: () => true },
    acrValues: ['urn:test:mfa'],
    claims: { openid: ['sub'], email, profile: [...names].filter((name) => !email.includes(name)) },
    conformIdTokenClaims: options.claimsIn === 'userinfo',
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    clientDefaults: {
      id_token_signed_response_alg: options.algorithm ?? 'RS256',
      ...(options.rotation ? { grant_types: ['authorization_code', 'refresh_token'] } : {}),
    },
    findAccount: (_: unknown, sub: string) =>
      Object.hasOwn(accounts, sub) ? { accountId: sub, claims: () => ({ sub, ...accounts[sub]?.claims }) } : undefined,
    loadExistingGrant: grantEverything,
    ...(options.rotation ? { issueRefreshToken: () => true, rotateRefreshToken: true } : {}),
    interactions: { policy, url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: options.endSession ?? true, logoutSource },
      backchannelLogout: { enabled: options.backChannelLogout ?? false },
    },
    ...(options.backChannelLogout ? { fetch: fetchHere } : {}),
    ttl: {
      AccessToken: ttl.accessToken ?? 600,
      ...(options.rotation ? { RefreshToken: ttl.refreshToken ?? 86_400 } : {}),
      AuthorizationCode: ttl.code ?? 60,
      IdToken: ttl.idToken ?? 600,
      Interaction: 600,
      Session: ttl.session ?? 600,
      Grant: ttl.session ?? 600,
    },
    renderError: (ctx: Context, out: { error?: string; error_description?: string }) => {
      ctx.type = 'text'
      ctx.body = `${out.error}: ${out.error_description}`
    },
  }
}

/** Every `*.localhost` is this machine, which the library would not ask. */
function fetchHere(to: string, { method = 'GET', headers, body }: RequestInit): Promise<Response> {
  const { port, host, pathname, search } = new URL(to)
  const sent = { ...Object.fromEntries(new Headers(headers)), host }
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: pathname + search, method, headers: sent, agent: false }
    const asking = httpRequest(options, (answer) => {
      answer.resume().on('end', () => resolve(new Response(null, { status: answer.statusCode ?? 500 })))
    })
    asking.on('error', reject)
    asking.end(String(body ?? ''))
  })
}

async function signingKey(algorithm: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), use: 'sig', alg: algorithm }
}

async function grantEverything({ oidc: { client, session, provider } }: Context) {
  const known = session.grantIdFor(client.clientId)
  if (known) return provider.Grant.find(known)
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope('openid email profile')
  await grant.save()
  return grant
}

function logoutSource(ctx: Context, form: string): void {
  ctx.body = form
}

async function interact(
  provider: Provider,
  options: IdentityProviderOptions,
  request: IncomingMessage,
  response: ServerResponse,
) {
  try {
    const { params } = await provider.interactionDetails(request, response)
    if (request.method !== 'POST') return showLogin(response, request.url ?? '', 200, params['login_hint'] ?? '')
    const form = new URLSearchParams(await text(request))
    const user = form.get('user') ?? ''
    const account = Object.hasOwn(options.accounts, user) ? options.accounts[user] : undefined
    const isRight = account && (account.password === undefined || account.password === form.get('password'))
    if (!isRight) return showLogin(response, request.url ?? '', 401, '')
    const result = { select_account: {}, login: { accountId: user, acr: 'urn:test:mfa', amr: ['pwd', 'otp'] } }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
  } catch {
    response.writeHead(400).end('this sign-in is over')
  }
}

function showLogin(response: ServerResponse, action: string, status: number, user: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
  response.end(`<!doctype html><title>Sign in</title><form method="post" action="${action}">
<input name="user" value="${encodeURIComponent(user)}"><input name="password" type="password"><button>Sign in</button></form>`)
}
