// `/links` on the admin listener: who has which account since their first sign-in, and the way to free one again.
import type { Express } from 'express'
import { answering, say } from './admin-answers.ts'

export interface LinkRegister {
  list(account?: string): Promise<readonly object[]>
  /** False: there is no such link. */
  remove(id: string): Promise<boolean>
}

const titles = {
  absent: 'No account links are kept: server.state is not set',
  away: 'The state store cannot be reached',
}

/** `register` gives undefined where nothing keeps links. */
export function serveLinks(app: Express, register: () => LinkRegister | undefined): void {
  app.get('/links', async (request, response) => {
    const query = new URL(request.url, 'http://admin').searchParams
    // a filter that is misspelt must not list, and later remove, everybody
    const unknown = [...query.keys()].find((name) => name !== 'account')
    if (unknown !== undefined || query.getAll('account').length > 1) return say(response, 400, 'Bad request')
    await answering(response, register(), titles, async (links) => {
      response.json({ links: await links.list(query.get('account') ?? undefined) })
    })
  })
  app.delete('/links/:id', async (request, response) => {
    await answering(response, register(), titles, async (links) => {
      if (await links.remove(request.params.id)) response.status(204).end()
      else say(response, 404, 'Not found')
    })
  })
}
