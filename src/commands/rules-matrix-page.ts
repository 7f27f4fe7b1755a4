// The matrix as one HTML file that loads nothing.
import { escapeHtml } from '../views/html.ts'
import type { Matrix } from './rules-matrix.ts'

const style = `body{font:15px/1.4 system-ui,sans-serif;margin:clamp(.75rem,4vw,2rem);color:#1a1a1a;background:#fff}
h1{overflow-wrap:anywhere}div{overflow-x:auto;margin:0 0 2rem}table{border-collapse:collapse}caption{text-align:left;font-weight:600;font-size:1.2rem;padding:.4rem 0}
th,td{border:1px solid #bbb;padding:.35rem .6rem;text-align:left;vertical-align:top}tbody th{font-family:ui-monospace,monospace;font-weight:400}
.allow{background:#e3f4e3}.deny{background:#fbe3e3}.sign-in{background:#eef1f8}.warn{background:#fdf3d3}`

/** @param subject what was asked, for the title */
export function matrixPage({ rows, notes }: Matrix, subject: string): string {
  const tables = [...Map.groupBy(rows, ({ portal }) => portal)].map(([portal, own]) => {
    const people = (own[0]?.cells ?? []).map(({ person }) => `<th scope="col">${escapeHtml(person)}</th>`).join('')
    const lines = own.map(({ request, cells }) => {
      const answers = cells.map(({ kind, text }) => `<td class="${kind}">${escapeHtml(text)}</td>`).join('')
      return `<tr><th scope="row">${escapeHtml(request)}</th>${answers}</tr>`
    })
    return `<div role="region" tabindex="0" aria-label="${escapeHtml(portal)}"><table><caption>${escapeHtml(portal)}</caption><thead><tr><th scope="col">Request</th>${people}</tr></thead><tbody>\n${lines.join('\n')}\n</tbody></table></div>`
  })
  const said = notes.map((note) => `<p>Note: ${escapeHtml(note)}</p>`)
  const title = escapeHtml(`Who may do what: ${subject}`)
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style></head><body>\n<h1>${title}</h1>\n${[...tables, ...said].join('\n')}\n</body></html>\n`
}
