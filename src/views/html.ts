// HTML that cannot be written unescaped: there is no way to turn a text into markup but a literal in our own source.
// A value that stands where a browser expects an address must be a SafeUrl, so that `javascript:` never becomes a link.

class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
class Address {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
/** Only `html` makes one. */
export type Html = Markup
/** Only `safeUrl`, `safeImage` and `mailTo` make one. */
export type SafeUrl = Address
export type Content = Html | SafeUrl | string | number | undefined | readonly Content[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** Text for element content and for quoted attributes. Control characters and half surrogates become U+FFFD. */
export const escapeHtml = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '\ufffd')
    .replace(/[&<>"'`]/g, (character) => entities[character] ?? '')

const opensAddress = /\s(?:href|src|action|formaction|srcset|ping|poster|data)\s*=\s*"$/i
const opensUnquoted = /=\s*$/

/**
 * A template whose holes are escaped; lists are joined, undefined is nothing.
 * @throws TypeError where a hole is an address without being a SafeUrl, or an attribute value without quotes
 */
export function html(literals: TemplateStringsArray, ...values: readonly Content[]): Html {
  let text = literals[0] ?? ''
  values.forEach((value, index) => {
    const before = literals[index] ?? ''
    if (opensUnquoted.test(before)) throw new TypeError('an attribute value needs quotes')
    if (opensAddress.test(before) && !(value instanceof Address)) throw new TypeError('an address must be a SafeUrl')
    text += render(value) + (literals[index + 1] ?? '')
  })
  return new Markup(text)
}

function render(value: Content): string {
  if (value === undefined) return ''
  if (value instanceof Markup) return value.text
  if (value instanceof Address) return escapeHtml(value.text)
  if (typeof value === 'object') return value.map(render).join('')
  return escapeHtml(String(value))
}

/** An absolute http(s) URL or a path on our own origin, read as a browser reads it; else undefined. */
export function safeUrl(text: string | undefined): SafeUrl | undefined {
  if (text === undefined) return undefined
  if (text.startsWith('/')) return staysOnOrigin(text) ? new Address(text) : undefined
  const url = URL.parse(text)
  return url && /^https?:$/.test(url.protocol) ? new Address(url.href) : undefined
}

/** A browser drops tabs and newlines and takes `\` for `/`: `/\evil.example` would leave the origin. */
function staysOnOrigin(path: string): boolean {
  const base = 'https://own.invalid'
  return URL.parse(path, base)?.origin === base
}

/** An image: a path on our own origin, an https URL, or a `data:image/`; else undefined. */
export function safeImage(text: string | undefined): SafeUrl | undefined {
  if (text === undefined) return undefined
  if (/^data:image\/[a-z0-9.+-]+[;,][\x21-\x7e]+$/i.test(text)) return new Address(text)
  return text.startsWith('/') || /^https:/i.test(text) ? safeUrl(text) : undefined
}

/** `mailto:` of a plain mail address; undefined where the text is none, or would add header fields. */
export function mailTo(text: string): SafeUrl | undefined {
  const parts = /^([^\s@<>"'?&%:/]+)@([a-z0-9.-]+)$/i.exec(text)
  return parts ? new Address(`mailto:${encodeURIComponent(parts[1] ?? '')}@${parts[2]}`) : undefined
}

/** At most `most` characters, so that a stranger's text cannot fill the page. */
export function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`
}
