// An OpenID provider of our own that can lie in every way. Told nothing, it is honest, and checks the client as strictly as it should.
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'
import { listenOnLoopback } from './loopback.ts'

/** What the provider says falsely in one sign-in; anything not named is the truth. */
export interface Lies {
  /** Laid over the ID token's claims; undefined takes one out. */
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** A key that nobody published, none at all, HMAC with the client's secret, HMAC with the published key's text. */
  readonly signature?: 'other-key' | 'none' | 'client-secret' | 'public-key' | 'cut'
  /** Changes the parameters of the callback. */
  readonly answer?: (parameters: URLSearchParams) => void
  /** Instead of the token endpoint's answer. */
  readonly token?: Trouble
  /** How the token endpoint answers, instead of JSON. */
  readonly tokenAs?: 'form'
  /** Laid over the token endpoint's JSON. */
  readonly tokenAnswer?: Readonly<Record<string, unknown>>
  readonly jwks?: Trouble
  readonly userinfo?: Trouble | { readonly claims: Readonly<Record<string, unknown>> } | { readonly text: string }
}
export type Trouble = 'error-500' | 'hang' | 'garbage' | 'html' | 'redirect' | 'bomb' | 'break' | 'unauthorized'
export interface CrookedProvider {
  readonly issuer: string
  /** Laid over the discovery document, from the next time it is read. */
  discovery: Record<string, unknown>
  /** Instead of the discovery document. */
  discoveryTrouble: Trouble | undefined
  /** The token endpoint refuses under 200, as GitHub does. */
  errorsUnder200: boolean
  /** Method and path of each request. */
  readonly asked: string[]
  /** Bodies of the token requests, in order. */
  readonly tokenRequests: { readonly body: URLSearchParams; readonly authorization: string | undefined }[]
  /** What the browser would load after a sign-in by `subject`, given the authorization URL. */
  signIn(authorizationUrl: string, lies?: Lies): string
  /** A logout token (OpenID Connect Back-Channel Logout 1.0) about the subject and the provider session `s1`. */
  logoutToken(lies?: Lies): Promise<string>
  /** Instead of the key set, from the next time it is read. */
  jwksTrouble: Trouble | undefined
  close(): Promise<void>
}
export interface CrookedOptions {
  readonly clientId: string
  readonly clientSecret: string
  readonly subject?: string
  /** Claims of the ID token beside the protocol's. */
  readonly claims?: Readonly<Record<string, unknown>>
}

interface Issued {
  readonly request: URLSearchParams
  readonly lies: Lies
}

export async function startCrookedProvider(options: CrookedOptions): Promise<CrookedProvider> {
  const keys = { own: await generateKeyPair('RS256', { extractable: true }), other: await generateKeyPair('RS256') }
  const jwk: JWK = { ...(await exportJWK(keys.own.publicKey)), kid: 'own', use: 'sig', alg: 'RS256' }
  const codes = new Map<string, Issued>()
  const accessTokens = new Map<string, Issued>()
  let lastLies: Lies = {}

  const server = await listenOnLoopback((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '')
    crooked.asked.push(`${request.method} ${path}`)
    const serve = endpoints[path]
    if (serve) serve(request, response).catch(() => response.destroy())
    else response.writeHead(404).end()
  })
  const issuer = server.origin

  const endpoints: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>> = {
    '/.well-known/openid-configuration': async (_, response) => {
      if (crooked.discoveryTrouble) return inTrouble(crooked.discoveryTrouble, response)
      json(response, 200, { ...metadataOf(issuer), ...crooked.discovery })
    },
    '/jwks': async (_, response) => {
      const trouble = lastLies.jwks ?? crooked.jwksTrouble
      if (trouble) inTrouble(trouble, response)
      else json(response, 200, { keys: [jwk] })
    },
    '/token': async (request, response) => {
      const body = new URLSearchParams(await text(request))
      crooked.tokenRequests.push({ body, authorization: request.headers.authorization })
      const issued = codes.get(body.get('code') ?? '')
      codes.delete(body.get('code') ?? '')
      const wrong = wrongRequest(body, request.headers.authorization, issued, options)
      if (wrong && crooked.errorsUnder200) return json(response, 200, { error: wrong, error_description: 'secret words' })
      if (wrong || !issued) return json(response, wrong === 'invalid_client' ? 401 : 400, { error: wrong ?? 'invalid_grant' })
      lastLies = issued.lies
      if (issued.lies.token) return inTrouble(issued.lies.token, response)
      const accessToken = randomUUID()
      accessTokens.set(accessToken, issued)
      const idToken = await sign(issued, issuer, options, keys)
      const answer = { access_token: accessToken, token_type: 'Bearer', id_token: idToken, ...issued.lies.tokenAnswer }
      if (issued.lies.tokenAs === 'form') form(response, answer)
      else json(response, 200, answer)
    },
    '/userinfo': async (request, response) => {
      const issued = accessTokens.get((request.headers.authorization ?? '').replace('Bearer ', ''))
      if (!issued) return json(response, 401, { error: 'invalid_token' })
      const { userinfo } = issued.lies
      if (typeof userinfo === 'string') return inTrouble(userinfo, response)
      if (userinfo && 'text' in userinfo)
        return void response.writeHead(200, { 'content-type': 'application/json' }).end(userinfo.text)
      json(response, 200, { sub: subjectOf(options), ...userinfo?.claims })
    },
  }

  const crooked: CrookedProvider = {
    issuer,
    discovery: {},
    discoveryTrouble: undefined,
    errorsUnder200: false,
    jwksTrouble: undefined,
    asked: [],
    tokenRequests: [],
    signIn: (authorizationUrl, lies = {}) => {
      const request = new URL(authorizationUrl).searchParams
      const code = randomUUID()
      codes.set(code, { request, lies })
      const answer = new URLSearchParams({ code, state: request.get('state') ?? '', iss: issuer })
      lies.answer?.(answer)
      const callback = request.get('redirect_uri') ?? ''
      return `${callback}${callback.includes('?') ? '&' : '?'}${answer}`
    },
    logoutToken: (lies = {}) => signAs(logoutClaims(issuer, options), { header: { typ: 'logout+jwt' }, ...lies }, options, keys),
    close: server.close,
  }
  return crooked
}

const subjectOf = (options: CrookedOptions): string => options.subject ?? 'ann'

const metadataOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  userinfo_endpoint: `${issuer}/userinfo`,
  end_session_endpoint: `${issuer}/logout`,
  authorization_response_iss_parameter_supported: true,
  // HS256 and none are offered too, so that a client which takes them is found out
  id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
})

/** RFC 6749 section 4.1.3 and RFC 7636 section 4.6: the checks of an honest provider. */
function wrongRequest(
  body: URLSearchParams,
  authorization: string | undefined,
  issued: Issued | undefined,
  options: CrookedOptions,
) {
  const posted = authorization === undefined && body.get('client_secret') !== null
  const isKnown = posted
    ? body.get('client_id') === options.clientId && body.get('client_secret') === options.clientSecret
    : isClient(authorization, options)
  if (!isKnown) return 'invalid_client'
  const challenge = createHash('sha256')
    .update(body.get('code_verifier') ?? '')
    .digest('base64url')
  if (!issued || issued.request.get('code_challenge') !== challenge) return 'invalid_grant'
  return body.get('redirect_uri') === issued.request.get('redirect_uri') ? undefined : 'invalid_grant'
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
function isClient(authorization: string | undefined, options: CrookedOptions): boolean {
  const pair = Buffer.from((authorization ?? '').replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':')
  const [id, secret] = pair.map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
  return pair.length === 2 && id === options.clientId && secret === options.clientSecret
}

async function sign({ request, lies }: Issued, issuer: string, options: CrookedOptions, keys: Keys): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const truth = {
    iss: issuer,
    sub: subjectOf(options),
    aud: options.clientId,
    nonce: request.get('nonce') ?? undefined,
    iat: now,
    exp: now + 300,
    ...options.claims,
  }
  return signAs(truth, lies, options, keys)
}

const logoutClaims = (issuer: string, options: CrookedOptions) => ({
  iss: issuer,
  sub: subjectOf(options),
  aud: options.clientId,
  iat: Math.floor(Date.now() / 1000),
  exp: Math.floor(Date.now() / 1000) + 120,
  jti: randomUUID(),
  sid: 's1',
  events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
})

async function signAs(
  truth: Readonly<Record<string, unknown>>,
  lies: Lies,
  options: CrookedOptions,
  keys: Keys,
): Promise<string> {
  const claims = { ...truth, ...lies.claims } as Record<string, unknown>
  const header = { kid: 'own', ...lies.header }
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  if (lies.signature === 'none') return `${part({ alg: 'none' })}.${part(claims)}.`
  const hmac = (secret: string) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'HS256', ...lies.header }).sign(Buffer.from(secret))
  if (lies.signature === 'client-secret') return hmac(options.clientSecret)
  if (lies.signature === 'public-key') return hmac(await exportSPKI(keys.own.publicKey))
  const key = lies.signature === 'other-key' ? keys.other : keys.own
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(key.privateKey)
  return lies.signature === 'cut' ? token.slice(0, token.lastIndexOf('.') + 1) : token
}
interface Keys {
  readonly own: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }
  readonly other: { readonly privateKey: CryptoKey }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function form(response: ServerResponse, body: Readonly<Record<string, unknown>>): void {
  const said = Object.entries(body).filter(([, value]) => value !== undefined)
  response.writeHead(200, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' })
  response.end(new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString())
}

function inTrouble(trouble: Trouble, response: ServerResponse): void {
  switch (trouble) {
    case 'hang':
      return
    case 'break':
      return void response.destroy()
    case 'error-500':
      return void response.writeHead(500, { 'retry-after': '7' }).end('secret words of the provider')
    case 'garbage':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token": secret-words')
    case 'html':
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>secret words</h1>')
    case 'redirect':
      return void response.writeHead(302, { location: '/elsewhere' }).end()
    case 'unauthorized':
      return void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    case 'bomb':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(`{"a":"${'a'.repeat(3_000_000)}"}`)
  }
}
