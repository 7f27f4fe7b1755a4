// `postern links list|remove`: asks the running Postern over its admin listener.
import type { Config } from '../config/schema.ts'

type Print = (line: string) => void
export interface LinksOptions {
  readonly account?: string
  readonly json: boolean
}
interface Link {
  readonly id: string
  readonly account: string
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  readonly email: string
  readonly linkedAt: number
}

/** Milliseconds. */
const patience = 10_000

/** Prints the links, one a line, or all as JSON. @returns the exit code: 1 where the listener gives no list */
export async function listLinks(config: Config, { account, json }: LinksOptions, out: Print, err: Print): Promise<number> {
  const query = account === undefined ? '' : `?${new URLSearchParams({ account })}`
  const answer = await ask(config, 'GET', `/links${query}`, err)
  if (answer?.status !== 200) return failed(answer, err)
  const { links } = (await answer.json()) as { readonly links: readonly Link[] }
  if (json) out(JSON.stringify(links, null, 2).replace(/[^\P{C}\n]/gu, escaped))
  else for (const link of links) out(lineOf(link))
  if (links.length === 0) err(account === undefined ? 'postern: there are no account links' : `postern: no link for ${account}`)
  return 0
}

/** Removes each; goes on after one that is not there. @returns the exit code: 1 where one of them was not removed */
export async function removeLinks(config: Config, ids: readonly string[], out: Print, err: Print): Promise<number> {
  let code = 0
  for (const id of ids) {
    const answer = await ask(config, 'DELETE', `/links/${encodeURIComponent(id)}`, err)
    if (answer?.status === 204) out(`removed ${id}`)
    else code = await failed(answer, err, id)
  }
  return code
}

/** What a provider said may hold anything: nothing of it may steer the terminal or begin a line of its own. */
const lineOf = ({ id, account, provider, issuer, subject, email, linkedAt }: Link): string =>
  [id, account, provider, `${issuer} ${subject}`, email, new Date(linkedAt).toISOString()].map(printable).join('  ')
/** As JSON writes it: two of them for what lies beyond 16 bits. */
const escaped = (text: string): string =>
  Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
const printable = (text: string): string => text.replace(/\p{C}/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)

async function ask({ server }: Config, method: string, path: string, err: Print): Promise<Response | undefined> {
  const url = `http://${adminHost(server.admin.host)}:${server.admin.port}`
  try {
    return await fetch(url + path, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
      headers: server.adminToken === undefined ? {} : { authorization: `Bearer ${server.adminToken}` },
    })
  } catch {
    err(`postern: nothing answers at ${url}  → start Postern, or name its configuration with --config`)
    return undefined
  }
}

/** Where it listens on every address, it listens here. */
function adminHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function failed(answer: Response | undefined, err: Print, id?: string): Promise<number> {
  if (!answer) return 1
  const { title } = (await answer.json().catch(() => ({}))) as { readonly title?: unknown }
  if (answer.status === 401) err('postern: the admin listener does not accept server.adminToken of this configuration')
  else if (answer.status === 404 && title === 'Not found' && id !== undefined) err(`postern: there is no link ${id}`)
  else err(`postern: the admin listener answers ${answer.status}${typeof title === 'string' ? `: ${printable(title)}` : ''}`)
  return 1
}
