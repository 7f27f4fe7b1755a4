// `postern explain`: what would happen to a request, by the configuration as it lies there; or, with --request, why the running
// Postern refused one.
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/reading.ts'
import { explain } from '../explanation/explain.ts'
import { type Explanation, WrongQuestion } from '../explanation/explanation.ts'
import { type Asked, questionOf } from '../explanation/question.ts'
import { textOf } from '../explanation/text.ts'
import type { Clock } from '../types.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import { quietContext } from './quiet-context.ts'

export interface ExplainArguments {
  readonly config: string
  readonly json: boolean
  readonly env: Environment
  readonly clock: Clock
  /** `claims` names a file here. */
  readonly asked: Asked | { readonly request: string }
}
type Print = (line: string) => void

/** Prints the explanation. @returns 0 whatever the decision, 1 where the question or what it names is wrong. Throws ConfigError. */
export async function explainCommand(args: ExplainArguments, out: Print, err: Print): Promise<number> {
  try {
    const explanation = 'request' in args.asked ? await askRunning(args, args.asked.request) : await askHere(args, args.asked)
    if (args.json) out(JSON.stringify(explanation, null, 2))
    else for (const line of textOf(explanation)) out(line)
    return 0
  } catch (error) {
    if (!(error instanceof WrongQuestion)) throw error
    err(`postern: ${error.message}`)
    return 1
  }
}

async function askHere({ config, env, clock }: ExplainArguments, asked: Asked): Promise<Explanation> {
  const claims = asked.claims === undefined ? undefined : await textIn(asked.claims)
  const question = questionOf({ ...asked, claims }, clock())
  const loaded = await loadConfig(config, { env, withoutSecrets: 'missing' })
  const { parts, trim } = compileOrRefuse(loaded, quietContext(env, clock))
  try {
    return await explain(question, { generation: parts.generation, trim })
  } finally {
    await parts.generation.close()
    await parts.forwarder.close()
  }
}

async function textIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) throw new WrongQuestion(`the file of claims cannot be read: ${file}  → name a JSON or YAML file`)
  return text
}

/** Milliseconds. */
const patience = 10_000

async function askRunning({ config, env }: ExplainArguments, id: string): Promise<Explanation> {
  const { server } = (await loadConfig(config, { env, withoutSecrets: 'missing' })).config
  const url = new URL(`http://${reachable(server.admin.host)}:${server.admin.port}/explain`)
  url.searchParams.set('request', id)
  const authorization = server.adminToken === undefined ? {} : { authorization: `Bearer ${server.adminToken}` }
  const answer = await fetch(url, {
    headers: { accept: 'application/json', ...authorization },
    redirect: 'error',
    signal: AbortSignal.timeout(patience),
  }).catch(() => undefined)
  if (!answer) throw new WrongQuestion(`nobody answers at ${url.host}  → start Postern, or look at server.admin`)
  const body = (await answer.json().catch(() => undefined)) as Explanation | { readonly detail?: unknown } | undefined
  if (answer.status === 401) throw new WrongQuestion(`${url.host} does not accept this  → look at server.adminToken`)
  if (answer.status === 200 && body && 'decision' in body) return body
  const detail =
    body && 'detail' in body && typeof body.detail === 'string' ? body.detail : `${url.host} answers ${answer.status}`
  throw new WrongQuestion(detail)
}

/** Where it listens everywhere, it is here, too. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
