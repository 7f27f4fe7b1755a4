// `/explain` of the admin listener: why a request was refused, what would happen to another. JSON, or a page for a browser.
import type { Express, Request, Response } from 'express'
import { type Explanation, WrongQuestion } from '../explanation/explanation.ts'
import { explanationPage, pagePolicy, refusalsPage, troublePage } from '../explanation/page.ts'
import type { Asked } from '../explanation/question.ts'
import type { Refusal } from '../explanation/refusals.ts'
import { prefersHtml } from './accept.ts'

export interface Explaining {
  /** Throws WrongQuestion. */
  ask(asked: Asked): Promise<Explanation>
  /** Undefined: not remembered. */
  refusal(id: string): Promise<Explanation | undefined>
  recent(): readonly Refusal[]
}

const notRemembered =
  'no refusal with this request id is remembered: at most 200 of this process, since its start  → look for the request in the access log'

export function addExplain(app: Express, explaining: Explaining): void {
  app.get('/explain', async (request, response) => {
    const query = new URL(request.originalUrl, 'http://admin.invalid').searchParams
    try {
      const id = query.get('request')
      if (id !== null) return tellOf(await explaining.refusal(id), request, response)
      if (query.get('portal') === null) return list(explaining.recent(), request, response)
      return tellOf(await explaining.ask(askedIn(query)), request, response)
    } catch (error) {
      if (!(error instanceof WrongQuestion)) throw error
      return trouble(400, 'Wrong question', error.message, request, response)
    }
  })
}

/** An empty field of the form is one that was left out. */
function askedIn(query: URLSearchParams): Asked {
  const given = (name: string) => query.get(name) || undefined
  return {
    portal: query.get('portal') ?? '',
    path: query.get('path') ?? '/',
    method: given('method'),
    provider: given('provider'),
    claims: given('claims'),
    clientIp: given('client-ip'),
    at: given('at'),
  }
}

function tellOf(explanation: Explanation | undefined, request: Request, response: Response): void {
  if (!explanation) return trouble(404, 'Not found', notRemembered, request, response)
  if (wantsPage(request)) return page(response, 200, explanationPage(explanation))
  response.json(explanation)
}

function list(recent: readonly Refusal[], request: Request, response: Response): void {
  if (wantsPage(request)) return page(response, 200, refusalsPage(recent))
  response.json({
    refusals: recent.map(({ id, at, portal, method, path, reason, rule, identity }) => ({
      id,
      at: new Date(at).toISOString(),
      portal,
      method,
      path,
      reason,
      ...(rule ? { rule } : {}),
      ...(identity ? { account: identity.account } : {}),
    })),
  })
}

function trouble(status: number, title: string, detail: string, request: Request, response: Response): void {
  if (wantsPage(request)) return page(response, status, troublePage(detail))
  response.status(status).json({ title, status, detail })
}

const wantsPage = (request: Request): boolean => prefersHtml(request.headers.accept ?? '')

function page(response: Response, status: number, body: string): void {
  response
    .status(status)
    .set({
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': pagePolicy,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'X-Frame-Options': 'DENY',
    })
    .end(body)
}
