// The token end point of a provider of our own, for refreshes only: a script says what each answer is, and who came is written down.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Identity, Json, Session, Tokens } from '../../../src/types.ts'
import { listenOnLoopback } from '../../support/loopback.ts'
import { clientId } from './oidc-setup.ts'

type Json5xx = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> }
export interface Script {
  /** Laid over the ID token's claims, undefined takes one out; false: no ID token. */
  idToken?: Readonly<Record<string, unknown>> | false
  /** Signed by a key that nobody published. */
  otherKey?: boolean
  /** Laid over the answer. */
  answer?: Readonly<Record<string, unknown>>
  /** Instead of it. */
  token?: Json5xx | 'break' | 'hang'
  jwks?: Json5xx
  userinfo?: Readonly<Record<string, unknown>> | Json5xx | 'break'
}

export async function startRenewals() {
  const own = await generateKeyPair('RS256')
  const other = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'own', use: 'sig', alg: 'RS256' }
  const state: { script: Script } = { script: {} }
  /** Refresh tokens in the order in which they came. */
  const spent: string[] = []

  const idToken = async (said: Readonly<Record<string, unknown>>) => {
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: server.origin, sub: 'ann', aud: clientId, iat: now, exp: now + 300, ...said }
    const key = state.script.otherKey ? other : own
    return new SignJWT(claims as never).setProtectedHeader({ alg: 'RS256', kid: 'own' }).sign(key.privateKey)
  }
  const endpoints: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<unknown>> = {
    '/.well-known/openid-configuration': async (_, response) =>
      send(response, {
        status: 200,
        body: {
          issuer: server.origin,
          authorization_endpoint: `${server.origin}/authorize`,
          token_endpoint: `${server.origin}/token`,
          jwks_uri: `${server.origin}/jwks`,
          userinfo_endpoint: `${server.origin}/userinfo`,
        },
      }),
    '/jwks': async (_, response) => send(response, state.script.jwks ?? { status: 200, body: { keys: [jwk] } }),
    '/token': async (request, response) => {
      const form = new URLSearchParams(await text(request))
      spent.push(form.get('refresh_token') ?? '')
      const { token, answer, idToken: said = {} } = state.script
      if (token === 'break') return response.destroy()
      if (token === 'hang') return undefined
      if (token) return send(response, token)
      const body = {
        access_token: `access-${randomUUID()}`,
        token_type: 'Bearer',
        expires_in: 300,
        refresh_token: `refresh-${spent.length}`,
        ...(said === false ? {} : { id_token: await idToken(said) }),
        ...answer,
      }
      return send(response, { status: 200, body })
    },
    '/userinfo': async (_, response) => {
      const { userinfo } = state.script
      if (userinfo === 'break') return response.destroy()
      if (userinfo && 'status' in userinfo) return send(response, userinfo as Json5xx)
      return send(response, { status: 200, body: { sub: 'ann', ...userinfo } })
    },
  }
  const server = await listenOnLoopback((request, response) => {
    const serve = endpoints[(request.url ?? '').replace(/\?.*/, '')]
    if (serve) serve(request, response).catch(() => response.destroy())
    else response.writeHead(404).end()
  })
  return { issuer: server.origin, state, spent, close: server.close }
}

function send(response: ServerResponse, { status, body, headers = {} }: Json5xx): void {
  const isText = typeof body === 'string'
  response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json', ...headers })
  response.end(isText ? body : JSON.stringify(body))
}

/** As it lies in the store after a sign-in by `ann`. */
export function sessionOf(
  issuer: string,
  extra: { readonly identity?: Partial<Identity>; readonly tokens?: Partial<Tokens>; readonly keep?: Json } = {},
): Session {
  const claims = { iss: issuer, sub: 'ann', email: 'ann@company.com', groups: ['staff'], auth_time: 1000, acr: 'mfa' }
  return {
    id: 'session-1',
    audience: 'home',
    revision: 1,
    createdAt: 1_000_000,
    idleUntil: 9e15,
    endsAt: 9e15,
    identity: {
      provider: 'PLAY',
      issuer,
      subject: 'ann',
      account: 'ann@company.com',
      groups: ['staff'],
      claims,
      authenticatedAt: 1_000_000,
      authTimeKnown: true,
      assurance: 'mfa',
      ...extra.identity,
    },
    tokens: { access: 'access-0', refresh: 'refresh-0', refreshAt: 0, spentAt: 1, ...extra.tokens },
    ...(extra.keep === undefined ? {} : { keep: extra.keep }),
  }
}
