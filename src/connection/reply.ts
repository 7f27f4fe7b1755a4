// Decision or Answer -> ServerResponse. With upstream/ the only writer of responses. Knows how an answer is dressed for a
// browser, an iframe or a machine; knows nothing of why it was decided.
import type { ServerResponse } from 'node:http'
import { describe } from '../errors.ts'
import type { Answer, Challenge, Deny, Failure, RequestView } from '../types.ts'
import { type PageSettings, type Rendered, renderFailure, renderFrameFailure, renderPage } from '../views/pages.ts'
import { renderProblem } from '../views/problem.ts'
import type { Refused } from './request-view.ts'

export interface Sent {
  readonly status: number
  readonly bytes: number
}

export interface Reply {
  refused(refused: Refused, response: ServerResponse): Sent
  denied(decision: Deny | Challenge, request: RequestView, response: ServerResponse): Sent
  failed(failure: Failure, request: RequestView, response: ServerResponse): Sent
  answer(answer: Answer, request: RequestView, response: ServerResponse): Sent
}

/** @param otherAccountPath where somebody signs in as somebody else, given the page they came from */
export function createReply(
  pages: PageSettings,
  signInPath: (request: RequestView, decision: Deny) => string | undefined,
): Reply {
  const failed = (failure: Failure, request: RequestView, response: ServerResponse, cookies: readonly string[] = []): Sent =>
    send(
      response,
      request.frame
        ? renderFrameFailure(failure, pages)
        : request.navigation
          ? renderFailure(failure, pages)
          : renderProblem(failure),
      cookies,
      request.method,
    )
  return {
    refused(refused, response) {
      response.shouldKeepAlive = false // what follows on a connection that could not be read is not to be trusted
      const failure: Failure = { status: describe(refused.reason).status, reason: refused.reason, requestId: refused.id }
      return send(response, refused.html ? renderFailure(failure, pages) : renderProblem(failure), [], '')
    },
    denied(decision, request, response) {
      if (decision.kind === 'challenge' && decision.redirect && decision.signIn) {
        return redirect(
          response,
          request.method === 'GET' || request.method === 'HEAD' ? 302 : 303,
          decision.signIn,
          decision.cookies,
          [],
        )
      }
      return failed(
        failureOf(decision, request, decision.kind === 'deny' ? signInPath(request, decision) : undefined),
        request,
        response,
        decision.cookies,
      )
    },
    failed: (failure, request, response) => failed(failure, request, response),
    answer(answer, request, response) {
      const { show } = answer
      if (show.kind === 'redirect') return redirect(response, answer.status ?? 303, show.to, answer.cookies, answer.headers ?? [])
      if (show.kind === 'document') {
        const plain = ['Content-Type', show.type, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff']
        const headers = [...plain, ...(answer.headers ?? [])]
        return send(response, { status: answer.status ?? 200, headers, body: show.body }, answer.cookies, request.method)
      }
      if (show.page.name === 'refused') return failed(show.page.failure, request, response, answer.cookies)
      const rendered = renderPage(show.page, pages, request.id)
      return send(response, answer.status ? { ...rendered, status: answer.status } : rendered, answer.cookies, request.method)
    },
  }
}

function failureOf(decision: Deny | Challenge, request: RequestView, otherAccount: string | undefined): Failure {
  const machine = decision.portal?.name ?? 'postern'
  return {
    status: describe(decision.reason).status,
    reason: decision.reason,
    requestId: request.id,
    ...(decision.kind === 'deny' && decision.message ? { message: decision.message } : {}),
    ...(decision.kind === 'deny' && decision.retryAfter !== undefined ? { retryAfter: decision.retryAfter } : {}),
    ...(decision.kind === 'challenge' && decision.signIn ? { signIn: decision.signIn } : {}),
    ...(describe(decision.reason).status === 401 ? { challenge: challengeOf(machine, decision) } : {}),
    ...(decision.rule ? { rule: decision.rule } : {}),
    ...(decision.identity ? { provider: decision.identity.provider, account: decision.identity.account } : {}),
    ...(otherAccount && decision.identity ? { otherAccount } : {}),
  }
}

/** RFC 6750 section 3, and what would be enough: RFC 9470 section 3. */
function challengeOf(realm: string, decision: Deny | Challenge): string {
  const plain = `Bearer realm="${realm.replace(/[^\x20-\x7e]|["\\]/g, '')}"`
  if (decision.kind !== 'challenge' || !decision.stepUp) return plain
  const { maxAge, acr } = decision.stepUp
  const wanted = [
    maxAge === undefined ? '' : `, max_age="${maxAge}"`,
    acr === undefined ? '' : `, acr_values="${acr.replace(/[^\x21-\x7e]|["\\]/g, '')}"`,
  ]
  return `${plain}, error="insufficient_user_authentication"${wanted.join('')}`
}

function redirect(
  response: ServerResponse,
  status: number,
  to: string,
  cookies: readonly string[],
  headers: readonly string[],
): Sent {
  const flat = [
    'Location',
    to,
    'Cache-Control',
    'no-store',
    'Content-Length',
    '0',
    ...headers,
    ...cookies.flatMap((cookie) => ['Set-Cookie', cookie]),
  ]
  response.writeHead(status, flat)
  response.end()
  return { status, bytes: 0 }
}

function send(response: ServerResponse, rendered: Rendered, cookies: readonly string[], method: string): Sent {
  const body = Buffer.from(rendered.body, 'utf8')
  const flat = [
    ...rendered.headers,
    'Content-Length',
    String(body.length),
    ...cookies.flatMap((cookie) => ['Set-Cookie', cookie]),
  ]
  response.writeHead(rendered.status, flat)
  response.end(method === 'HEAD' ? undefined : body)
  return { status: rendered.status, bytes: method === 'HEAD' ? 0 : body.length }
}
