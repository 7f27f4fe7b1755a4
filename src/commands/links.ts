// `postern links list|remove`: asks the running Postern over its admin listener.
import type { Config } from '../config/schema.ts'
import { askAdmin, failed, type Print, printable, printableJson } from './ask-admin.ts'

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

/** Prints the links, one a line, or all as JSON. @returns the exit code: 1 where the listener gives no list */
export async function listLinks(config: Config, { account, json }: LinksOptions, out: Print, err: Print): Promise<number> {
  const query = account === undefined ? '' : `?${new URLSearchParams({ account })}`
  const answer = await askAdmin(config, 'GET', `/links${query}`, err)
  if (answer?.status !== 200) return failed(answer, err)
  const { links } = (await answer.json()) as { readonly links: readonly Link[] }
  if (json) out(printableJson(links))
  else for (const link of links) out(lineOf(link))
  if (links.length === 0) err(account === undefined ? 'postern: there are no account links' : `postern: no link for ${account}`)
  return 0
}

/** Removes each; goes on after one that is not there. @returns the exit code: 1 where one of them was not removed */
export async function removeLinks(config: Config, ids: readonly string[], out: Print, err: Print): Promise<number> {
  let code = 0
  for (const id of ids) {
    const answer = await askAdmin(config, 'DELETE', `/links/${encodeURIComponent(id)}`, err)
    if (answer?.status === 204) out(`removed ${id}`)
    else code = await failed(answer, err, `there is no link ${id}`)
  }
  return code
}

const lineOf = ({ id, account, provider, issuer, subject, email, linkedAt }: Link): string =>
  [id, account, provider, `${issuer} ${subject}`, email, new Date(linkedAt).toISOString()].map(printable).join('  ')
