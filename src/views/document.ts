// The frame around every page: head, brand, footer, and the headers that keep a browser from doing more than showing it.
import { clip, type Html, html, mailTo, safeImage, safeUrl } from './html.ts'
import { styleElement, styleSource } from './style.ts'
import type { Texts } from './texts.ts'

/** What the operator says about all pages, `pages:` of the configuration. */
export interface PageSettings {
  readonly title: string
  /** Absolute path, https URL or `data:image/`; anything else is not shown. */
  readonly logo?: string
  /** Mail address, http(s) URL or text. */
  readonly contact?: string
  /** Language tag; English where we have no texts in it. */
  readonly language: string
}

/** An answer ready to be written. */
export interface Rendered {
  readonly status: number
  /** Flat: name, value, name, value. */
  readonly headers: readonly string[]
  /** To be sent as UTF-8. */
  readonly body: string
}

/** One page without its frame. */
export interface Sheet {
  readonly status: number
  readonly heading: string
  readonly content: Html
  readonly requestId: string
  /** Further headers, flat. */
  readonly headers?: readonly string[]
  /** Addresses whose origins the page's form may lead to, beside our own. */
  readonly formTargets?: readonly string[]
  /** The one script of this page, by the nonce of its element. */
  readonly script?: { readonly nonce: string }
  /** Shown inside a page of the portal's own origin. */
  readonly framed?: boolean
}

/** Puts the frame around a page. */
export function renderDocument(sheet: Sheet, texts: Texts, settings: PageSettings): Rendered {
  const title = clip(settings.title, 80)
  const page = html`<!doctype html>
<html lang="${texts.lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:,">
<title>${sheet.heading}${title === '' ? '' : ` · ${title}`}</title>${styleElement}</head>
<body${sheet.framed ? html` class="framed"` : ''}>
${sheet.framed ? '' : brand(title, settings)}<main>${sheet.content}</main>
<footer>${help(texts, settings)}<p>${texts.requestId}: <code>${clip(sheet.requestId, 128)}</code></p></footer>
</body></html>
`
  return { status: sheet.status, headers: [...pageHeaders(sheet, settings), ...(sheet.headers ?? [])], body: page.text }
}

function brand(title: string, settings: PageSettings): Html {
  const logo = safeImage(settings.logo)
  if (logo) return html`<header><img src="${logo}" alt="${title}"></header>`
  return title === '' ? html`` : html`<header>${title}</header>`
}

function help(texts: Texts, settings: PageSettings): Html | undefined {
  const contact = settings.contact?.trim()
  if (!contact) return undefined
  const address = mailTo(contact) ?? safeUrl(contact)
  const shown = clip(contact, 200)
  return html`<p>${texts.help} ${address ? html`<a href="${address}">${shown}</a>` : html`<bdi>${shown}</bdi>`}</p>`
}

function pageHeaders(sheet: Sheet, settings: PageSettings): readonly string[] {
  return [
    'Content-Type',
    'text/html; charset=utf-8',
    'Cache-Control',
    'no-store',
    'Content-Security-Policy',
    policy(sheet, settings),
    'X-Content-Type-Options',
    'nosniff',
    // `no-referrer` makes the browser say `Origin: null` when our own form is posted (Fetch, section 3.2)
    'Referrer-Policy',
    sheet.formTargets ? 'same-origin' : 'no-referrer',
    'X-Frame-Options',
    sheet.framed ? 'SAMEORIGIN' : 'DENY',
  ]
}

function policy(sheet: Sheet, settings: PageSettings): string {
  const formTargets = (sheet.formTargets ?? []).flatMap(origin)
  const logo = safeImage(settings.logo)?.text ?? ''
  return [
    "default-src 'none'",
    `style-src ${styleSource}`,
    ...(sheet.script ? [`script-src 'nonce-${sheet.script.nonce}'`] : []),
    ["img-src 'self' data:", ...origin(logo)].join(' '),
    ["form-action 'self'", ...new Set(formTargets)].join(' '),
    `frame-ancestors ${sheet.framed ? "'self'" : "'none'"}`,
    "base-uri 'none'",
  ].join('; ')
}

/** The origin of an http(s) URL as a list of at most one. `https://a;sandbox` is a URL too: it must not end a directive. */
function origin(text: string): readonly string[] {
  const url = URL.parse(text)
  return url && /^https?:\/\/[a-z0-9._:[\]-]+$/.test(url.origin) ? [url.origin] : []
}
