// The one style of all pages. It stands inline, so that a page needs nothing else; the policy names it by its hash.
import { createHash } from 'node:crypto'
import { html } from './html.ts'

const sheet = html`
:root{color-scheme:light dark;--page:#f3f5f8;--card:#fff;--text:#18212f;--soft:#556072;--line:#d5dbe4;--edge:#8490a3;--accent:#1d4ed8;--hover:#1e40af;--on:#fff;--tint:#eef3fe;--warn:#8a4b08;--warn-tint:#fdf3e3;--shadow:0 1px 2px #0f172a14,0 12px 32px -12px #0f172a2e}
@media(prefers-color-scheme:dark){:root{--page:#0f141b;--card:#18202b;--text:#e9edf3;--soft:#a4afbf;--line:#364152;--edge:#66758b;--accent:#9dbcff;--hover:#bcd1ff;--on:#0b1526;--tint:#1f2d47;--warn:#f3c27a;--warn-tint:#33291a;--shadow:0 12px 32px -12px #000a}}
*{box-sizing:border-box;margin:0}
html{font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Open Sans",Arial,sans-serif;-webkit-text-size-adjust:100%}
body{min-height:100vh;min-height:100svh;display:flex;flex-direction:column;align-items:center;justify-content:center;gap:1.5rem;padding:2rem 1rem 3.5rem;background:var(--page);color:var(--text);overflow-wrap:anywhere;text-wrap:pretty}
header,main,footer{width:100%;max-width:27rem}
header{text-align:center;font-size:1.0625rem;font-weight:600}
header img{display:inline-block;max-width:100%;max-height:3.5rem;vertical-align:middle}
main{display:grid;gap:1.25rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;box-shadow:var(--shadow)}
.icon{display:grid;place-items:center;width:3rem;height:3rem;border-radius:50%;background:var(--tint);color:var(--accent)}
.icon.warn{background:var(--warn-tint);color:var(--warn)}
h1{font-size:1.5rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1rem;line-height:1.4;font-weight:600}
.lead{display:grid;gap:.5rem}
.lead p{white-space:pre-line}
.soft,dt,footer{color:var(--soft)}
.notice{padding:.75rem 1rem;border-radius:.625rem;background:var(--tint)}
ul,.actions{display:grid;gap:.75rem;padding:0;list-style:none}
.button{display:flex;align-items:center;justify-content:center;width:100%;min-height:3rem;padding:.625rem 1rem;border:1px solid var(--edge);border-radius:.625rem;background:none;color:var(--text);font:inherit;font-weight:600;text-align:center;text-wrap:balance;text-decoration:none;cursor:pointer;transition:background-color .15s,border-color .15s}
.button:hover{border-color:var(--accent);background:var(--tint)}
.button.main{border-color:var(--accent);background:var(--accent);color:var(--on)}
.button.main:hover{border-color:var(--hover);background:var(--hover)}
.button.off{color:var(--soft);border-style:dashed;cursor:default;background:none}
.field{width:100%;min-height:3rem;padding:.625rem 1rem;border:1px solid var(--edge);border-radius:.625rem;background:var(--card);color:var(--text);font:inherit}
.trouble{margin-top:.375rem;font-size:.875rem;color:var(--warn)}
dl{display:grid;gap:.75rem;padding-top:1.25rem;border-top:1px solid var(--line)}
dt{font-size:.875rem}
dd{font-weight:500}
footer{display:grid;gap:.25rem;font-size:.875rem;text-align:center}
footer a{color:inherit}
code{display:inline-block;font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;-webkit-user-select:all;user-select:all}
a:focus-visible,button:focus-visible,.field:focus-visible{outline:3px solid var(--accent);outline-offset:3px}
footer a:focus-visible{border-radius:.25rem}
.framed{min-height:0;padding:1rem;gap:1rem;justify-content:flex-start}
@media(max-width:26rem){main{padding:1.5rem 1.25rem}}
@media(prefers-reduced-motion:reduce){*{transition:none!important}}
@media(forced-colors:active){.button{border-color:ButtonText}.icon{forced-color-adjust:none}}
`

export const styleElement = html`<style>${sheet}</style>`

/** For `style-src`: CSP level 3, section 2.3.1. */
export const styleSource = `'sha256-${createHash('sha256').update(sheet.text).digest('base64')}'`
