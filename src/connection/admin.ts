// The admin listener: what is being served, what was wrong with the last reload, why somebody was refused. Never a secret.
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type NextFunction, type Request, type Response } from 'express'
import { isLoopbackHost } from '../addresses.ts'
import { foldHost } from '../destination/find-portal.ts'
import { describe, PosternError, type Problem } from '../errors.ts'
import type { Portal, Provider } from '../types.ts'
import { addExplain, type Explaining } from './admin-explain.ts'
import { type LinkRegister, serveLinks } from './admin-links.ts'
import { type Sessions, serveSessions } from './admin-sessions.ts'

export interface Admin {
  readonly token?: string
  readonly generation: () => number
  readonly portals: () => ReadonlyMap<string, Portal>
  readonly providers: () => readonly ProviderEntry[]
  /** Of the last reload; empty where it went well. */
  readonly problems: () => readonly Problem[]
  readonly explaining: Explaining
  /** Account links; undefined: nothing keeps them. */
  readonly links?: () => LinkRegister | undefined
  /** Accounts that could not be set up in a portal, newest first. Throws PosternError('store-unavailable'). */
  readonly provisioning?: () => Promise<readonly object[]>
  readonly sessions?: () => Sessions
}
export interface ProviderEntry {
  readonly name: string
  readonly protocol: string
  readonly enabled: boolean
  /** enabled, disabled, not configured. */
  readonly configuration: string
  readonly provider?: Provider
}

export function createAdmin(admin: Admin): (incoming: IncomingMessage, response: ServerResponse) => void {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use((request, response, next) => {
    response.set('Cache-Control', 'no-store')
    if (admin.token !== undefined) {
      if (!sameText(request.headers.authorization ?? '', `Bearer ${admin.token}`))
        return void response
          .status(401)
          .set('WWW-Authenticate', 'Bearer realm="admin"')
          .json({ title: 'Not accepted', status: 401 })
    } else if (!isLoopbackHost(foldHost(request.headers.host ?? '') ?? '')) {
      // a web page must not reach this listener under a name of its own (DNS rebinding)
      return void response.status(403).json({ title: 'No access', status: 403 })
    }
    // nor make it work, as an image or a frame of a page elsewhere would; a link to it may be followed
    if (request.headers['sec-fetch-site'] === 'cross-site' && !isFollowed(request))
      return void response.status(403).json({ title: 'No access', status: 403 })
    next()
  })
  app.get('/config', (_request, response) => void response.json(describeConfiguration(admin)))
  addExplain(app, admin.explaining)
  app.get('/provisioning', async (_request, response) => {
    try {
      response.json({ failures: (await admin.provisioning?.()) ?? [] })
    } catch (error) {
      if (!(error instanceof PosternError)) throw error
      response.status(describe(error.reason).status).json({ title: 'Not available', status: describe(error.reason).status })
    }
  })
  serveLinks(app, () => admin.links?.())
  serveSessions(app, () => admin.sessions?.())
  app.use((_request, response) => void response.status(404).json({ title: 'Not found', status: 404 }))
  // express would answer with a stack trace
  app.use(
    (_error: unknown, _request: Request, response: Response, _next: NextFunction) =>
      void response.status(400).json({ title: 'Bad request', status: 400 }),
  )
  return app
}

/** W3C Fetch Metadata. */
const isFollowed = ({ method, headers }: Request): boolean =>
  method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'

function describeConfiguration(admin: Admin): object {
  const portals = [...admin.portals().values()]
  const users = (name: string) => portals.filter((portal) => portal.providers.some((provider) => provider.name === name))
  return {
    generation: admin.generation(),
    problems: admin.problems(),
    providers: admin.providers().map(({ name, protocol, enabled, configuration, provider }) => ({
      name,
      protocol,
      enabled,
      configuration,
      ...(provider?.status ? { status: provider.status() } : {}),
      redirectUris: users(name).flatMap((portal) => portal.redirectUris.get(name) ?? []),
      portals: users(name).map((portal) => portal.name),
    })),
    portals: portals.map(({ name, origin, path, upstream, mode, routes }) => ({
      name,
      publicUrl: origin,
      path,
      upstream: upstream.origin,
      mode,
      routes: routes.map(({ pattern, access }) => ({ path: pattern || '(else)', access })),
    })),
  }
}

function sameText(given: string, wanted: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(wanted)
  return a.length === b.length && timingSafeEqual(a, b)
}
