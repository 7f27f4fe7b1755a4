// `postern sessions list|revoke`: asks the running Postern over its admin listener.
import type { Config } from '../config/schema.ts'

type Print = (line: string) => void
/** `account`, `provider`, `portal`: all of it must hold. */
export type Whose = Readonly<Record<string, string>>
interface Session {
  readonly id: string
  readonly account: string
  readonly provider: string
  readonly portals: readonly string[]
  readonly signedIn: string
  readonly lastUsed: string
  readonly ends: string
}

/** Milliseconds. */
const patience = 30_000

/** Prints the sessions, one a line, or the answer as JSON. @returns the exit code: 1 where the listener gives no list */
export async function listSessions(
  config: Config,
  { whose, json }: { readonly whose: Whose; readonly json: boolean },
  out: Print,
  err: Print,
): Promise<number> {
  const answer = await ask(config, 'GET', `/sessions${queryOf(whose)}`, err)
  if (answer?.status !== 200) return failed(answer, err)
  const list = (await answer.json()) as { readonly sessions: readonly Session[]; readonly complete: boolean }
  if (json) out(JSON.stringify(list, null, 2).replace(/[^\P{C}\n]/gu, escaped))
  else for (const session of list.sessions) out(lineOf(session))
  if (list.sessions.length === 0) err('postern: no such session is known')
  if (!list.complete) err('postern: there may be more: this is what the one that was asked has seen lately, or the newest 1000')
  return 0
}

/** Revokes all that match, or each of `ids`; goes on after one that is not there. @returns the exit code: 1 where one of them failed */
export async function revokeSessions(
  config: Config,
  { whose, ids, json }: { readonly whose: Whose; readonly ids: readonly string[]; readonly json: boolean },
  out: Print,
  err: Print,
): Promise<number> {
  let code = 0
  const paths = ids.length === 0 ? [`/sessions${queryOf(whose)}`] : ids.map((id) => `/sessions/${encodeURIComponent(id)}`)
  for (const [at, path] of paths.entries()) {
    const answer = await ask(config, 'DELETE', path, err)
    if (answer?.status !== 200) {
      code = await failed(answer, err, ids[at])
      continue
    }
    const { everywhere } = (await answer.json()) as { readonly everywhere: boolean }
    const named = ids[at] === undefined ? whose : { id: ids[at] }
    if (json) out(JSON.stringify({ ...named, revoked: true, everywhere }).replace(/\p{C}/gu, escaped))
    else out(`revoked ${Object.values(named).map(printable).join(', ')}`)
    if (!everywhere) err('postern: only the one that was asked knows: no Redis is shared with others  → see session.store')
  }
  return code
}

const queryOf = (whose: Whose): string => (Object.keys(whose).length === 0 ? '' : `?${new URLSearchParams(whose)}`)

/** What a provider said may hold anything: nothing of it may steer the terminal or begin a line of its own. */
const lineOf = ({ id, account, provider, portals, signedIn, lastUsed, ends }: Session): string =>
  [id, account, provider, portals.join(','), signedIn, lastUsed, ends].map(printable).join('  ')
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
  else if (answer.status === 404 && id !== undefined) err(`postern: there is no session ${printable(id)}`)
  else err(`postern: the admin listener answers ${answer.status}${typeof title === 'string' ? `: ${printable(title)}` : ''}`)
  return 1
}
