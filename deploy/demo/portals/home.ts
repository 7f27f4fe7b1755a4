// A portal that was never modified: it believes the header `iv-user`, as if WebSEAL stood in front of it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { listen, type Running } from '../listen.ts'
import { html, page } from '../page.ts'

interface Seen {
  readonly user: string | null
  readonly groups: string | null
  readonly request: string
  /** Every header line as it came: name, value. */
  readonly headers: readonly (readonly [string, string])[]
}

function see(request: IncomingMessage): Seen {
  const headers: [string, string][] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) headers.push([request.rawHeaders[at]!, request.rawHeaders[at + 1]!])
  const first = (name: string) => request.headers[name]?.toString() ?? null
  return { user: first('iv-user'), groups: first('iv-groups'), request: `${request.method} ${request.url}`, headers }
}

/** As WebSEAL's utf8_uri writes it; anything else is shown as it came. */
function decoded(user: string): string {
  try {
    return decodeURIComponent(user)
  } catch {
    return user
  }
}

function greeting(seen: Seen, neighbours: readonly Neighbour[]): string {
  const user = seen.user && decoded(seen.user)
  const rows = seen.headers.map(([name, value]) => {
    const shown = /^iv-|^x-name$/.test(name) ? html`<mark>${value}</mark>` : value
    return html`<tr><th scope="row">${name}</th><td>${shown}</td></tr>`
  })
  const links = neighbours.map(({ name, url }) => html`<a href="${url}">${name}</a>`)
  return page(
    user ? `Hello, ${user}` : 'Hello, whoever you are',
    html`<nav>${links}<a href="/pkmslogout">Sign out</a></nav>
<p>This portal knows no sign-in. It read your name from the header <code>iv-user</code>.</p>
<h2>All headers it received with ${seen.request}</h2>
<table>${rows}</table>`,
  )
}

export interface Neighbour {
  readonly name: string
  readonly url: string
}

function answer(request: IncomingMessage, response: ServerResponse, neighbours: readonly Neighbour[]): void {
  const seen = see(request)
  const json = request.url?.split('?')[0] === '/seen.json'
  response.writeHead(200, { 'content-type': json ? 'application/json' : 'text/html; charset=utf-8' })
  response.end(json ? JSON.stringify(seen, null, 2) : greeting(seen, neighbours))
}

/** Greets by `iv-user` and shows every header it received; `/seen.json` says the same to a script. */
export function startHome(neighbours: readonly Neighbour[]): Promise<Running> {
  return listen((request, response) => answer(request, response, neighbours))
}
