// What the demo's three portals share: they were never modified, and believe `iv-user` as if WebSEAL stood in front of them.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Html, html, page } from '../page.ts'

/** Pages of a portal: true where it has answered. */
export type Pages = (request: IncomingMessage, response: ServerResponse) => boolean

export interface Link {
  readonly name: string
  readonly url: string
}

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

/** Who `iv-user` says it is, as WebSEAL's utf8_uri writes it; anything else as it came. */
export function userOf(request: IncomingMessage): string | undefined {
  const user = request.headers['iv-user']?.toString()
  try {
    return user && decodeURIComponent(user)
  } catch {
    return user
  }
}

export const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?')[0]!

export function show(response: ServerResponse, title: string, body: Html, status = 200): true {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
  response.end(page(title, body))
  return true
}

/** Greets by `iv-user` and shows every header that came; `/seen.json` says the same to a script. Answers whatever is asked. */
export function greet(request: IncomingMessage, response: ServerResponse, links: readonly Link[], portal: string): true {
  const seen = see(request)
  if (pathOf(request) === '/seen.json') {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(seen, null, 2))
    return true
  }
  const user = userOf(request)
  const rows = seen.headers.map(([name, value]) => {
    const shown = /^iv-|^x-name$/.test(name) ? html`<mark>${value}</mark>` : value
    return html`<tr><th scope="row">${name}</th><td>${shown}</td></tr>`
  })
  return show(
    response,
    user ? `Hello, ${user}` : 'Hello, whoever you are',
    html`<nav>${links.map(({ name, url }) => html`<a href="${url}">${name}</a>`)}<a href="/pkmslogout">Sign out</a></nav>
<p>This is the portal <b>${portal}</b>. It knows no sign-in: it read your name from the header <code>iv-user</code>.</p>
<h2>All headers it received with ${seen.request}</h2>
<table>${rows}</table>`,
  )
}
