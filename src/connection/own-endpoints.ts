// Our own endpoints under basePath, with express: it is good at methods and parameters, and too dear for the portal's traffic.
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type NextFunction, type Request, type Response } from 'express'
import { describe, PosternError, type Reason } from '../errors.ts'
import type { SignIn } from '../identity/signing-in/sign-in.ts'
import type { Allow, Answer, Identity, Portal, RequestView } from '../types.ts'
import { readForm, withForm } from './posted-form.ts'
import type { Reply, Sent } from './reply.ts'

/** What the access log wants to know of an own endpoint's answer. */
export interface OwnOutcome {
  readonly sent: Sent
  readonly reason: string
  readonly provider?: string
  readonly account?: string
  readonly rule?: string
  readonly detail?: string
  /** Of the catalogue, also where `reason` has words of its own. */
  readonly because?: Reason
  /** Whom a rule turned away. */
  readonly refused?: Identity
}
export interface OwnVisit {
  readonly request: RequestView
  readonly portal: Portal
  /** Path below basePath. */
  readonly endpoint: string
  readonly done: (outcome: OwnOutcome) => void
}
export interface OwnEndpoints {
  answer(visit: OwnVisit, incoming: IncomingMessage, response: ServerResponse): void
  /** The portal's own sign-out was asked for: Set-Cookie values for its answer. */
  ended(allow: Allow, request: RequestView): Promise<readonly string[]>
}

/** `name`: what stands last in the path, a provider or the place of a kept form. */
const ruleOf = ({ show }: Answer) =>
  show.kind === 'page' && show.page.name === 'refused' && show.page.failure.rule ? { rule: show.page.failure.rule } : {}

type Ask = (visit: OwnVisit, name: string, incoming: IncomingMessage, response: ServerResponse) => Promise<Answer>

export function createOwnEndpoints(signIn: SignIn, reply: Reply): OwnEndpoints {
  const visits = new WeakMap<IncomingMessage, OwnVisit>()
  const visitOf = (request: IncomingMessage): OwnVisit => {
    const visit = visits.get(request)
    if (!visit) throw new Error('a request without a visit')
    return visit
  }
  const refuse = (
    reason: Reason,
    detail: string,
    request: IncomingMessage,
    response: ServerResponse,
    headers?: { retryAfter?: number },
  ) => {
    const visit = visitOf(request)
    const failure = {
      status: describe(reason).status,
      reason,
      requestId: visit.request.id,
      ...(headers?.retryAfter === undefined ? {} : { retryAfter: headers.retryAfter }),
    }
    visit.done({ sent: reply.failed(failure, visit.request, response), reason, because: reason, detail })
  }
  const answer = (ask: Ask) => async (request: Request, response: Response) => {
    const visit = visitOf(request)
    const given = await ask(visit, String(request.params['name'] ?? ''), request, response)
    const sent = reply.answer(given, visit.request, response)
    visit.done({
      sent,
      reason: given.words ?? given.reason ?? 'own-endpoint',
      ...(given.reason ? { because: given.reason } : {}),
      ...(given.provider ? { provider: given.provider } : {}),
      ...(given.account ? { account: given.account } : {}),
      ...ruleOf(given),
      ...(given.refused ? { refused: given.refused } : {}),
    })
  }

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('case sensitive routing', true)
  app.set('strict routing', true)
  app.set('query parser', false)
  const routes: readonly (readonly [path: string, methods: readonly ('get' | 'post')[], ask: Ask])[] = [
    ['/login', ['get'], (visit) => signIn.chooser(visit.request, visit.portal)],
    ['/start/:name', ['get'], (visit, provider) => signIn.start(visit.request, visit.portal, provider)],
    ['/callback/:name', ['get'], (visit, provider) => signIn.callback(visit.request, visit.portal, provider)],
    ['/displace', ['get', 'post'], (visit) => signIn.displace(visit.request, visit.portal)],
    ['/resume/:name', ['get'], (visit, slot) => signIn.resume(visit.request, visit.portal, slot)],
    ['/logout', ['get', 'post'], (visit) => signIn.logout(visit.request, visit.portal)],
    ['/signed-out', ['get'], (visit) => signIn.signedOut(visit.request, visit.portal)],
    [
      '/backchannel-logout/:name',
      ['post'],
      async ({ request, portal }, provider, incoming, response) =>
        signIn.backChannel(withForm(request, await readForm(request, incoming, response)), portal, provider),
    ],
    ['/frontchannel-logout/:name', ['get'], (visit, provider) => signIn.frontChannel(visit.request, visit.portal, provider)],
    ['/session', ['get'], (visit) => signIn.session(visit.request, visit.portal)],
  ]
  for (const [path, methods, ask] of routes) {
    for (const method of methods) app[method](path, answer(ask))
    app.all(path, (request, response) => {
      response.setHeader('Allow', methods.map((method) => (method === 'get' ? 'GET, HEAD' : 'POST')).join(', '))
      refuse('method-refused', `${request.method} on ${path}`, request, response)
    })
  }
  app.use((request: Request, response: Response) => refuse('endpoint-unknown', 'no such endpoint', request, response))
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    if (response.headersSent) return void response.destroy()
    if (error instanceof PosternError)
      return refuse(
        error.reason,
        error.detail,
        request,
        response,
        error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter },
      )
    const reason = error instanceof URIError ? 'bad-request' : 'internal' // a provider name that is not percent-encoding
    refuse(reason, error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error', request, response)
  })

  return {
    answer(visit, incoming, response) {
      visits.set(incoming, visit)
      incoming.url = visit.endpoint
      app(incoming, response)
    },
    ended: async ({ portal, session }, request) => (session ? signIn.ended(request, portal, session) : []),
  }
}
