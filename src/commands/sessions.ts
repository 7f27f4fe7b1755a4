// `postern sessions list|revoke`: asks the running Postern over its admin listener.
import type { Config } from '../config/schema.ts'
import { askAdmin, failed, type Print, printable, printableJson } from './ask-admin.ts'

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

/** Prints the sessions, one a line, or the answer as JSON. @returns the exit code: 1 where the listener gives no list */
export async function listSessions(
  config: Config,
  { whose, json }: { readonly whose: Whose; readonly json: boolean },
  out: Print,
  err: Print,
): Promise<number> {
  const answer = await askAdmin(config, 'GET', `/sessions${queryOf(whose)}`, err)
  if (answer?.status !== 200) return failed(answer, err)
  const list = (await answer.json()) as { readonly sessions: readonly Session[]; readonly complete: boolean }
  if (json) out(printableJson(list))
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
    const answer = await askAdmin(config, 'DELETE', path, err)
    if (answer?.status !== 200) {
      code = await failed(answer, err, ids[at] === undefined ? undefined : `there is no session ${ids[at]}`)
      continue
    }
    const { everywhere } = (await answer.json()) as { readonly everywhere: boolean }
    const named = ids[at] === undefined ? whose : { id: ids[at] }
    if (json) out(printableJson({ ...named, revoked: true, everywhere }, 0))
    else out(`revoked ${Object.values(named).map(printable).join(', ')}`)
    if (!everywhere) err('postern: only the one that was asked knows: no Redis is shared with others  → see session.store')
  }
  return code
}

const queryOf = (whose: Whose): string => (Object.keys(whose).length === 0 ? '' : `?${new URLSearchParams(whose)}`)

const lineOf = ({ id, account, provider, portals, signedIn, lastUsed, ends }: Session): string =>
  [id, account, provider, portals.join(','), signedIn, lastUsed, ends].map(printable).join('  ')
