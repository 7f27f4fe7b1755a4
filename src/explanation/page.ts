// An explanation, and the list of recent refusals, as plain pages for the admin listener: no script, no style, nothing loaded.
import type { ExplainedRule } from '../types.ts'
import { type Content, clip, type Html, html, safeUrl } from '../views/html.ts'
import type { Explanation } from './explanation.ts'
import type { Refusal } from './refusals.ts'
import { decidersOf, factsOf, headlineOf, placeOf, shown } from './text.ts'

export const pagePolicy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

export function explanationPage(explanation: Explanation): string {
  const { request, rules, headers, notes } = explanation
  return page(
    `${request.method} ${clip(request.path, 200)}: ${headlineOf(explanation)}`,
    html`${table(factsOf(explanation))}
<h2>Rules</h2>
${rules.length === 0 ? html`<p>None.</p>` : rules.map(ruleSection)}
<h2>Headers for the portal</h2>
${headers.length === 0 ? html`<p>None.</p>` : table(headers.map(({ name, value }) => [name, value] as const))}
${notes.map((note) => html`<p>Note: ${note}</p>`)}
<p><a href="${safeUrl('/explain')}">Recent refusals</a></p>`,
  )
}

export function refusalsPage(refusals: readonly Refusal[]): string {
  const rows = refusals.map(
    ({ id, at, portal, method, path, reason, rule, identity }) =>
      html`<tr><td>${new Date(at).toISOString()}</td><td><a href="${safeUrl(`/explain?request=${encodeURIComponent(id)}`)}">${id}</a></td><td>${portal}</td><td>${method} ${clip(path, 120)}</td><td>${reason}</td><td>${rule}</td><td>${identity?.account}</td></tr>
`,
  )
  return page(
    'Recent refusals',
    html`<p>The last refusals of this process. Newest first.</p>
<table><tr><th>when</th><th>request</th><th>portal</th><th>what</th><th>reason</th><th>rule</th><th>account</th></tr>
${rows}</table>
<h2>What would happen</h2>
<form action="${safeUrl('/explain')}" method="get">
<p><label>Portal <input name="portal" required></label> <label>Method <input name="method" value="GET"></label>
<label>Path <input name="path" value="/" required></label></p>
<p><label>Provider <input name="provider"></label> <label>Client address <input name="client-ip"></label> <label>Time <input name="at"></label></p>
<p><label>Claims (JSON; empty: nobody)<br><textarea name="claims" rows="8" cols="80"></textarea></label></p>
<p><button>Explain</button></p></form>`,
  )
}

export const troublePage = (message: string): string =>
  page('This cannot be explained', html`<p>${message}</p><p><a href="${safeUrl('/explain')}">Recent refusals</a></p>`)

const page = (title: string, content: Html): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body><h1>${title}</h1>
${content}
</body></html>
`.text

const table = (pairs: readonly (readonly [name: string, text: Content])[]): Html =>
  html`<table>${pairs.map(
    ([name, text]) => html`<tr><th align="left">${name}</th><td>${text}</td></tr>
`,
  )}</table>`

function ruleSection(rule: ExplainedRule): Html {
  const { name, of, result, value, detail, facts, missing, message } = rule
  const rows: (readonly [string, Content])[] = [
    ...(result === 'refuses' || result === 'allows' ? [['gives', shown(value)] as const] : []),
    ...(detail === undefined ? [] : [['because', detail] as const]),
    ...decidersOf(rule).map((text) => ['decided', html`<code>${text}</code>`] as const),
    ...Object.entries(facts).map(([fact, given]) => ['read', html`<code>${`${fact} = ${shown(given)}`}</code>`] as const),
    ...(missing.length === 0 ? [] : [['missing', missing.join(', ')] as const]),
    ...(message === undefined ? [] : [['message', message] as const]),
  ]
  return html`<h3>${name}: ${result}</h3>
<p>${of}${placeOf(rule)}</p>
${table(rows)}
`
}
