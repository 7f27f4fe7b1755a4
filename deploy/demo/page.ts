// What the demo's pages look like. Every value that goes into a page is escaped here.

/** HTML that may be written as it is: only `html` makes it. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char] ?? char)

function written(value: unknown): string {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(written).join('')
  return escaped(String(value ?? ''))
}

/** A template of HTML: whatever is put into it is escaped, unless it is `Html` itself. */
export function html(parts: TemplateStringsArray, ...values: readonly unknown[]): Html {
  return new Html(parts.reduce((text, part, index) => text + written(values[index - 1]) + part))
}

const style = new Html(`<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word }
td, output { overflow-wrap: anywhere }
nav a { margin-right: 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8886 }
th, code, output { font-family: ui-monospace, monospace; font-weight: normal }
label { display: block; margin: .8rem 0 }
input, button { font: inherit; padding: .5rem .8rem; min-height: 2.75rem; box-sizing: border-box }
mark { padding: 0 .2rem }
</style>`)

/** A whole page. */
export function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>${style}</head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`.text
}
