// Owns what is asked of other services about somebody who has just signed in, and what becomes of the answers. The access token is
// known here and in the calls, nowhere else. Must not know: profiles, sessions, the portal's rules.

import { PosternError } from '../../errors.ts'
import { compileExpression, EvaluationError, joinReads, type Reads } from '../../expression/compile.ts'
import type { Log } from '../../log.ts'
import type { Facts, Identity, Json } from '../../types.ts'
import { type CallAnswer, CallError, type OutboundCall } from './outbound-call.ts'

export interface PostLoginOptions {
  readonly name: string
  readonly call: OutboundCall
  /** Name -> expression over the facts, `answer` and `status`. */
  readonly set: Readonly<Record<string, string>>
  readonly onError: 'deny' | 'continue'
  /** Milliseconds for the whole call. */
  readonly timeout: number
}
export interface PostLogin {
  readonly reads: Reads
  /**
   * The person with what was learnt. Throws PosternError: 'post-login-refused' where the other service says no (a 4xx that is about
   * the person), 'post-login-failed' where nothing can be learnt.
   * @param factsOf of the person as they are known so far
   */
  run(identity: Identity, factsOf: (identity: Identity) => Facts, accessToken: string | undefined): Promise<Identity>
}

/** Answers about the call and not about the person. */
const notAboutThePerson: ReadonlySet<number> = new Set([
  400, 401, 405, 406, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 429,
])

/** Throws ExpressionError. */
export function compilePostLogin(options: PostLoginOptions, log: Pick<Log, 'server'>): PostLogin {
  const set = Object.entries(options.set).map(([name, source]) => [name, compileExpression(source, 'value')] as const)
  /** Whoever reads the status judges it, too. */
  const judgesStatus = set.some(([, { reads }]) => reads.facts.has('status'))
  const learn = async (facts: Facts, token: string | undefined): Promise<Record<string, Json>> => {
    const answer = await ask(options, facts, token)
    if (!isFine(answer.status, judgesStatus)) throw new Unanswered(answer.status)
    const known = withAnswer(facts, answer)
    const learnt = await Promise.all(set.map(async ([name, value]) => [name, (await value.evaluate(known)) ?? null] as const))
    // a service that shows what it was sent must not put the token into a session
    if (token && learnt.some(([, value]) => holds(value, token)))
      throw new CallError('the answer repeats the access token', false)
    return Object.fromEntries(learnt)
  }
  return {
    reads: joinReads([options.call.reads, ...set.map(([, { reads }]) => reads)]),
    async run(identity, factsOf, accessToken) {
      const learnt = await learn(factsOf(identity), accessToken).catch((error: unknown) => {
        if (options.onError === 'deny') throw refusalOf(options, error)
        log.server('warn', `post-login action ${options.name} failed, the sign-in goes on without it`, {
          provider: identity.provider,
          detail: detailOf(options, error),
        })
        // a claim of the same name must not stand in for what was not learnt
        return Object.fromEntries(Object.keys(options.set).map((name) => [name, null]))
      })
      return { ...identity, added: { ...identity.added, ...learnt } }
    },
  }
}

class Unanswered extends Error {
  readonly status: number
  constructor(status: number) {
    super(`answered ${status}`)
    this.status = status
  }
}

async function ask({ call, timeout }: PostLoginOptions, facts: Facts, token: string | undefined): Promise<CallAnswer> {
  const filled = await call.fill({ ...facts, token: token === undefined ? {} : { access: token } })
  return call.send(filled, AbortSignal.timeout(timeout))
}

const isFine = (status: number, judgesStatus: boolean): boolean =>
  (status >= 200 && status < 300) || (judgesStatus && status >= 400 && status < 500 && status !== 429)

/** Claims of these two names do not stand in for an empty answer. */
function withAnswer(facts: Facts, { status, body }: CallAnswer): Facts {
  const { answer: _answer, ...others } = facts
  return { ...others, status, ...(body === undefined ? {} : { answer: body }) }
}

const holds = (value: Json, token: string): boolean =>
  typeof value === 'string'
    ? value.includes(token)
    : typeof value === 'object' && value !== null && JSON.stringify(value).includes(JSON.stringify(token).slice(1, -1))

function refusalOf(options: PostLoginOptions, error: unknown): PosternError {
  const isNo = error instanceof Unanswered && error.status >= 400 && error.status < 500 && !notAboutThePerson.has(error.status)
  return new PosternError(isNo ? 'post-login-refused' : 'post-login-failed', detailOf(options, error))
}

function detailOf({ name, call }: PostLoginOptions, error: unknown): string {
  const where = `post-login action ${name}`
  if (error instanceof Unanswered) return `${where}: ${call.origin} ${error.message}`
  if (error instanceof CallError || error instanceof EvaluationError) return `${where}: ${error.message}`
  return `${where}: it failed`
}
