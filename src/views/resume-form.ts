// The form that posts itself: hidden fields, a button for browsers without script, and the one script there is in any page of ours.
import { randomBytes } from 'node:crypto'
import { type Content, type Html, html, safeUrl } from './html.ts'
import type { Texts } from './texts.ts'

/**
 * @param action path of the portal; undefined where it may not be an address
 * @returns the form, and the nonce of its script (CSP level 3, section 2.3.1), new each time
 */
export function resumeForm(
  action: string,
  fields: readonly (readonly [name: string, value: string])[],
  texts: Texts,
): { readonly content: Html; readonly script: { readonly nonce: string } } | undefined {
  const address = safeUrl(action)
  if (!address) return undefined
  const nonce = randomBytes(18).toString('base64')
  const inputs = fields.map(([name, value]) => html`<input type="hidden" name="${lines(name)}" value="${lines(value)}">`)
  // a field may be called `submit`, and hide the form's own: so the prototype's
  const send = html`<script nonce="${nonce}">{const f=document.querySelector('form'),b=document.querySelector('form button');b.disabled=true;b.className='button off';HTMLFormElement.prototype.submit.call(f)}</script>`
  const content = html`<form method="post" action="${address}">${inputs}<button class="button main">${texts.resumeSend}</button></form>${send}`
  return { content, script: { nonce } }
}

/** A parser turns CR LF into LF; as character references they stay (HTML section 13.2.3.5). */
const lines = (text: string): readonly Content[] =>
  text.split('\r\n').flatMap((line, index) => (index === 0 ? [line] : [html`&#13;&#10;`, line]))
