// The health listener: for kubelet and Prometheus. Read only; says nothing about people.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import express, { type NextFunction, type Request, type Response } from 'express'
import type { Metrics } from '../metrics.ts'
import type { Portal } from '../types.ts'

export interface Health {
  readonly draining: () => boolean
  readonly portals: () => ReadonlyMap<string, Portal>
  readonly metrics: Metrics
  /** What sessions are kept in, and what replicas share. */
  readonly storeIsUp: () => boolean
  /** Portals that answer without a sign-in just now. */
  readonly breakGlass: () => readonly string[]
}

export function createHealth(health: Health): (incoming: IncomingMessage, response: ServerResponse) => void {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  app.get('/healthz', (_request, response) => say(response, 200, 'ok'))
  app.get('/readyz', (_request, response) => {
    if (health.draining()) return say(response, 503, 'stopping')
    if (!health.storeIsUp()) return say(response, 503, 'the session store cannot be reached')
    return say(response, 200, readiness(health.breakGlass()))
  })
  app.get('/readyz/:portal', async (request, response) => {
    const portal = health.portals().get(request.params.portal)
    if (!portal) return say(response, 404, 'no such portal')
    if (health.draining()) return say(response, 503, 'stopping')
    const answer = await askPortal(portal)
    return say(response, answer.ready ? 200 : 503, answer.text)
  })
  app.get('/metrics', async (_request, response) => {
    response.set('Content-Type', health.metrics.registry.contentType)
    response.end(await health.metrics.registry.metrics())
  })
  app.use((_request, response) => say(response, 404, 'not found'))
  // express would answer with a stack trace
  app.use((_error: unknown, _request: Request, response: Response, _next: NextFunction) => say(response, 400, 'bad request'))
  return app
}

/** Ready all the same, but whoever looks sees it. */
const readiness = (broken: readonly string[]): string =>
  broken.length === 0 ? 'ok' : `ok, but break-glass is in force: ${broken.join(', ')}`

function say(response: Response, status: number, text: string): void {
  response.status(status).type('text/plain').end(`${text}\n`)
}

/** Any answer below 500 is a portal that is there: a sign-in page or a 404 on `/` is none of our business. */
function askPortal(portal: Portal): Promise<{ readonly ready: boolean; readonly text: string }> {
  const { upstream, upstreamTls } = portal
  const ask = upstream.protocol === 'https:' ? httpsRequest : httpRequest
  const { serverName, ...tls } = upstreamTls ?? {}
  return new Promise((resolve) => {
    const request = ask(
      new URL(portal.healthPath, upstream),
      {
        method: 'GET',
        agent: false,
        timeout: portal.healthTimeout,
        signal: AbortSignal.timeout(portal.healthTimeout),
        ...tls,
        ...(serverName ? { servername: serverName } : {}),
      },
      (answer) => {
        const status = answer.statusCode ?? 0
        answer.destroy()
        resolve(status < 500 ? { ready: true, text: 'ok' } : { ready: false, text: `the portal answers ${status}` })
      },
    )
    request.on('error', () => resolve({ ready: false, text: 'the portal does not answer' }))
    request.end()
  })
}
