// `/links` on the admin listener: who has which account since their first sign-in, and the way to free one again.
import type { Express, Response } from 'express'
import { PosternError } from '../errors.ts'

export interface LinkRegister {
  list(account?: string): Promise<readonly object[]>
  /** False: there is no such link. */
  remove(id: string): Promise<boolean>
}

/** `register` gives undefined where nothing keeps links. */
export function serveLinks(app: Express, register: () => LinkRegister | undefined): void {
  app.get('/links', async (request, response) => {
    const query = new URL(request.url, 'http://admin').searchParams
    // a filter that is misspelt must not list, and later remove, everybody
    const unknown = [...query.keys()].find((name) => name !== 'account')
    if (unknown !== undefined || query.getAll('account').length > 1) return say(response, 400, 'Bad request')
    await answering(response, register(), async (links) => {
      response.json({ links: await links.list(query.get('account') ?? undefined) })
    })
  })
  app.delete('/links/:id', async (request, response) => {
    await answering(response, register(), async (links) => {
      if (await links.remove(request.params.id)) response.status(204).end()
      else say(response, 404, 'Not found')
    })
  })
}

async function answering(
  response: Response,
  links: LinkRegister | undefined,
  work: (links: LinkRegister) => Promise<void>,
): Promise<void> {
  if (!links) return say(response, 404, 'No account links are kept: server.state is not set')
  try {
    await work(links)
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== 'store-unavailable') throw error
    say(response, 503, 'The state store cannot be reached')
  }
}

function say(response: Response, status: number, title: string): void {
  response.status(status).json({ title, status })
}
