// `/sessions` on the admin listener: who is signed in where, and the way to end that.
import type { Express, Request, Response } from 'express'
import { answering, isUnavailable, say } from './admin-answers.ts'

export interface AskedSessions {
  readonly id?: string
  readonly account?: string
  readonly provider?: string
  readonly portal?: string
  readonly person?: { readonly issuer: string; readonly subject: string }
}
export interface Sessions {
  list(asked: AskedSessions): Promise<{ readonly sessions: readonly object[]; readonly complete: boolean }>
  /** Throws PosternError('store-unavailable') where it holds here, and is not sure to hold everywhere yet. */
  revoke(asked: AskedSessions): Promise<{ readonly everywhere: boolean }>
  knows(kind: 'portal' | 'provider', name: string): boolean
  /** A session that is not listed is none. */
  readonly isComplete: boolean
}

const titles = { absent: 'Not found', away: 'The session store cannot be reached' }
const filters = ['account', 'provider', 'portal', 'issuer', 'subject'] as const

/** `sessions` gives undefined before there is anything to ask. */
export function serveSessions(app: Express, sessions: () => Sessions | undefined): void {
  app.get('/sessions', (request, response) =>
    answering(response, sessions(), titles, async (known) => {
      const asked = askedIn(request, known)
      if (typeof asked === 'string') return say(response, 400, asked)
      response.json(await known.list(asked))
    }),
  )
  app.delete('/sessions', (request, response) =>
    answering(response, sessions(), titles, async (known) => {
      const asked = askedIn(request, known)
      if (typeof asked === 'string') return say(response, 400, asked)
      if (Object.keys(asked).length === 0) return say(response, 400, `Whose sessions? Name ${filters.slice(0, 3).join(', ')}`)
      await revoke(response, known, asked)
    }),
  )
  app.get('/sessions/:id', (request, response) =>
    answering(response, sessions(), titles, async (known) => {
      const [session] = hasFilter(request) ? [] : (await known.list({ id: request.params.id })).sessions
      if (session) response.json(session)
      else say(response, 404, 'Not found')
    }),
  )
  app.delete('/sessions/:id', (request, response) =>
    answering(response, sessions(), titles, async (known) => {
      const { id } = request.params
      if (hasFilter(request)) return say(response, 400, 'Either one session, or a filter')
      const isNone = !isId.test(id) || (known.isComplete && (await known.list({ id })).sessions.length === 0)
      if (isNone) return say(response, 404, 'Not found')
      await revoke(response, known, { id })
    }),
  )
}

/** What a session may be called; one in a cookie need never have been seen here. */
const isId = /^[\w-]{16,64}$/

const queryOf = (request: Request): URLSearchParams => new URL(request.url, 'http://admin').searchParams
const hasFilter = (request: Request): boolean => queryOf(request).size > 0

/** What is misspelt, empty or there twice must not mean everybody. @returns the question, or what is wrong with it */
function askedIn(request: Request, sessions: Sessions): AskedSessions | string {
  const query = queryOf(request)
  for (const name of query.keys()) {
    if (!filters.some((filter) => filter === name)) return `There is no filter of that name: ${filters.join(', ')}`
    if (query.getAll(name).length > 1 || query.get(name) === '') return `${name} must have one value`
  }
  const { account, provider, portal, issuer, subject } = Object.fromEntries(query) as Partial<
    Record<(typeof filters)[number], string>
  >
  if ((issuer === undefined) !== (subject === undefined)) return 'A person is an issuer with a subject'
  if (portal !== undefined && !sessions.knows('portal', portal)) return 'There is no portal of that name'
  if (provider !== undefined && !sessions.knows('provider', provider)) return 'There is no provider of that name'
  return {
    ...(account === undefined ? {} : { account }),
    ...(provider === undefined ? {} : { provider }),
    ...(portal === undefined ? {} : { portal }),
    ...(issuer === undefined || subject === undefined ? {} : { person: { issuer, subject } }),
  }
}

async function revoke(response: Response, sessions: Sessions, asked: AskedSessions): Promise<void> {
  try {
    response.json({ revoked: true, ...(await sessions.revoke(asked)) })
  } catch (error) {
    if (!isUnavailable(error)) throw error
    say(response, 503, 'Revoked here; the other replicas may not know it yet, they are told until they do')
  }
}
